"""A four-legged ant walks to points of the plane, in the open and in mazes."""

import functools

import numpy as np

from robot_gcrl.task.ant import (
    CONTROL_DT,
    FREE_JITTER,
    LEVELS,
    START_JITTER,
    ant_contract,
    ant_starts,
    plane_goals,
)
from robot_gcrl.task.budgets import budgets
from robot_gcrl.task.cells import cell_pairs
from robot_gcrl.task.goals import box_goals, disk_goals, in_cells, pair_goals, point_goals
from robot_gcrl.task.layouts import LAYOUTS
from robot_gcrl.task.maze import CELL, Maze
from robot_gcrl.task.regions import cell_regions, distance_regions, free_cell_regions
from robot_gcrl.task.scene import Camera, make_scene
from robot_gcrl.task.task import Budget, Distribution, Hints, Task

OPEN_EPISODE_LENGTH = 200  # control steps: 20 s for up to 5 m
OPEN_RADII = (1.0, 5.0)  # of the disk of goals and of the hole in it [m]

ANYWHERE_EPISODE_LENGTH = 400  # control steps: 40 s for up to 14.1 m
ANYWHERE_EDGE = 5.0  # starts and goals lie within +-5 m in x and y [m]

# An ant that walks 0.5 m/s needs 8 s for a cell; the rest is for corners.
SECONDS_PER_CELL = 10.0
GOAL_JITTER = 0.9  # of goals in training [m]

STITCH_TRAIN = (1, 3)  # cells from start to goal
STITCH_EVAL = (4, 6)

CAMERA = Camera(position=(6.2, -3.2, 4.4), target=(0.0, 0.0, 0.2))
ANYWHERE_CAMERA = Camera(position=(11.0, -5.7, 7.6), target=(0.3, 0.0, 0.0))


def ant() -> Task:
    """The task without walls."""
    inner, outer = OPEN_RADII
    edge = np.full(2, outer)
    distribution = Distribution(
        start=ant_starts(np.zeros((1, 2)), jitter=START_JITTER, any_heading=False),
        goal=disk_goals(outer, inner=inner),
    )
    return Task(
        contract=ant_contract("ant", plane_goals("root", -edge, edge)),
        scene=make_scene("ant", camera=CAMERA),
        episode_length=OPEN_EPISODE_LENGTH,
        train=distribution,
        eval=distribution,
        regions=distance_regions((3.0, outer), origin=(0.0, 0.0), unit="m"),
        realism=LEVELS,
        hints=Hints(
            horizon=5.0,
            goal_switch_interval=CONTROL_DT / 0.01,
            budgets=budgets(laptop=Budget(control_steps=2_200_000, gradient_steps=65_000)),
            # Reaches more on three seeds: docs/learning/measured.md, harder tasks
            agent={"loss": "backward_infonce"},
        ),
        summary="A four-legged ant walks to a point 1 to 5 m away on an open floor.",
    )


def ant_random_start() -> Task:
    """The task without walls from anywhere to anywhere, at any heading."""
    edge = np.full(2, ANYWHERE_EDGE)
    distribution = Distribution(
        start=ant_starts(np.zeros((1, 2)), jitter=ANYWHERE_EDGE, any_heading=True),
        goal=box_goals((-ANYWHERE_EDGE,) * 2, (ANYWHERE_EDGE,) * 2),
    )
    return Task(
        contract=ant_contract("ant_random_start", plane_goals("root", -edge, edge)),
        scene=make_scene("ant", camera=ANYWHERE_CAMERA),
        episode_length=ANYWHERE_EPISODE_LENGTH,
        train=distribution,
        eval=distribution,
        regions=distance_regions((3.0, 5.0, 7.1), origin=(0.0, 0.0), unit="m from the center"),
        realism=LEVELS,
        hints=Hints(
            horizon=5.0,
            goal_switch_interval=CONTROL_DT / 0.01,
            near_goal_radius=5.0,
            near_goal_share=0.5,
            budgets=budgets(laptop=Budget(control_steps=4_000_000, gradient_steps=100_000)),
        ),
        summary="The ant walks from anywhere to anywhere in a square of 10 m on an open floor.",
    )


def make_ant_maze(maze: Maze) -> Task:
    """The task in a maze."""
    free, goals = maze.positions(maze.free_cells), maze.positions(maze.goal_cells)
    start = ant_starts(np.zeros((1, 2)), jitter=START_JITTER, any_heading=False)
    return Task(
        contract=ant_contract(
            f"ant_maze_{maze.name}",
            plane_goals("root", free.min(0) - CELL / 2, free.max(0) + CELL / 2),
        ),
        scene=make_scene("ant", walls=maze.walls, camera=maze.camera()),
        episode_length=round(SECONDS_PER_CELL * max(maze.path_lengths) / CONTROL_DT),
        train=Distribution(start=start, goal=point_goals(goals, jitter=GOAL_JITTER)),
        eval=Distribution(start=start, goal=point_goals(goals)),
        anywhere=ant_starts(free, jitter=FREE_JITTER, any_heading=True),
        admits=in_cells(free, side=maze.cell),
        regions=cell_regions(maze),
        realism=LEVELS,
        hints=Hints(
            horizon=5.0,
            goal_switch_interval=CONTROL_DT / 0.015,
            near_goal_radius=5.0,
            near_goal_share=0.7,
            random_start_share=0.3,
            budgets=budgets(laptop=Budget(control_steps=15_000_000, gradient_steps=205_000)),
        ),
        summary=f"The ant walks from the start to the cells of the maze {maze.name!r}.",
    )


def ant_maze(maze: Maze | None = None) -> Task:
    """The task in the u-maze, or in a maze of the user's."""
    return make_ant_maze(LAYOUTS["u"] if maze is None else maze)


def ant_maze_stitch() -> Task:
    """Trained on short ways through the u-maze, evaluated on long ones.

    The experiment on stitching of arXiv 2503.14858, with its distances. A training episode keeps
    its goal: another one during the episode would lead farther than its start and first goal are
    apart.
    """
    maze = LAYOUTS["u"]
    free = maze.positions(maze.free_cells)
    short, far = cell_pairs(maze, *STITCH_TRAIN), cell_pairs(maze, *STITCH_EVAL)
    ends = np.flatnonzero(far.any(1))  # of long ways; the cell in the middle is none
    return Task(
        contract=ant_contract(
            "ant_maze_stitch", plane_goals("root", free.min(0) - CELL / 2, free.max(0) + CELL / 2)
        ),
        scene=make_scene("ant", walls=maze.walls, camera=maze.camera()),
        episode_length=round(SECONDS_PER_CELL * STITCH_EVAL[1] / CONTROL_DT),
        train=Distribution(
            start=ant_starts(free, jitter=FREE_JITTER, any_heading=True),
            goal=pair_goals(free, short, jitter=GOAL_JITTER),
        ),
        eval=Distribution(
            start=ant_starts(free[ends], jitter=START_JITTER, any_heading=True),
            goal=pair_goals(free, far),
        ),
        admits=in_cells(free, side=maze.cell),
        regions=free_cell_regions(maze, tuple(maze.free_cells[i] for i in ends)),
        realism=LEVELS,
        hints=Hints(
            horizon=5.0,
            near_goal_radius=5.0,
            near_goal_share=0.5,
            budgets=budgets(laptop=Budget(control_steps=15_000_000, gradient_steps=205_000)),
        ),
        summary="The ant learns ways of 1 to 3 cells in the u-maze and is given ways of 4 to 6.",
    )


TASKS = {
    "ant": ant,
    "ant_random_start": ant_random_start,
    "ant_maze": ant_maze,
    "ant_maze_stitch": ant_maze_stitch,
    **{f"ant_maze_{n}": functools.partial(make_ant_maze, m) for n, m in LAYOUTS.items()},
}
