"""The pusher's policy file with levels of realism."""

import dataclasses
from pathlib import Path

from robot_gcrl.contract import Field
from robot_gcrl.contract.realism import (
    Delay,
    GoalBias,
    Noise,
    Pose,
    Realism,
    Variation,
    softened,
)
from robot_gcrl.policy.runtime import PolicyFile
from robot_gcrl.task.task import Task
from tests.controllers.pushers import make_task, write_pusher

FULL = Realism(
    variations=(
        Variation(quantity="mass", low=0.7, high=1.4),
        Variation(quantity="actuator_gain", low=0.8, high=1.2),
    ),
    poses=(Pose(joint="x", low=-0.2, high=0.2), Pose(joint="y", low=-0.2, high=0.2)),
    noises=(
        Noise(source="qpos", names=("x", "y"), std=0.02, bias=0.05),
        Noise(source="qvel", names=("x", "y"), std=0.1),
    ),
    goal_bias=(GoalBias(labels=("x", "y"), bias=0.1),),
)


def make_departing(realism: Realism = FULL) -> Task:
    """The task of the pusher with this level."""
    return make_task(realism={"low": softened(realism, 0.4), "full": realism})


def write_departing(path: Path, realism: Realism = FULL) -> PolicyFile:
    return write_pusher(path, make_departing(realism))


def late_by(file: PolicyFile, delay: Delay) -> PolicyFile:
    """The file with commands that are so late and nothing else.

    The contract's check of previous actions is of no concern to a policy that looks at none.
    """
    actions = tuple(
        Field(source="previous_action", name=name, components=(0, 1, 2), unit="1")
        for name in file.contract.action.actuators
    )
    contract = dataclasses.replace(
        file.contract, observation=(*file.contract.observation, *actions)
    )
    late = dataclasses.replace(file, contract=contract)
    late.__dict__["realism"] = {"full": Realism(action_delay=delay)}
    return late
