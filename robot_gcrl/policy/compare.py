"""How far a runtime may be from the agent, and how far it is."""

import math

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.policy.runtime.critic import Critic
from robot_gcrl.policy.runtime.file import Golden
from robot_gcrl.policy.runtime.step import PolicyOutput, Runtime

# Of a component of the action, in [-1, 1], up to this depth.
_TOLERANCE = 1e-5
_DEPTH = 256
# Beyond: rounding of float32 adds up along the blocks. Measured for perturbed actors (width 32 and
# 64, LayerNorm scales up to 3, half of the actions unsaturated, three seeds): at most 2.9e-6 at
# depth 256, 4.2e-6 at 512 and 5.5e-6 at 1024, the worst with a LayerNorm before the head.
_DEEP_TOLERANCE = 3e-5
# A policy that drives its actuators from one limit to the other magnifies rounding by more than
# any depth does. Measured for 35 perturbed actors (depth 4 to 256, heads scaled until all actions
# were saturated) and 7 trained ones: a runtime differs by at most 1.2 times `rounding`.
_TIMES_ROUNDING = 1.5

ENERGY_TOLERANCE = 1e-4
"""The greatest `energy_difference` of a right critic."""


def tolerance(depth: int, rounding: float) -> float:
    """The greatest `difference` of a runtime that computes an actor rightly.

    Args:
      depth: of the actor.
      rounding: what float32 changes in the agent's own actions in the golden examples.
    """
    expected = _TOLERANCE if depth <= _DEPTH else _DEEP_TOLERANCE
    return max(expected, _TIMES_ROUNDING * rounding)


def difference(contract: Contract, output: PolicyOutput, golden: Golden) -> float:
    """The greatest difference of a component, NaN if one is NaN.

    Of the action as it is, in [-1, 1]; of the ctrl as a share of its range, which makes newton
    metres and radians comparable. Of what is left of a chunk, as it is.
    """
    low, high = contract.action.ctrl_range
    worst = np.maximum(
        np.abs(output.action - golden.action).max(),
        (np.abs(output.ctrl - golden.ctrl) / (high - low)).max(),
    )
    if golden.next_queue is not None:
        if output.queue is None:
            return math.nan
        worst = np.maximum(worst, np.abs(output.queue - golden.next_queue).max())
    return float(worst)


def golden_difference(contract: Contract, runtime: Runtime, golden: Golden) -> float:
    """`difference` of what a runtime makes of the golden inputs."""
    return difference(contract, runtime(*golden.given), golden)


def energy_difference(critic: Critic, golden: Golden, energies: np.ndarray) -> float:
    """The greatest difference of an energy from the agent's own, NaN if one is NaN.

    As a share of the greatest of them: rounding is of the size of the embeddings, so that it would
    be great beside the energy of a goal that is almost reached.

    Args:
      critic: whose energies are compared.
      golden: the examples.
      energies: [32], what the agent itself computes for them.
    """
    found = critic.energy(golden.inputs, golden.previous_action, golden.judged, golden.goal)
    return float(np.abs(found - energies).max() / np.abs(energies).max())
