"""Divisions of evaluation goals into the rows of a table; NumPy."""

import numpy as np

from robot_gcrl.task.cells import path_lengths
from robot_gcrl.task.maze import Maze
from robot_gcrl.task.task import Regions


def distance_regions(edges: tuple[float, ...], *, origin: tuple[float, ...], unit: str) -> Regions:
    """Rings around `origin` [G] whose outer radii are `edges`, ascending; beyond counts as last."""
    inner = (0.0, *edges[:-1])

    def label(goals: np.ndarray) -> np.ndarray:
        distance = np.linalg.norm(goals - np.array(origin), axis=-1)
        return np.searchsorted(np.array(edges[:-1]), distance, side="right")

    return Regions(
        names=tuple(f"{a:g}-{b:g} {unit}" for a, b in zip(inner, edges, strict=True)), label=label
    )


def cell_regions(maze: Maze) -> Regions:
    """One region for each goal cell, named by its center [m] and its path length; the far ones far.

    A goal belongs to the cell whose center is nearest.
    """
    return _cells(maze, maze.goal_cells, maze.path_lengths, maze.far_goals)


def free_cell_regions(maze: Maze, cells: tuple[tuple[int, int], ...]) -> Regions:
    """One region for each of `cells`, the start's too, where episodes may start anywhere.

    They are named as in `cell_regions`, so by their path from the maze's start; none is far.
    """
    row = path_lengths(maze)[maze.free_cells.index(maze.start_cell)]
    lengths = tuple(int(row[maze.free_cells.index(cell)]) for cell in cells)
    return _cells(maze, cells, lengths, ())


def _cells(
    maze: Maze,
    cells: tuple[tuple[int, int], ...],
    lengths: tuple[int, ...],
    far: tuple[int, ...],
) -> Regions:
    centers = maze.positions(cells)

    def label(goals: np.ndarray) -> np.ndarray:
        return np.linalg.norm(goals[..., None, :] - centers, axis=-1).argmin(-1)

    names = tuple(
        f"({x:g}, {y:g}) {length} cell{'' if length == 1 else 's'}"
        for (x, y), length in zip(centers.tolist(), lengths, strict=True)
    )
    return Regions(names=names, label=label, far=far)
