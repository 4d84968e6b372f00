"""What the tasks of the ant share: its part of the contract, how it stands, where it starts.

The ant walks about 0.5 m/s once it has learned for minutes; episodes and walls are measured by it.
"""

from collections.abc import Sequence

import numpy as np

from robot_gcrl.contract import ActionMap, Contract, Field, GoalField, SuccessGroup
from robot_gcrl.task.realism import walker_levels
from robot_gcrl.task.starts import floating_starts
from robot_gcrl.task.task import SampleStart

CONTROL_DT = 0.1  # [s]
RADIUS = 0.5  # [m]
TORQUE = 42.0  # of the motors' 60: with more, policies turn the ant on its back [N m]
VELOCITY_SCALE = 0.1

STANDING = (0.0, 0.0, 0.58, 1.0, 0.0, 0.0, 0.0, *(0.0, 1.0) * 4)  # feet on the floor
START_JITTER = 0.1  # of the position [m]
FREE_JITTER = 0.6  # of starts anywhere in a cell: the feet stay out of the walls [m]
JOINT_JITTER = 0.1  # [rad]
VELOCITY_JITTER = 0.1  # [m/s], [rad/s]

LEGS = ("front_left", "back_left", "back_right", "front_right")
JOINTS = tuple(f"{leg}_{joint}" for leg in LEGS for joint in ("hip", "ankle"))

LEVELS = walker_levels(JOINTS)
"""Realism of every task of the ant."""

NEEDS = "world position, orientation and velocity of the torso"


def velocity_field(joint: str, components: Sequence[int], unit: str, frame: str) -> Field:
    """An observed velocity, scaled to the size of the other components."""
    return Field(
        source="qvel",
        name=joint,
        components=tuple(components),
        scale=VELOCITY_SCALE,
        unit=unit,
        frame=frame,
    )


def plane_goals(
    joint: str, low: np.ndarray, high: np.ndarray, *, prefix: str = ""
) -> tuple[GoalField, ...]:
    """Goal fields x, y of a free joint between `low` and `high` [2] [m]; labels begin `prefix`."""
    return tuple(
        GoalField(
            label=f"{prefix}{axis}",
            source="qpos",
            name=joint,
            component=i,
            unit="m",
            low=float(low[i]),
            high=float(high[i]),
        )
        for i, axis in enumerate("xy")
    )


def ant_contract(
    name: str,
    goal: tuple[GoalField, ...],
    *,
    props: tuple[Field, ...] = (),
    needs: tuple[str, ...] = (),
) -> Contract:
    """Pose and velocities of torso and joints, then `props`; torques.

    Args:
      name: of the task.
      goal: fields that make one success group.
      props: what is observed of things around the ant.
      needs: what a robot cannot measure of them by itself.
    """
    return Contract(
        name=name,
        robot="ant",
        control_dt=CONTROL_DT,
        observation=(
            Field(source="qpos", name="root", components=(0, 1, 2), unit="m", frame="world"),
            Field(source="qpos", name="root", components=(3, 4, 5, 6), unit="1", frame="world"),
            *(Field(source="qpos", name=joint, unit="rad") for joint in JOINTS),
            velocity_field("root", (0, 1, 2), "m/s", "world"),
            velocity_field("root", (3, 4, 5), "rad/s", "torso"),
            *(velocity_field(joint, (0,), "rad/s", "joint") for joint in JOINTS),
            *props,
        ),
        goal=goal,
        success=(SuccessGroup(labels=tuple(field.label for field in goal), radius=RADIUS),),
        action=ActionMap(
            actuators=JOINTS,
            joints=JOINTS,
            modes=("torque",) * len(JOINTS),
            scale=(TORQUE,) * len(JOINTS),
            offset=(0.0,) * len(JOINTS),
            low=(-TORQUE,) * len(JOINTS),
            high=(TORQUE,) * len(JOINTS),
        ),
        needs=(NEEDS, *needs),
    )


def ant_starts(positions: np.ndarray, *, jitter: float, any_heading: bool) -> SampleStart:
    """Starts of a standing ant at one of `positions` [K, 2], within +-jitter of it [m]."""
    return floating_starts(
        STANDING,
        positions,
        jitter=jitter,
        joints=JOINT_JITTER,
        velocity=VELOCITY_JITTER,
        any_heading=any_heading,
    )
