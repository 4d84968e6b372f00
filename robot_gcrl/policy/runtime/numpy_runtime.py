"""The policy in NumPy: the reference that the other runtimes are compared with.

For one robot the time goes into calls, not into arithmetic, so that what does not change from step
to step is worked out before the first. Of that, one thing is not plain: the mean over a Dense
layer's outputs is linear in its weights and is taken out of them (in float64), so that a LayerNorm
behind it only divides by the root of the mean square.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.policy.runtime.network import LAYERS, Network
from robot_gcrl.policy.runtime.plan import input_moments, observed_columns
from robot_gcrl.policy.runtime.step import PolicyOutput, check_step, warm_up

Weights = Mapping[str, np.ndarray]


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
        self._network = network
        self._senses = _senses(contract, network, weights)
        self._input = _layer(_part(weights, "input"), network)
        stacked = {name: _part(weights, f"blocks/{name}") for name in LAYERS}
        self._blocks = [
            [
                _layer({k: value[block] for k, value in stacked[name].items()}, network)
                for name in LAYERS
            ]
            for block in range(network.num_blocks)
        ]
        self._norm = _part(weights, "norm") if network.final_norm else None
        self._head = _part(weights, "head")
        self._muscles = _muscles(contract)

    def __call__(
        self,
        inputs: np.ndarray,
        goal: np.ndarray,
        previous_action: np.ndarray,
        previous_ctrl: np.ndarray,
    ) -> PolicyOutput:
        """See `Runtime`."""
        inputs, goal, previous_action, previous_ctrl = check_step(
            self._contract, inputs, goal, previous_action, previous_ctrl
        )
        # What is not finite goes through to the output and is seen there
        with np.errstate(over="ignore", invalid="ignore"):
            x = np.concatenate((inputs, previous_action, goal), axis=-1)
            action = np.tanh(self._trunk(_sense(self._senses, x)))
            return PolicyOutput(action, _move(self._muscles, action, previous_ctrl))

    def warm_up(self, batch_size: int) -> None:
        """See `Runtime`."""
        warm_up(self, self._contract, batch_size)

    def _trunk(self, x: np.ndarray) -> np.ndarray:
        x = _run(self._input, x)
        for block in self._blocks:
            y = x
            for layer in block:
                y = _run(layer, y)
            x = x + y
        if self._norm is not None:
            x = x - np.add.reduce(x, axis=-1, keepdims=True) / np.float32(self._network.width)
            x *= _inverse_deviation(x, self._network.layer_norm_epsilon)
            x = x * self._norm["scale"] + self._norm["bias"]
        return x @ self._head["kernel"] + self._head["bias"]


class _Layer(NamedTuple):
    """Dense without the mean of its outputs, LayerNorm without a mean, Swish."""

    kernel: np.ndarray
    bias: np.ndarray
    norm_scale: np.ndarray
    norm_bias: np.ndarray
    epsilon: float


def _layer(weights: Weights, network: Network) -> _Layer:
    kernel = weights["dense/kernel"].astype(np.float64)
    bias = weights["dense/bias"].astype(np.float64)
    return _Layer(
        kernel=(kernel - kernel.mean(-1, keepdims=True)).astype(np.float32),
        bias=(bias - bias.mean()).astype(np.float32),
        norm_scale=weights["norm/scale"],
        norm_bias=weights["norm/bias"],
        epsilon=network.layer_norm_epsilon,
    )


def _run(layer: _Layer, x: np.ndarray) -> np.ndarray:
    y = x @ layer.kernel
    y += layer.bias
    y *= _inverse_deviation(y, layer.epsilon)
    y *= layer.norm_scale
    y += layer.norm_bias
    gate = np.exp(-y)
    gate += np.float32(1.0)
    y /= gate
    return y


def _inverse_deviation(y: np.ndarray, epsilon: float) -> np.ndarray | float:
    """Of rows [B, W] whose mean is 0: [B, 1], or a number for one row."""
    width = y.shape[1]
    if len(y) == 1:  # the same, in a third of the calls
        return 1.0 / math.sqrt(np.dot(y[0], y[0]).item() / width + epsilon)
    square = np.vecdot(y, y)[:, None] / np.float32(width)
    return 1.0 / np.sqrt(square + np.float32(epsilon))


class _Senses(NamedTuple):
    """From (inputs, previous action, goal) to what the first layer takes: O + G columns.

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


def _senses(contract: Contract, network: Network, weights: Weights) -> _Senses:
    forms = [field.transform for field, _ in contract.components]
    forms += ["identity"] * contract.goal_size
    is_cos, is_sin = (np.array([f == form for f in forms]) for form in ("cos", "sin"))
    goals = len(contract.inputs) + contract.action_size + np.arange(contract.goal_size)
    scale = [field.scale for field, _ in contract.components]
    mean, std = input_moments(network, weights)
    normalizer = network.normalizer
    return _Senses(
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


def _sense(senses: _Senses, x: np.ndarray) -> np.ndarray:
    x = x.take(senses.column, axis=1)
    if senses.has_cos:
        np.cos(x, out=x, where=senses.is_cos)
    if senses.has_sin:
        np.sin(x, out=x, where=senses.is_sin)
    x *= senses.scale
    x -= senses.mean
    x /= senses.std
    # Not np.clip, which takes five times as long
    return np.minimum(np.maximum(x, -senses.limit), senses.limit)


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


def _part(weights: Weights, prefix: str) -> dict[str, np.ndarray]:
    start = f"{prefix}/"
    return {name.removeprefix(start): v for name, v in weights.items() if name.startswith(start)}
