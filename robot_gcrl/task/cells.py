"""Cells of a maze in pairs: which are neighbors, and how far apart any two are along paths; NumPy.

K is the number of free cells, in the order of `Maze.free_cells`.
"""

import numpy as np

from robot_gcrl.errors import TaskError
from robot_gcrl.task.maze import Maze


def neighbor_positions(
    maze: Maze, cells: tuple[tuple[int, int], ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Every step from one of `cells` to a free neighbor: float32 [L, 2] where from, and where to.

    Centers of cells x, y [m]; steps of one cell stand in the order right, down, left, up.
    """
    free = set(maze.free_cells)
    steps = [
        (cell, neighbor)
        for cell in cells
        for across, along in ((0, 1), (1, 0), (0, -1), (-1, 0))
        if (neighbor := (cell[0] + across, cell[1] + along)) in free
    ]
    origins, ends = zip(*steps, strict=True)
    return maze.positions(origins), maze.positions(ends)


def path_lengths(maze: Maze) -> np.ndarray:
    """Float [K, K]: cells on the shortest path between each two; inf where there is none."""
    cells = np.array(maze.free_cells)
    apart = np.abs(cells[:, None] - cells).sum(-1)
    lengths = np.where(apart <= 1, apart, np.inf)
    for between in range(len(cells)):  # Floyd and Warshall
        lengths = np.minimum(lengths, lengths[:, between, None] + lengths[between])
    return lengths


def cell_pairs(maze: Maze, least: int, most: int) -> np.ndarray:
    """Bool [K, K]: whether the path between two cells has `least` to `most` cells.

    Raises:
      TaskError: the maze has no such pair.
    """
    lengths = path_lengths(maze)
    pairs = (lengths >= least) & (lengths <= most)
    if not pairs.any():
        longest = int(lengths[np.isfinite(lengths)].max())
        raise TaskError(
            f"Maze {maze.name!r} has no cells {least} to {most} cells apart. Expected some; its "
            f"longest path has {longest}. Use a longer maze."
        )
    return pairs
