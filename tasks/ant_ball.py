"""The ant pushes a ball to points of the plane, in the open and in mazes."""

import functools

import numpy as np

from robot_gcrl.contract import Contract, Field
from robot_gcrl.task.ant import (
    CONTROL_DT,
    LEVELS,
    START_JITTER,
    ant_contract,
    ant_starts,
    plane_goals,
    velocity_field,
)
from robot_gcrl.task.budgets import budgets
from robot_gcrl.task.cells import neighbor_positions
from robot_gcrl.task.goals import beyond_goals, in_cells, point_goals
from robot_gcrl.task.layouts import LAYOUTS
from robot_gcrl.task.maze import CELL, Maze
from robot_gcrl.task.regions import cell_regions, distance_regions
from robot_gcrl.task.scene import Camera, Prop, make_scene
from robot_gcrl.task.starts import ball_around_starts, ball_beside_starts
from robot_gcrl.task.task import Budget, Distribution, Hints, Task

BALL = Prop("ball", name="ball")
BALL_JOINT = "ball/joint"
BALL_RADIUS = 0.5  # [m]
BALL_ADDRESS = 15  # of the ball's x in qpos, behind the ant

# The ant's feet reach 1.0 m; it stands clear of the ball, which then has 2.5 m to go at least.
BALL_DISTANCES = (1.7, 2.5)  # of the ball's center from the ant at the start [m]
GOAL_DISTANCE = 5.0  # of goals from the start, on the ball's far side [m]
GOAL_SPREAD = 0.5  # by how much goal and ball may differ in direction [rad]
OPEN_EPISODE_LENGTH = 300  # control steps: 30 s

# Twice the time that the ant needs alone: at corners it walks around the ball.
SECONDS_PER_CELL = 20.0
GOAL_JITTER = 0.9  # of goals in training [m]
FREE_JITTER = 0.2  # of ant and ball in starts anywhere [m]
# In `hardest` the ball would have to go round a loop of 12 cells for goals behind the other exit.
BALL_LAYOUTS = {name: maze for name, maze in LAYOUTS.items() if name != "hardest"}

CAMERA = Camera(position=(7.4, -3.8, 5.2), target=(0.0, 0.0, 0.2))


def make_contract(name: str, low: np.ndarray, high: np.ndarray) -> Contract:
    """The ant's, with the ball's position and velocity. Goals lie between `low` and `high`."""
    return ant_contract(
        name,
        plane_goals(BALL_JOINT, low, high, prefix="ball."),
        props=(
            Field(source="qpos", name=BALL_JOINT, components=(0, 1, 2), unit="m", frame="world"),
            velocity_field(BALL_JOINT, (0, 1, 2), "m/s", "world"),
        ),
        needs=("world position and velocity of the ball",),
    )


def ant_ball() -> Task:
    """The task without walls."""
    edge = np.full(2, GOAL_DISTANCE)
    distribution = Distribution(
        start=ball_around_starts(
            ant_starts(np.zeros((1, 2)), jitter=START_JITTER, any_heading=True),
            radii=BALL_DISTANCES,
            height=BALL_RADIUS,
        ),
        goal=beyond_goals(GOAL_DISTANCE, address=BALL_ADDRESS, spread=GOAL_SPREAD),
    )
    return Task(
        contract=make_contract("ant_ball", -edge, edge),
        scene=make_scene("ant", camera=CAMERA, props=(BALL,)),
        episode_length=OPEN_EPISODE_LENGTH,
        train=distribution,
        eval=distribution,
        regions=distance_regions((GOAL_DISTANCE,), origin=(0.0, 0.0), unit="m"),
        realism=LEVELS,
        hints=Hints(
            horizon=10.0,
            goal_switch_interval=CONTROL_DT / 0.01,
            budgets=budgets(laptop=Budget(control_steps=6_000_000, gradient_steps=150_000)),
        ),
        summary="The ant pushes a ball of 1 m to a point 5 m away, beyond the ball.",
    )


def make_ant_ball_maze(maze: Maze) -> Task:
    """The task in a maze: the ball lies between the start cell and the next."""
    free, goals = maze.positions(maze.free_cells), maze.positions(maze.goal_cells)
    first, second = neighbor_positions(maze, (maze.start_cell,))
    origins, ends = neighbor_positions(maze, maze.free_cells)
    start = ball_beside_starts(
        ant_starts(np.zeros((1, 2)), jitter=START_JITTER, any_heading=False),
        first[:1],
        (first + second)[:1] / 2,
        jitter=START_JITTER,
        height=BALL_RADIUS,
    )
    return Task(
        contract=make_contract(
            f"ant_ball_maze_{maze.name}", free.min(0) - CELL / 2, free.max(0) + CELL / 2
        ),
        scene=make_scene("ant", walls=maze.walls, camera=maze.camera(), props=(BALL,)),
        episode_length=round(SECONDS_PER_CELL * max(maze.path_lengths) / CONTROL_DT),
        train=Distribution(start=start, goal=point_goals(goals, jitter=GOAL_JITTER)),
        eval=Distribution(start=start, goal=point_goals(goals)),
        anywhere=ball_beside_starts(
            ant_starts(np.zeros((1, 2)), jitter=FREE_JITTER, any_heading=True),
            origins,
            (origins + ends) / 2,
            jitter=FREE_JITTER,
            height=BALL_RADIUS,
        ),
        admits=in_cells(free, side=maze.cell),
        regions=cell_regions(maze),
        realism=LEVELS,
        hints=Hints(
            horizon=10.0,
            goal_switch_interval=CONTROL_DT / 0.01,
            near_goal_radius=5.0,
            near_goal_share=0.7,
            random_start_share=0.3,
            budgets=budgets(laptop=Budget(control_steps=20_000_000, gradient_steps=300_000)),
        ),
        summary=f"The ant pushes a ball from the start to the cells of the maze {maze.name!r}.",
    )


def ant_ball_maze(maze: Maze | None = None) -> Task:
    """The task in the u-maze, or in a maze of the user's."""
    return make_ant_ball_maze(LAYOUTS["u"] if maze is None else maze)


TASKS = {
    "ant_ball": ant_ball,
    "ant_ball_maze": ant_ball_maze,
    **{
        f"ant_ball_maze_{n}": functools.partial(make_ant_ball_maze, m)
        for n, m in BALL_LAYOUTS.items()
    },
}
