"""Rewards, for trainers that need one: of the distance to the goal, in any array namespace.

Our own agent reads none. What is near is measured in success radii, so that metres, radians and
several groups of a goal compare: at 1 the farthest group is just within its radius.
"""

from types import ModuleType
from typing import Literal, get_args

import numpy as np

from robot_gcrl.contract.contract import Contract
from robot_gcrl.contract.observe import Array, goal_distances, is_success
from robot_gcrl.errors import unknown_name

Reward = Literal["sparse", "dense"]


def check_reward(reward: str) -> None:
    """Refuses a reward that there is not.

    Raises:
      UnknownNameError: it is none of `Reward`.
    """
    if reward not in get_args(Reward):
        raise unknown_name("reward", reward, get_args(Reward), see="docs/adapters.md")


def farthest_group(contract: Contract, distances: Array, xp: ModuleType = np) -> Array:
    """The largest of the groups' distances [.., S], each in its success radius: [..]."""
    radii = np.array([group.radius for group in contract.success], np.float32)
    return xp.max(distances / radii, axis=-1)


def goal_reward(
    contract: Contract,
    achieved: Array,
    goal: Array,
    reward: Reward,
    xp: ModuleType = np,
) -> Array:
    """The reward [..] of having achieved [.., G] where `goal` [.., G] was wanted, both SI.

    Args:
      contract: of the task.
      achieved: after the control step.
      goal: that was pursued in it.
      reward: "sparse" is 0 within all success radii and -1 elsewhere; "dense" is minus the
        distance of `farthest_group`.
      xp: the array namespace.
    """
    distances = goal_distances(contract, achieved, goal, xp)
    if reward == "dense":
        return -farthest_group(contract, distances, xp)
    return xp.where(is_success(contract, distances), np.float32(0.0), np.float32(-1.0))
