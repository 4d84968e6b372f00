"""Nodes and constants of an ONNX graph, in the order in which they are computed.

Every method adds what it is named after and returns the name of its output.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

Weights = Mapping[str, np.ndarray]


class Nodes:
    """What a graph is built of."""

    def __init__(self, weights: Weights, *, epsilon: float) -> None:
        """No node yet; constants are made of the weights when they are first named.

        Args:
          weights: by name.
          epsilon: added to the mean square in `sphere`.
        """
        self._weights, self._epsilon = weights, epsilon
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def sphere(self, x: str) -> str:
        """The rows over the root of their mean square."""
        square = self.add("Mul", x, x)
        return self.rooted(x, self.add("ReduceMean", square, axes=[1], keepdims=1))

    def rooted(self, x: str, mean: str) -> str:
        """The rows over the root of `mean`, [B, 1]."""
        shifted = self.add("Add", mean, self.number("epsilon", self._epsilon))
        return self.add("Div", x, self.add("Sqrt", shifted))

    def swish(self, x: str) -> str:
        """The rows times their logistic function."""
        return self.add("Mul", x, self.add("Sigmoid", x))

    def clipped(
        self,
        x: str,
        name: str,
        low: float | np.ndarray,
        high: float | np.ndarray,
        *,
        to: str | None = None,
    ) -> str:
        """The rows within bounds."""
        # Not Clip, which takes one number for all components
        raised = self.add("Max", x, self.constant(f"{name}/low", np.array(low, np.float32)))
        limit = self.constant(f"{name}/high", np.array(high, np.float32))
        return self.add("Min", raised, limit, to=to)

    def number(self, name: str, value: float) -> str:
        """A constant that may be named more than once."""
        if name not in self._constants:
            self.constant(name, np.array(value, np.float32))
        return name

    def weight(self, name: str, block: int | None) -> str:
        """A constant of the weights; of stacked ones, that of a block."""
        value = self._weights[name]
        if block is None:
            return self.constant(name, value)
        return self.constant(f"{name}/{block}", value[block])

    def constant(self, name: str, value: np.ndarray) -> str:
        """A constant."""
        assert name not in self._constants
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def add(self, operator: str, *inputs: str, to: str | None = None, **attributes: Any) -> str:
        """One node; its attribute "to" is given as `to_type`."""
        output = to or f"{operator}/{len(self._nodes)}"
        if "to_type" in attributes:
            attributes["to"] = attributes.pop("to_type")
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output
