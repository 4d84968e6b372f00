"""A seven-joint arm brings its fingertips to points in space by changing its joint targets."""

import functools

from robot_gcrl.contract import ActionMap, Contract, Field, GoalField, SuccessGroup
from robot_gcrl.task.budgets import budgets
from robot_gcrl.task.goals import box_goals
from robot_gcrl.task.regions import distance_regions
from robot_gcrl.task.scene import Camera, make_scene
from robot_gcrl.task.starts import jittered_starts
from robot_gcrl.task.task import Budget, Distribution, Hints, Task

CONTROL_DT = 0.05  # [s]
EPISODE_LENGTH = 100  # control steps
RADII = {"arm_reach_easy": 0.3, "arm_reach": 0.1, "arm_reach_hard": 0.03}  # [m]
GOAL_CENTER = (0.0, 0.5, 0.3)  # [m], in front of the arm
GOAL_HALF_SIZE = 0.2  # [m]

# assets/README.md names the sources of these.
JOINTS = ("joint1", "joint2", "joint3", "joint4", "joint5", "joint6", "joint7")
JOINT_LOW = (-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973)  # [rad]
JOINT_HIGH = (2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973)  # [rad]
VELOCITY_LIMIT = (2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61)  # [rad/s]
ACCELERATION_LIMIT = (15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0)  # [rad/s^2]
READY = (0.0, -0.7854, 0.0, -2.3562, 0.0, 1.5708, 0.7854)  # [rad]
START_JITTER = 0.05  # [rad]
# 1 rad/s at most, under half of the joints' limits
TARGET_CHANGE = 0.05  # of a joint per control step [rad]

CAMERA = Camera(position=(1.35, 1.45, 0.95), target=(0.0, 0.24, 0.36), fovy=40.0)


def make_contract(name: str) -> Contract:
    """Joint angles, the tip and its velocity; joint position deltas."""
    count = len(JOINTS)
    tip = ("tip_in_world", "m"), ("tip_velocity_in_world", "m/s")
    return Contract(
        name=name,
        robot="arm",
        control_dt=CONTROL_DT,
        observation=(
            *(Field(source="qpos", name=joint, unit="rad") for joint in JOINTS),
            *(
                Field(source="sensor", name=sensor, components=(0, 1, 2), unit=unit, frame="world")
                for sensor, unit in tip
            ),
        ),
        goal=tuple(
            GoalField(
                label=label,
                source="sensor",
                name="tip_in_world",
                component=i,
                unit="m",
                low=center - GOAL_HALF_SIZE,
                high=center + GOAL_HALF_SIZE,
            )
            for i, (label, center) in enumerate(zip("xyz", GOAL_CENTER, strict=True))
        ),
        success=(SuccessGroup(labels=("x", "y", "z"), radius=RADII[name]),),
        action=ActionMap(
            actuators=JOINTS,
            joints=JOINTS,
            modes=("joint_position_delta",) * count,
            scale=(TARGET_CHANGE,) * count,
            offset=(0.0,) * count,
            low=JOINT_LOW,
            high=JOINT_HIGH,
            velocity_limit=VELOCITY_LIMIT,
            acceleration_limit=ACCELERATION_LIMIT,
        ),
    )


def arm_reach(name: str) -> Task:
    """The task with the radius of this name."""
    distribution = Distribution(
        start=jittered_starts(READY, nv=len(JOINTS), position=START_JITTER),
        goal=box_goals(
            [c - GOAL_HALF_SIZE for c in GOAL_CENTER], [c + GOAL_HALF_SIZE for c in GOAL_CENTER]
        ),
    )
    return Task(
        contract=make_contract(name),
        scene=make_scene("arm", camera=CAMERA, tile=0.25),
        episode_length=EPISODE_LENGTH,
        train=distribution,
        eval=distribution,
        regions=distance_regions(
            (0.15, 0.25, 0.35), origin=GOAL_CENTER, unit="m from the box's center"
        ),
        hints=Hints(
            horizon=5.0,
            budgets=budgets(laptop=Budget(control_steps=100_000, gradient_steps=5_000)),
        ),
        summary=(
            "A seven-joint arm brings its fingertips to a point in a 0.4 m box, within "
            f"{RADII[name]:g} m."
        ),
    )


TASKS = {name: functools.partial(arm_reach, name) for name in RADII}
