"""The policy in NumPy: the reference that the other runtimes are compared with."""

import math
from typing import NamedTuple

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.contract.chunk import follow
from robot_gcrl.policy.runtime.network import Network
from robot_gcrl.policy.runtime.senses import make_senses, sense
from robot_gcrl.policy.runtime.sphere import make_trunk
from robot_gcrl.policy.runtime.step import PolicyOutput, check_queue, check_step, warm_up
from robot_gcrl.policy.runtime.trunk import Weights


class NumpyRuntime:
    """Runs a policy in NumPy; see `Runtime`."""

    name = "numpy"

    def __init__(self, contract: Contract, network: Network, weights: Weights) -> None:
        """Prepares the weights.

        Args:
          contract: of the policy.
          network: fits the contract.
          weights: the arrays of `network.shapes`.
        """
        self._contract = contract
        self._senses = make_senses(contract, network, weights)
        self._trunk = make_trunk(
            weights, norm=network.norm, epsilon=network.layer_norm_epsilon, shift=network.shift
        )
        self._log_std_range = network.log_std_range
        self._muscles = _muscles(contract)
        self._queue_size = network.queue_size

    def __call__(
        self,
        inputs: np.ndarray,
        goal: np.ndarray,
        previous_action: np.ndarray,
        previous_ctrl: np.ndarray,
        queue: np.ndarray | None = None,
    ) -> PolicyOutput:
        """See `Runtime`."""
        inputs, goal, previous_action, previous_ctrl = check_step(
            self._contract, inputs, goal, previous_action, previous_ctrl
        )
        queue = check_queue(self._contract, self._queue_size, queue, rows=len(inputs))
        # What is not finite goes through to the output and is seen there
        with np.errstate(over="ignore", invalid="ignore"):
            x = sense(self._senses, inputs, previous_action, goal)
            action = np.tanh(self._settled(self._trunk(x)))
            if not self._queue_size:
                return PolicyOutput(action, _move(self._muscles, action, previous_ctrl))
            # The actor runs at every step, so that none takes longer than another
            action, queue = follow(action, goal, queue)
            return PolicyOutput(action, _move(self._muscles, action, previous_ctrl), queue)

    def _settled(self, output: np.ndarray) -> np.ndarray:
        """What tanh is taken of."""
        if self._log_std_range is None:
            return output
        low, high = self._log_std_range
        mean, raw = np.split(output, 2, axis=-1)
        log_std = np.float32(low) + np.float32(0.5 * (high - low)) * (np.tanh(raw) + np.float32(1))
        return mean / np.sqrt(np.float32(1) + np.float32(0.5 * math.pi) * np.exp(log_std + log_std))

    def warm_up(self, batch_size: int) -> None:
        """See `Runtime`."""
        warm_up(self, self._contract, batch_size)


class _Muscles(NamedTuple):
    """From an action to a ctrl; see `robot_gcrl.contract.actuate`."""

    is_delta: np.ndarray
    offset: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray


def _muscles(contract: Contract) -> _Muscles:
    action = contract.action
    offset, scale = np.array(action.offset, np.float32), np.array(action.scale, np.float32)
    return _Muscles(action.is_delta, offset, scale, *action.ctrl_range)


def _move(muscles: _Muscles, action: np.ndarray, previous_ctrl: np.ndarray) -> np.ndarray:
    base = np.where(muscles.is_delta, previous_ctrl, muscles.offset)
    ctrl = base + muscles.scale * action
    return np.minimum(np.maximum(ctrl, muscles.low), muscles.high)
