"""A ball is pushed to points of the plane, in the open and in mazes."""

import functools

import numpy as np

from robot_gcrl.contract import ActionMap, Contract, Field, GoalField, SuccessGroup
from robot_gcrl.task.budgets import budgets
from robot_gcrl.task.goals import disk_goals, in_cells, point_goals
from robot_gcrl.task.layouts import LAYOUTS
from robot_gcrl.task.maze import CELL, Maze
from robot_gcrl.task.realism import bench_levels
from robot_gcrl.task.regions import cell_regions, distance_regions
from robot_gcrl.task.scene import Camera, make_scene
from robot_gcrl.task.starts import planar_starts
from robot_gcrl.task.task import Budget, Distribution, Hints, Task

CONTROL_DT = 0.05  # [s]
RADIUS = 0.5  # [m]
FORCE = 6.25  # [N]: 2.5 m/s against the damping of 2.5 N s/m
START_JITTER = 0.1  # [m]

OPEN_EPISODE_LENGTH = 160  # control steps: 8 s for up to 10 m
OPEN_RADIUS = 10.0  # of the disk of goals [m]

# Half of the top speed, so that a ball that slows down in corners arrives.
SECONDS_PER_CELL = 3.0
CELL_JITTER = 0.9  # of goals in training and of starts anywhere [m]
# With a longer path than this [cells] ways to far cells need a long horizon (a share of the
# episode) and goals that stay; in the u-maze, of 6, both lose: docs/learning/measured.md
LARGE = 12
HORIZON_SHARE = 0.4

CAMERA = Camera(position=(15.0, 0.0, 21.0), target=(0.5, 0.0, 0.0), up=(-1.0, 0.0, 0.0))
LAPTOP = Budget(control_steps=1_200_000, gradient_steps=20_000)
CELL_STEPS = 200_000  # control steps on a laptop for each cell of the longest path


def make_contract(name: str, low: np.ndarray, high: np.ndarray) -> Contract:
    """Position and velocity; forces. Goals x, y lie between `low` and `high` [2]."""
    slides = ("x", "y")
    return Contract(
        name=name,
        robot="point",
        control_dt=CONTROL_DT,
        observation=(
            *(Field(source="qpos", name=s, unit="m", frame="world") for s in slides),
            *(Field(source="qvel", name=s, unit="m/s", frame="world") for s in slides),
        ),
        goal=tuple(
            GoalField(
                label=s, source="qpos", name=s, unit="m", low=float(low[i]), high=float(high[i])
            )
            for i, s in enumerate(slides)
        ),
        success=(SuccessGroup(labels=slides, radius=RADIUS),),
        action=ActionMap(
            actuators=slides,
            joints=slides,
            modes=("torque",) * 2,
            scale=(FORCE,) * 2,
            offset=(0.0,) * 2,
            low=(-FORCE,) * 2,
            high=(FORCE,) * 2,
        ),
        needs=("world position of the ball",),
    )


def point() -> Task:
    """The task without walls."""
    edge = np.full(2, OPEN_RADIUS)
    distribution = Distribution(
        start=planar_starts(np.zeros((1, 2)), jitter=START_JITTER), goal=disk_goals(OPEN_RADIUS)
    )
    return Task(
        contract=make_contract("point", -edge, edge),
        scene=make_scene("point", camera=CAMERA),
        episode_length=OPEN_EPISODE_LENGTH,
        train=distribution,
        eval=distribution,
        regions=distance_regions((5.0, OPEN_RADIUS), origin=(0.0, 0.0), unit="m"),
        realism=bench_levels(("x", "y")),
        hints=Hints(horizon=5.0, budgets=budgets(laptop=LAPTOP)),
        summary="A ball is pushed to a point within 10 m on an open floor.",
    )


def make_point_maze(maze: Maze) -> Task:
    """The task in a maze."""
    free, goals = maze.positions(maze.free_cells), maze.positions(maze.goal_cells)
    start = planar_starts(np.zeros((1, 2)), jitter=START_JITTER)
    cells = max(maze.path_lengths)
    seconds, is_large = SECONDS_PER_CELL * cells, cells > LARGE
    return Task(
        contract=make_contract(
            f"point_maze_{maze.name}", free.min(0) - CELL / 2, free.max(0) + CELL / 2
        ),
        scene=make_scene("point", walls=maze.walls, camera=maze.camera()),
        episode_length=round(seconds / CONTROL_DT),
        train=Distribution(start=start, goal=point_goals(goals, jitter=CELL_JITTER)),
        eval=Distribution(start=start, goal=point_goals(goals)),
        anywhere=planar_starts(free, jitter=CELL_JITTER),
        admits=in_cells(free, side=maze.cell),
        regions=cell_regions(maze),
        realism=bench_levels(("x", "y")),
        hints=Hints(
            horizon=HORIZON_SHARE * seconds if is_large else 10.0,
            goal_switch_interval=seconds if is_large else CONTROL_DT / 0.02,
            random_start_share=0.5,
            budgets=budgets(
                laptop=Budget(
                    control_steps=cells * CELL_STEPS, gradient_steps=cells * CELL_STEPS // 60
                )
            ),
            # 0.5 m of a maze of 40 m are to be told apart
            agent={"input_bias": 1.0} if is_large else {},
        ),
        summary=f"A ball is pushed from the start to the cells of the maze {maze.name!r}.",
    )


def point_maze(maze: Maze | None = None) -> Task:
    """The task in the u-maze, or in a maze of the user's."""
    return make_point_maze(LAYOUTS["u"] if maze is None else maze)


TASKS = {
    "point": point,
    "point_maze": point_maze,
    **{f"point_maze_{n}": functools.partial(make_point_maze, m) for n, m in LAYOUTS.items()},
}
