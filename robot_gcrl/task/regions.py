"""Divisions of evaluation goals into the rows of a table; NumPy."""

import numpy as np

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
    centers = maze.positions(maze.goal_cells)

    def label(goals: np.ndarray) -> np.ndarray:
        return np.linalg.norm(goals[..., None, :] - centers, axis=-1).argmin(-1)

    names = tuple(
        f"({x:g}, {y:g}) {length} cell{'s' if length > 1 else ''}"
        for (x, y), length in zip(centers.tolist(), maze.path_lengths, strict=True)
    )
    return Regions(names=names, label=label, far=maze.far_goals)
