"""A half-cheetah, a runner in a vertical plane, runs ahead and back to places on its line."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from robot_gcrl.contract import ActionMap, Contract, Field, GoalField, SuccessGroup
from robot_gcrl.contract.observe import Report
from robot_gcrl.task.budgets import budgets
from robot_gcrl.task.realism import bench_levels
from robot_gcrl.task.regions import distance_regions
from robot_gcrl.task.scene import Camera, make_scene
from robot_gcrl.task.starts import jittered_starts
from robot_gcrl.task.task import Budget, Distribution, Hints, Regions, SampleGoal, Task

CONTROL_DT = 0.05  # [s]
EPISODE_LENGTH = 200  # control steps: 10 s, at 1 m/s enough for the farthest goal
RADII = {"cheetah": 0.5, "cheetah_easy": 2.0}  # [m]
NEAREST, FARTHEST = 1.0, 8.0  # goals, ahead and behind [m]
EDGES = (4.0, FARTHEST)  # of the regions on either side [m]

JOINTS = ("back_thigh", "back_shin", "back_foot", "front_thigh", "front_shin", "front_foot")
TORQUE = (120.0, 90.0, 60.0, 120.0, 60.0, 30.0)  # [N m], assets/README.md names the source
VELOCITY_SCALE = 0.1

# x [m], height of the trunk [m], pitch and joints [rad]. It rests on its feet at 0.57 m; higher,
# so that no jitter puts a foot into the floor.
STANDING = (0.0, 0.72, *(0.0,) * 7)
POSITION_JITTER = 0.05  # [m], [rad]
VELOCITY_JITTER = 0.1  # [m/s], [rad/s]

CAMERA = Camera(position=(1.5, -5.0, 1.6), target=(0.0, 0.0, 0.45), fovy=40.0)


def make_contract(name: str) -> Contract:
    """Place, pitch as cos and sin, joints and all velocities; torques."""
    slides = ("root_x", "root_z")
    hinges = ("root_pitch", *JOINTS)

    def speed(joint: str, unit: str) -> Field:
        return Field(source="qvel", name=joint, scale=VELOCITY_SCALE, unit=unit)

    return Contract(
        name=name,
        robot="cheetah",
        control_dt=CONTROL_DT,
        observation=(
            *(Field(source="qpos", name=s, unit="m", frame="world") for s in slides),
            # A cheetah that has rolled over is in the same pose as before.
            Field(source="qpos", name="root_pitch", transform="cos", unit="rad", frame="world"),
            Field(source="qpos", name="root_pitch", transform="sin", unit="rad", frame="world"),
            *(Field(source="qpos", name=joint, unit="rad") for joint in JOINTS),
            *(speed(joint, "m/s") for joint in slides),
            *(speed(joint, "rad/s") for joint in hinges),
        ),
        goal=(
            GoalField(
                label="x", source="qpos", name="root_x", unit="m", low=-FARTHEST, high=FARTHEST
            ),
        ),
        success=(SuccessGroup(labels=("x",), radius=RADII[name]),),
        action=ActionMap(
            actuators=JOINTS,
            joints=JOINTS,
            modes=("torque",) * len(JOINTS),
            scale=TORQUE,
            offset=(0.0,) * len(JOINTS),
            low=tuple(-torque for torque in TORQUE),
            high=TORQUE,
        ),
        needs=("world position, pitch and velocity of the trunk",),
    )


def line_goals(nearest: float, farthest: float) -> SampleGoal:
    """Goals x ahead or behind, equally often, at a distance uniform between the two [m]."""

    def sample(key: jax.Array, report: Report, /) -> jax.Array:
        del report
        side_key, distance_key = jax.random.split(key)
        side = jax.random.rademacher(side_key, (1,), jnp.float32)
        return side * jax.random.uniform(distance_key, (1,), minval=nearest, maxval=farthest)

    return sample


def line_regions(edges: tuple[float, ...]) -> Regions:
    """Stretches of the line that end at `edges` [m], ascending: those behind, then those ahead."""
    side = distance_regions(edges, origin=(0.0,), unit="m")
    count = len(edges)

    def label(goals: np.ndarray) -> np.ndarray:
        return side.label(goals) + np.where(goals[..., 0] > 0.0, count, 0)

    return Regions(
        names=tuple(f"{name} {where}" for where in ("behind", "ahead") for name in side.names),
        label=label,
    )


def cheetah(name: str) -> Task:
    """The task with the radius of this name."""
    distribution = Distribution(
        start=jittered_starts(
            STANDING, nv=len(STANDING), position=POSITION_JITTER, velocity=VELOCITY_JITTER
        ),
        goal=line_goals(NEAREST, FARTHEST),
    )
    return Task(
        contract=make_contract(name),
        scene=make_scene("cheetah", camera=CAMERA),
        episode_length=EPISODE_LENGTH,
        train=distribution,
        eval=distribution,
        regions=line_regions(EDGES),
        realism=bench_levels(JOINTS),
        hints=Hints(
            horizon=5.0,
            goal_switch_interval=CONTROL_DT / 0.01,
            budgets=budgets(laptop=Budget(control_steps=2_000_000, gradient_steps=60_000)),
        ),
        summary=(
            f"A half-cheetah runs to a place {NEAREST:g} to {FARTHEST:g} m ahead or behind, within "
            f"{RADII[name]:g} m."
        ),
    )


TASKS = {name: functools.partial(cheetah, name) for name in RADII}
