"""The residual trunk that actor and encoders are made of, in NumPy.

For one robot the time goes into calls, not into arithmetic, so that what does not change from step
to step is worked out before the first. Of that, one thing is not plain: the mean over a Dense
layer's outputs is linear in its weights and is taken out of them (in float64), so that a LayerNorm
behind it only divides by the root of the mean square. An RMSNorm does so by itself.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from robot_gcrl.policy.runtime.network import LAYERS

Weights = Mapping[str, np.ndarray]


class Trunk:
    """What `robot_gcrl.policy.runtime.network` says of a trunk with LayerNorm or RMSNorm."""

    def __init__(self, weights: Weights, *, epsilon: float, centered: bool = True) -> None:
        """Prepares the weights.

        Args:
          weights: the arrays that `trunk_shapes` names; others are left alone.
          epsilon: added to the variance in every LayerNorm.
          centered: whether the norm takes the mean off: LayerNorm.
        """
        self._epsilon, self._centered = epsilon, centered
        self._input = _layer(part(weights, "input"), epsilon, centered=centered)
        stacked = {name: part(weights, f"blocks/{name}") for name in LAYERS}
        self._blocks = [
            [
                _layer(
                    {k: value[block] for k, value in stacked[name].items()},
                    epsilon,
                    centered=centered,
                )
                for name in LAYERS
            ]
            for block in range(len(stacked[LAYERS[0]]["dense/bias"]))
        ]
        self._norm = part(weights, "norm")
        self._head = part(weights, "head")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The head's output [B, J] for inputs [B, I]."""
        x = _run(self._input, x)
        for block in self._blocks:
            y = x
            for layer in block:
                y = _run(layer, y)
            x = x + y
        if self._norm:
            if self._centered:
                x = x - np.add.reduce(x, axis=-1, keepdims=True) / np.float32(x.shape[1])
            x = x * inverse_deviation(x, self._epsilon)
            x = x * self._norm["scale"] + self._norm.get("bias", np.float32(0.0))
        return x @ self._head["kernel"] + self._head["bias"]


def part(weights: Weights, prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with `prefix` and a slash, under what follows it."""
    start = f"{prefix}/"
    return {name.removeprefix(start): v for name, v in weights.items() if name.startswith(start)}


class _Layer(NamedTuple):
    """Dense without the mean of its outputs, LayerNorm without a mean, Swish."""

    kernel: np.ndarray
    bias: np.ndarray
    norm_scale: np.ndarray
    norm_bias: np.ndarray
    epsilon: float


def _layer(weights: Weights, epsilon: float, *, centered: bool) -> _Layer:
    scale = weights["norm/scale"]
    if not centered:
        shift = np.zeros_like(scale)
        return _Layer(weights["dense/kernel"], weights["dense/bias"], scale, shift, epsilon)
    kernel = weights["dense/kernel"].astype(np.float64)
    bias = weights["dense/bias"].astype(np.float64)
    return _Layer(
        kernel=(kernel - kernel.mean(-1, keepdims=True)).astype(np.float32),
        bias=(bias - bias.mean()).astype(np.float32),
        norm_scale=scale,
        norm_bias=weights["norm/bias"],
        epsilon=epsilon,
    )


def _run(layer: _Layer, x: np.ndarray) -> np.ndarray:
    y = x @ layer.kernel
    y += layer.bias
    y *= inverse_deviation(y, layer.epsilon)
    y *= layer.norm_scale
    y += layer.norm_bias
    return swish(y)


def swish(y: np.ndarray) -> np.ndarray:
    """The Swish of y, y / (1 + exp(-y)), in its place."""
    gate = np.exp(-y)
    gate += np.float32(1.0)
    y /= gate
    return y


def inverse_deviation(y: np.ndarray, epsilon: float) -> np.ndarray | float:
    """One over the root of the mean square of rows [B, W]: [B, 1], or a number for one row."""
    width = y.shape[1]
    if len(y) == 1:  # the same, in a third of the calls
        return 1.0 / math.sqrt(np.dot(y[0], y[0]).item() / width + epsilon)
    square = np.vecdot(y, y)[:, None] / np.float32(width)
    return 1.0 / np.sqrt(square + np.float32(epsilon))
