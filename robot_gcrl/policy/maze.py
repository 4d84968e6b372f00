"""The map of a task's maze, read off the walls of its scene.

A task does not say which maze it was built in, but its walls are exactly the cells of one
(`robot_gcrl.task.maze.Maze.walls`), whoever's grid it was and of whatever cells.
"""

import functools
import math

import numpy as np

from robot_gcrl.policy.runtime.maze import FREE, WALL, MazeMap
from robot_gcrl.task.task import Task

# As `robot_gcrl.task.scene.make_scene` names them
_PREFIX = "wall_"
# To which walls are measured: coordinates in MJCF are rounded [m]
_UNIT = 1e-3
_TOLERANCE = 1e-4  # [m]
_LEAST_CELL = 0.1  # narrower is no cell, but a length that all edges happen to have [m]


def maze_map(task: Task) -> MazeMap | None:
    """The map of the maze that a task's walls make; None where they make none, or are not there.

    They make one if they cover whole cells and close it all around. The cells are as wide as walls
    and the ways between them allow: a maze whose edges all lie on every second line has cells of
    twice the width, which are the same walls and ways.
    """
    geoms = [task.model.geom(i) for i in range(task.model.ngeom)]
    walls = [geom for geom in geoms if geom.name.startswith(_PREFIX)]
    if not walls:
        return None
    low = np.array([geom.pos[:2] - geom.size[:2] for geom in walls])
    high = np.array([geom.pos[:2] + geom.size[:2] for geom in walls])
    corner = low.min(0)
    ends = np.stack((low, high)) - corner
    cell = _cell(ends)
    if cell is None:
        return None
    cells = np.rint(ends / cell).astype(int)
    is_wall = np.zeros(cells.max((0, 1)), bool)
    for (top, left), (bottom, right) in cells.swapaxes(0, 1):
        is_wall[top:bottom, left:right] = True
    inner = np.zeros_like(is_wall)
    inner[1:-1, 1:-1] = True
    if is_wall.all() or not is_wall[~inner].all():
        return None
    x, y = (corner + cell / 2).tolist()
    return MazeMap(
        rows=tuple("".join(np.where(row, WALL, FREE)) for row in is_wall), cell=cell, origin=(x, y)
    )


def _cell(ends: np.ndarray) -> float | None:
    """The greatest length [m] of which all coordinates `ends` are multiples; None without one."""
    counts = np.rint(ends / _UNIT).astype(int)
    if not np.allclose(ends, counts * _UNIT, atol=_TOLERANCE, rtol=0.0):
        return None
    cell = functools.reduce(math.gcd, counts.ravel().tolist()) * _UNIT
    return cell if cell >= _LEAST_CELL else None
