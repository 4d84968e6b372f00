"""A four-legged ant walks to points of the plane, in the open and in mazes."""

import functools
from collections.abc import Sequence

import numpy as np

from robot_gcrl.contract import ActionMap, Contract, Field, GoalField, SuccessGroup
from robot_gcrl.task.budgets import budgets
from robot_gcrl.task.goals import disk_goals, point_goals
from robot_gcrl.task.layouts import LAYOUTS
from robot_gcrl.task.maze import CELL, Maze
from robot_gcrl.task.regions import cell_regions, distance_regions
from robot_gcrl.task.scene import Camera, make_scene
from robot_gcrl.task.starts import floating_starts
from robot_gcrl.task.task import Budget, Distribution, Hints, SampleStart, Task

CONTROL_DT = 0.1  # [s]
RADIUS = 0.5  # [m]
TORQUE = 60.0  # [N m]
VELOCITY_SCALE = 0.1

STANDING = (0.0, 0.0, 0.58, 1.0, 0.0, 0.0, 0.0, *(0.0, 1.0) * 4)  # feet on the floor
START_JITTER = 0.1  # of the position [m]
JOINT_JITTER = 0.1  # [rad]
VELOCITY_JITTER = 0.1  # [m/s], [rad/s]

OPEN_EPISODE_LENGTH = 200  # control steps: 20 s for up to 5 m
OPEN_RADII = (1.0, 5.0)  # of the disk of goals and of the hole in it [m]

# An ant that walks 0.5 m/s needs 8 s for a cell; the rest is for corners.
SECONDS_PER_CELL = 10.0
GOAL_JITTER = 0.9  # of goals in training [m]
FREE_JITTER = 0.6  # of starts anywhere: the feet stay out of the walls [m]

CAMERA = Camera(position=(6.2, -3.2, 4.4), target=(0.0, 0.0, 0.2))

LEGS = ("front_left", "back_left", "back_right", "front_right")
JOINTS = tuple(f"{leg}_{joint}" for leg in LEGS for joint in ("hip", "ankle"))


def make_contract(name: str, low: np.ndarray, high: np.ndarray) -> Contract:
    """Pose and velocities of torso and joints; torques. Goals x, y lie between `low` and `high`."""

    def velocity(joint: str, components: Sequence[int], unit: str, frame: str) -> Field:
        return Field(
            source="qvel",
            name=joint,
            components=tuple(components),
            scale=VELOCITY_SCALE,
            unit=unit,
            frame=frame,
        )

    return Contract(
        name=name,
        robot="ant",
        control_dt=CONTROL_DT,
        observation=(
            Field(source="qpos", name="root", components=(0, 1, 2), unit="m", frame="world"),
            Field(source="qpos", name="root", components=(3, 4, 5, 6), unit="1", frame="world"),
            *(Field(source="qpos", name=joint, unit="rad") for joint in JOINTS),
            velocity("root", (0, 1, 2), "m/s", "world"),
            velocity("root", (3, 4, 5), "rad/s", "torso"),
            *(velocity(joint, (0,), "rad/s", "joint") for joint in JOINTS),
        ),
        goal=tuple(
            GoalField(
                label=label,
                source="qpos",
                name="root",
                component=i,
                unit="m",
                low=float(low[i]),
                high=float(high[i]),
            )
            for i, label in enumerate("xy")
        ),
        success=(SuccessGroup(labels=("x", "y"), radius=RADIUS),),
        action=ActionMap(
            actuators=JOINTS,
            joints=JOINTS,
            modes=("torque",) * len(JOINTS),
            scale=(TORQUE,) * len(JOINTS),
            offset=(0.0,) * len(JOINTS),
            low=(-TORQUE,) * len(JOINTS),
            high=(TORQUE,) * len(JOINTS),
        ),
        needs=("world position, orientation and velocity of the torso",),
    )


def _starts(positions: np.ndarray, *, jitter: float, any_heading: bool) -> SampleStart:
    return floating_starts(
        STANDING,
        positions,
        jitter=jitter,
        joints=JOINT_JITTER,
        velocity=VELOCITY_JITTER,
        any_heading=any_heading,
    )


def ant() -> Task:
    """The task without walls."""
    inner, outer = OPEN_RADII
    edge = np.full(2, outer)
    distribution = Distribution(
        start=_starts(np.zeros((1, 2)), jitter=START_JITTER, any_heading=False),
        goal=disk_goals(outer, inner=inner),
    )
    return Task(
        contract=make_contract("ant", -edge, edge),
        scene=make_scene("ant", camera=CAMERA),
        episode_length=OPEN_EPISODE_LENGTH,
        train=distribution,
        eval=distribution,
        regions=distance_regions((3.0, outer), origin=(0.0, 0.0), unit="m"),
        hints=Hints(
            horizon=5.0,
            goal_switch_interval=CONTROL_DT / 0.01,
            budgets=budgets(laptop=Budget(control_steps=2_200_000, gradient_steps=65_000)),
        ),
        summary="A four-legged ant walks to a point 1 to 5 m away on an open floor.",
    )


def make_ant_maze(maze: Maze) -> Task:
    """The task in a maze."""
    free, goals = maze.positions(maze.free_cells), maze.positions(maze.goal_cells)
    start = _starts(np.zeros((1, 2)), jitter=START_JITTER, any_heading=False)
    return Task(
        contract=make_contract(
            f"ant_maze_{maze.name}", free.min(0) - CELL / 2, free.max(0) + CELL / 2
        ),
        scene=make_scene("ant", walls=maze.walls, camera=maze.camera()),
        episode_length=round(SECONDS_PER_CELL * max(maze.path_lengths) / CONTROL_DT),
        train=Distribution(start=start, goal=point_goals(goals, jitter=GOAL_JITTER)),
        eval=Distribution(start=start, goal=point_goals(goals)),
        anywhere=_starts(free, jitter=FREE_JITTER, any_heading=True),
        regions=cell_regions(maze),
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


TASKS = {
    "ant": ant,
    "ant_maze": ant_maze,
    **{f"ant_maze_{n}": functools.partial(make_ant_maze, m) for n, m in LAYOUTS.items()},
}
