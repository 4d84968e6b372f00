"""A humanoid brings its torso to points at standing height, in the open and in mazes."""

import functools
from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from robot_gcrl.contract import ActionMap, Contract, Field, GoalField, Healthy, SuccessGroup
from robot_gcrl.contract.observe import Report
from robot_gcrl.task.budgets import budgets
from robot_gcrl.task.goals import in_cells, point_goals
from robot_gcrl.task.layouts import LAYOUTS
from robot_gcrl.task.maze import Maze
from robot_gcrl.task.realism import walker_levels
from robot_gcrl.task.regions import cell_regions, distance_regions
from robot_gcrl.task.scene import Camera, make_scene
from robot_gcrl.task.starts import floating_starts
from robot_gcrl.task.task import (
    Budget,
    Distribution,
    Hints,
    Regions,
    SampleGoal,
    SampleStart,
    Task,
)

# A body that only falls is below LEAST_HEIGHT after 0.4 s: 25 control steps in which to learn to
# catch itself, where 0.03 s would leave 12.
CONTROL_DT = 0.015  # [s]
RADIUS = 0.5  # [m]
GOAL_HEIGHT = 1.25  # of the torso [m]
GOAL_HEIGHTS = (1.0, 1.5)  # that are accepted [m]
VELOCITY_SCALE = 0.1

# It has fallen with the torso below the first: nothing is learned of how to walk while it lies. The
# second is out of reach on a floor and leaves room to vault the walls of a maze.
LEAST_HEIGHT, GREATEST_HEIGHT = 1.0, 3.0  # of the torso [m]

JOINTS = (
    "abdomen_z", "abdomen_y", "abdomen_x",
    "right_hip_x", "right_hip_z", "right_hip_y", "right_knee",
    "left_hip_x", "left_hip_z", "left_hip_y", "left_knee",
    "right_shoulder1", "right_shoulder2", "right_elbow",
    "left_shoulder1", "left_shoulder2", "left_elbow",
)  # fmt: skip
TORQUE = (40.0,) * 3 + (40.0, 40.0, 120.0, 80.0) * 2 + (10.0,) * 6  # of JOINTS [N m]

# knees and hips a little bent, so that the joints' stops are out of reach of JOINT_JITTER [rad]
_LEG = (0.0, 0.0, -0.05, -0.1)
STANDING = (0.0, 0.0, 1.297, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, *_LEG, *_LEG, *(0.0,) * 6)
START_JITTER = 0.1  # of the position [m]
JOINT_JITTER = 0.05  # [rad]
VELOCITY_JITTER = 0.05  # [m/s], [rad/s]

OPEN_EPISODE_LENGTH = 1000  # control steps: 15 s for up to 5 m
OPEN_RADII = (1.0, 5.0)  # of goals [m]

CELL, WALL_HEIGHT = 2.0, 1.0  # of its mazes: waist-high walls, which can be vaulted [m]
SECONDS_PER_CELL = 5.0  # 0.4 m/s
GOAL_JITTER = 0.45  # of goals in training [m]
FREE_JITTER = 0.3  # of starts anywhere: the arms stay out of the walls [m]

CAMERA = Camera(position=(4.2, -2.9, 2.3), target=(0.0, 0.0, 0.75), fovy=26.0)


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

    bounds = [*zip(low.tolist(), high.tolist(), strict=True), GOAL_HEIGHTS]
    return Contract(
        name=name,
        robot="humanoid",
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
                low=bounds[i][0],
                high=bounds[i][1],
            )
            for i, label in enumerate("xyz")
        ),
        success=(SuccessGroup(labels=("x", "y", "z"), radius=RADIUS),),
        action=ActionMap(
            actuators=JOINTS,
            joints=JOINTS,
            modes=("torque",) * len(JOINTS),
            scale=TORQUE,
            offset=(0.0,) * len(JOINTS),
            low=tuple(-torque for torque in TORQUE),
            high=TORQUE,
        ),
        healthy=(
            Healthy(
                field=Field(source="qpos", name="root", components=(2,), unit="m", frame="world"),
                low=LEAST_HEIGHT,
                high=GREATEST_HEIGHT,
            ),
        ),
        needs=("world position, orientation and velocity of the torso",),
    )


def ring_goals(inner: float, outer: float) -> SampleGoal:
    """Goals [2] around the origin, x, y, their distance uniform between `inner` and `outer` [m]."""

    def sample(key: jax.Array, report: Report, /) -> jax.Array:
        del report
        radius_key, angle_key = jax.random.split(key)
        angle = jax.random.uniform(angle_key, maxval=2 * np.pi)
        r = jax.random.uniform(radius_key, minval=inner, maxval=outer)
        return r * jnp.stack((jnp.cos(angle), jnp.sin(angle)))

    return sample


def standing(places: SampleGoal) -> SampleGoal:
    """Goals [3], x, y, z: those of `places` [2] with the torso's height [m]."""

    def sample(key: jax.Array, report: Report, /) -> jax.Array:
        return jnp.append(places(key, report), GOAL_HEIGHT)

    return sample


def place_regions(regions: Regions) -> Regions:
    """The regions of goals x, y, for goals x, y, z."""
    return replace(regions, label=lambda goals: regions.label(goals[..., :2]))


def _starts(positions: np.ndarray, *, jitter: float) -> SampleStart:
    return floating_starts(
        STANDING,
        positions,
        jitter=jitter,
        joints=JOINT_JITTER,
        velocity=VELOCITY_JITTER,
        any_heading=True,
    )


def humanoid() -> Task:
    """The task without walls."""
    inner, outer = OPEN_RADII
    edge = np.full(2, outer)
    distribution = Distribution(
        start=_starts(np.zeros((1, 2)), jitter=START_JITTER),
        goal=standing(ring_goals(inner, outer)),
    )
    return Task(
        contract=make_contract("humanoid", -edge, edge),
        scene=make_scene("humanoid", camera=CAMERA),
        episode_length=OPEN_EPISODE_LENGTH,
        train=distribution,
        eval=distribution,
        regions=place_regions(distance_regions((2.0, 3.5, outer), origin=(0.0, 0.0), unit="m")),
        realism=walker_levels(JOINTS),
        hints=Hints(
            horizon=3.0,
            budgets=budgets(laptop=Budget(control_steps=10_000_000, gradient_steps=150_000)),
        ),
        summary="A humanoid walks to a point 1 to 5 m away on an open floor and stays upright.",
    )


def make_humanoid_maze(maze: Maze) -> Task:
    """The task in a maze, whose cells become small and whose walls become low."""
    maze = replace(maze, cell=CELL, wall_height=WALL_HEIGHT)
    free, goals = maze.positions(maze.free_cells), maze.positions(maze.goal_cells)
    start = _starts(np.zeros((1, 2)), jitter=START_JITTER)
    return Task(
        contract=make_contract(
            f"humanoid_maze_{maze.name}", free.min(0) - CELL / 2, free.max(0) + CELL / 2
        ),
        scene=make_scene("humanoid", walls=maze.walls, camera=maze.camera()),
        episode_length=round(SECONDS_PER_CELL * max(maze.path_lengths) / CONTROL_DT),
        train=Distribution(start=start, goal=standing(point_goals(goals, jitter=GOAL_JITTER))),
        eval=Distribution(start=start, goal=standing(point_goals(goals))),
        anywhere=_starts(free, jitter=FREE_JITTER),
        admits=in_cells(free, side=maze.cell),
        regions=place_regions(cell_regions(maze)),
        realism=walker_levels(JOINTS),
        hints=Hints(
            horizon=3.0,
            near_goal_radius=2.5,
            near_goal_share=0.7,
            random_start_share=0.3,
            budgets=budgets(laptop=Budget(control_steps=20_000_000, gradient_steps=300_000)),
        ),
        summary=f"The humanoid walks from the start to the cells of the maze {maze.name!r}.",
    )


def humanoid_maze(maze: Maze | None = None) -> Task:
    """The task in the u-maze, or in a maze of the user's."""
    return make_humanoid_maze(LAYOUTS["u"] if maze is None else maze)


TASKS = {
    "humanoid": humanoid,
    "humanoid_maze": humanoid_maze,
    **{f"humanoid_maze_{n}": functools.partial(make_humanoid_maze, m) for n, m in LAYOUTS.items()},
}
