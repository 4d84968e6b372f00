"""The map of a task's maze, read off the walls of its scene.

A task does not say which maze it was built in, but its walls are exactly the cells of one
(`robot_gcrl.task.maze.Maze.walls`), whoever's grid it was.
"""

import numpy as np

from robot_gcrl.policy.runtime.maze import FREE, WALL, MazeMap
from robot_gcrl.task.maze import CELL
from robot_gcrl.task.task import Task

# As `robot_gcrl.task.scene.make_scene` names them
_PREFIX = "wall_"
_TOLERANCE = 1e-4  # [cells]


def maze_map(task: Task) -> MazeMap | None:
    """The map of the maze that a task's walls make; None where they make none, or are not there.

    They make one if they cover whole cells and close it all around.
    """
    geoms = [task.model.geom(i) for i in range(task.model.ngeom)]
    walls = [geom for geom in geoms if geom.name.startswith(_PREFIX)]
    if not walls:
        return None
    low = np.array([geom.pos[:2] - geom.size[:2] for geom in walls])
    high = np.array([geom.pos[:2] + geom.size[:2] for geom in walls])
    corner = low.min(0)
    ends = np.stack((low, high)) - corner
    cells = np.rint(ends / CELL).astype(int)
    if not np.allclose(ends / CELL, cells, atol=_TOLERANCE, rtol=0.0):
        return None
    is_wall = np.zeros(cells.max((0, 1)), bool)
    for (top, left), (bottom, right) in cells.swapaxes(0, 1):
        is_wall[top:bottom, left:right] = True
    inner = np.zeros_like(is_wall)
    inner[1:-1, 1:-1] = True
    if is_wall.all() or not is_wall[~inner].all():
        return None
    x, y = (corner + CELL / 2).tolist()
    return MazeMap(
        rows=tuple("".join(np.where(row, WALL, FREE)) for row in is_wall), cell=CELL, origin=(x, y)
    )
