"""From what a robot measures and is told to what networks take: picked, transformed, normalised."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.policy.runtime.network import Network
from robot_gcrl.policy.runtime.plan import input_moments, observed_columns


class Senses(NamedTuple):
    """From (inputs, previous actions, goal) to observation and goal: O + G columns.

    Attributes:
      column: that each is made of.
      is_cos: where the cosine is taken.
      is_sin: where the sine is taken.
      has_cos: whether there is such a column.
      has_sin: likewise.
      scale: what they are multiplied by.
      mean: what is subtracted then.
      std: what is divided by then.
      limit: what they are clipped to then; infinite without a normalizer.
    """

    column: np.ndarray
    is_cos: np.ndarray
    is_sin: np.ndarray
    has_cos: bool
    has_sin: bool
    scale: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    limit: np.float32


def make_senses(contract: Contract, network: Network, weights: Mapping[str, np.ndarray]) -> Senses:
    """Those of a policy; of `weights` the moments are read, where the network has a normalizer."""
    forms = [field.transform for field, _ in contract.components]
    forms += ["identity"] * contract.goal_size
    is_cos, is_sin = (np.array([f == form for f in forms]) for form in ("cos", "sin"))
    goals = len(contract.inputs) + contract.previous_action_size + np.arange(contract.goal_size)
    scale = [field.scale for field, _ in contract.components]
    mean, std = input_moments(network, weights)
    normalizer = network.normalizer
    return Senses(
        column=np.concatenate((observed_columns(contract), goals)),
        is_cos=is_cos,
        is_sin=is_sin,
        has_cos=bool(is_cos.any()),
        has_sin=bool(is_sin.any()),
        scale=np.array([*scale, *network.goal_scale], np.float32),
        mean=mean,
        std=std,
        limit=np.float32(math.inf if normalizer is None else normalizer.limit),
    )


def sense(
    senses: Senses, inputs: np.ndarray, previous_action: np.ndarray, goal: np.ndarray
) -> np.ndarray:
    """Observation and goal [B, O + G] for inputs [B, I], previous actions [B, P], goals [B, G]."""
    x = np.concatenate((inputs, previous_action, goal), axis=-1).take(senses.column, axis=1)
    if senses.has_cos:
        np.cos(x, out=x, where=senses.is_cos)
    if senses.has_sin:
        np.sin(x, out=x, where=senses.is_sin)
    x *= senses.scale
    x -= senses.mean
    x /= senses.std
    # Not np.clip, which takes five times as long
    return np.minimum(np.maximum(x, -senses.limit), senses.limit)
