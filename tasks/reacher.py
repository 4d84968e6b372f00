"""A planar arm of two links reaches points in its plane."""

from robot_gcrl.contract import ActionMap, Contract, Field, GoalField, SuccessGroup
from robot_gcrl.task.budgets import budgets
from robot_gcrl.task.goals import disk_goals
from robot_gcrl.task.realism import bench_levels
from robot_gcrl.task.regions import distance_regions
from robot_gcrl.task.scene import Camera, make_scene
from robot_gcrl.task.starts import jittered_starts
from robot_gcrl.task.task import Budget, Distribution, Hints, Task

CONTROL_DT = 0.05  # [s]
EPISODE_LENGTH = 100  # control steps
RADIUS = 0.05  # [m]
REACH = 0.2  # radius of the disk of goals; the straight arm reaches 0.21 [m]
TORQUE = 0.15  # [N m]
START_JITTER = 0.1  # [rad], [rad/s]
# an untouched arm turns at up to 7.5 rad/s: torque over damping
VELOCITY_SCALE = 0.2

CAMERA = Camera(position=(0.0, -0.36, 0.44), target=(0.0, -0.01, 0.0), fovy=42.0)


def make_contract() -> Contract:
    """Joint angles as cos and sin, their velocities, the tip; torques."""
    joints = ("shoulder", "elbow")
    return Contract(
        name="reacher",
        robot="reacher",
        control_dt=CONTROL_DT,
        observation=(
            *(Field(source="qpos", name=j, transform="cos", unit="rad") for j in joints),
            *(Field(source="qpos", name=j, transform="sin", unit="rad") for j in joints),
            *(Field(source="qvel", name=j, scale=VELOCITY_SCALE, unit="rad/s") for j in joints),
            Field(source="sensor", name="tip_in_world", components=(0, 1), unit="m", frame="world"),
        ),
        goal=tuple(
            GoalField(
                label=label,
                source="sensor",
                name="tip_in_world",
                component=i,
                unit="m",
                low=-REACH,
                high=REACH,
            )
            for i, label in enumerate("xy")
        ),
        success=(SuccessGroup(labels=("x", "y"), radius=RADIUS),),
        action=ActionMap(
            actuators=joints,
            joints=joints,
            modes=("torque",) * 2,
            scale=(TORQUE,) * 2,
            offset=(0.0,) * 2,
            low=(-TORQUE,) * 2,
            high=(TORQUE,) * 2,
        ),
    )


def reacher() -> Task:
    """The task."""
    distribution = Distribution(
        start=jittered_starts((0.0, 0.0), nv=2, position=START_JITTER, velocity=START_JITTER),
        goal=disk_goals(REACH),
    )
    return Task(
        contract=make_contract(),
        scene=make_scene("reacher", camera=CAMERA, tile=0.1),
        episode_length=EPISODE_LENGTH,
        train=distribution,
        eval=distribution,
        regions=distance_regions((0.1, REACH), origin=(0.0, 0.0), unit="m from the shoulder"),
        realism=bench_levels(("shoulder", "elbow"), ("tip_in_world",)),
        hints=Hints(
            horizon=5.0,
            budgets=budgets(laptop=Budget(control_steps=100_000, gradient_steps=5_000)),
        ),
        summary="A two-link arm brings its tip to a point in the plane by joint torques.",
    )


TASKS = {"reacher": reacher}
