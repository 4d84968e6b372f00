"""The hyperspherical trunk in NumPy, and which trunk a description means.

sphere(x) = x / sqrt(mean(x^2) + epsilon)
x = sphere(scale * (sphere(concatenate(inputs, shift)) K)), without a bias
depth / 4 times: y = x; three times y = sphere(Swish(scale * (y K))); y = sphere(scale * (y K));
    x = sphere(x + lerp * (y - x))
head(x), after one more scale where final_norm
"""

import numpy as np

from robot_gcrl.policy.runtime.network import LAYERS
from robot_gcrl.policy.runtime.trunk import Trunk, Weights, inverse_deviation, part, swish


def make_trunk(weights: Weights, *, norm: str, epsilon: float, shift: float) -> "Trunk|SphereTrunk":
    """The trunk of a description.

    Args:
      weights: the arrays that `trunk_shapes` names; others are left alone.
      norm: one of NORMS.
      epsilon: added to the variance or mean square in every norm.
      shift: the number appended to the inputs of a hyperspherical trunk.
    """
    if norm == "hyperspherical":
        return SphereTrunk(weights, epsilon=epsilon, shift=shift)
    return Trunk(weights, epsilon=epsilon, centered=norm == "layer")


class SphereTrunk:
    """What the module says; scales are taken into the kernels before the first step."""

    def __init__(self, weights: Weights, *, epsilon: float, shift: float) -> None:
        """Prepares the weights; see `make_trunk`."""
        self._epsilon, self._shift = epsilon, np.float32(shift)
        self._input = _scaled(part(weights, "input"))
        stacked = [_scaled(part(weights, f"blocks/{name}")) for name in LAYERS]
        lerp = weights["blocks/lerp"]
        self._blocks = [([k[n] for k in stacked], lerp[n]) for n in range(len(lerp))]
        head, scale = part(weights, "head"), weights.get("norm/scale")
        self._bias = head["bias"]
        self._head = head["kernel"] if scale is None else scale[:, None] * head["kernel"]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The head's output [B, J] for inputs [B, I]."""
        shift = np.full((len(x), 1), self._shift)
        x = self._sphere(self._sphere(np.concatenate((x, shift), axis=-1)) @ self._input)
        for (*inner, last), lerp in self._blocks:
            y = x
            for kernel in inner:
                y = self._sphere(swish(y @ kernel))
            x = self._sphere(x + lerp * (self._sphere(y @ last) - x))
        return x @ self._head + self._bias

    def _sphere(self, x: np.ndarray) -> np.ndarray:
        return x * inverse_deviation(x, self._epsilon)


def _scaled(weights: Weights) -> np.ndarray:
    return weights["dense/kernel"] * weights["norm/scale"][..., None, :]
