"""The policy as one ONNX graph, from what a robot measures to what its motors are given.

inputs [B, I], goal [B, G], previous_action [B, P], previous_ctrl [B, A] -> action, ctrl [B, A],
SI, float32, any B; of a policy with chunks of actions also queue -> next_queue [B, Q]. Contract,
normaliser and network are inside, so that a runtime in another language needs nothing of ours.
Opset 17 is the first with LayerNormalization.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import robot_gcrl
from robot_gcrl.contract import Contract
from robot_gcrl.errors import PolicyError
from robot_gcrl.policy.runtime.network import LAYERS, Network
from robot_gcrl.policy.runtime.plan import input_moments, observed_columns

OPSET = 17
IR_VERSION = 8
# A message of protocol buffers holds no more [bytes]
_LARGEST = 2**31 - 2**20

Weights = Mapping[str, np.ndarray]


def onnx_bytes(contract: Contract, network: Network, weights: Weights) -> bytes:
    """The graph, checked by the onnx package.

    Raises:
      PolicyError: the weights are more than a file in ONNX holds.
    """
    size = sum(value.nbytes for value in weights.values())
    if size > _LARGEST:
        raise PolicyError(
            f"The policy has {size:,} bytes of weights. Expected at most {_LARGEST:,}, which is "
            "what one ONNX file holds. Train an actor of less width or depth."
        )
    model = helper.make_model(
        _Builder(contract, network, weights).graph(),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="robot-gcrl",
        producer_version=robot_gcrl.__version__,
    )
    helper.set_model_props(model, {"contract_sha256": contract.sha256})
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


class _Builder:
    """Nodes and constants in the order in which they are computed."""

    def __init__(self, contract: Contract, network: Network, weights: Weights) -> None:
        self._contract, self._network, self._weights = contract, network, weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def graph(self) -> onnx.GraphProto:
        """The whole graph."""
        contract = self._contract
        actions = contract.action_size
        given = {
            "inputs": len(contract.inputs),
            "goal": contract.goal_size,
            "previous_action": contract.previous_action_size,
            "previous_ctrl": actions,
        }
        x = self._add("Concat", self._observation(), self._goal(), axis=-1)
        found = {"action": actions, "ctrl": actions}
        if self._network.queue_size:
            self._follow(self._add("Tanh", self._trunk(self._normalized(x))))
            given["queue"] = found["next_queue"] = self._network.queue_size
        else:
            self._add("Tanh", self._trunk(self._normalized(x)), to="action")
        self._actuate()
        return helper.make_graph(
            self._nodes,
            contract.name,
            [_vector(name, size) for name, size in given.items()],
            [_vector(name, size) for name, size in found.items()],
            list(self._constants.values()),
        )

    def _observation(self) -> str:
        contract = self._contract
        raw = self._add("Concat", "inputs", "previous_action", axis=-1)
        index = self._constant("index", observed_columns(contract))
        x = self._add("Gather", raw, index, axis=1)
        picked = x
        for transform, operator in (("cos", "Cos"), ("sin", "Sin")):
            mask = np.array([field.transform == transform for field, _ in contract.components])
            if mask.any():
                x = self._add(
                    "Where", self._constant(f"is_{transform}", mask), self._add(operator, picked), x
                )
        scale = np.array([field.scale for field, _ in contract.components], np.float32)
        return self._add("Mul", x, self._constant("scale", scale))

    def _goal(self) -> str:
        scale = np.array(self._network.goal_scale, np.float32)
        return self._add("Mul", "goal", self._constant("goal_scale", scale))

    def _normalized(self, x: str) -> str:
        normalizer = self._network.normalizer
        if normalizer is None:
            return x
        mean, std = input_moments(self._network, self._weights)
        x = self._add("Sub", x, self._constant("mean", mean))
        x = self._add("Div", x, self._constant("std", std))
        return self._clipped(x, "limit", -normalizer.limit, normalizer.limit)

    def _trunk(self, x: str) -> str:
        x = self._layer(x, "input", None)
        for block in range(self._network.num_blocks):
            y = x
            for layer in LAYERS:
                y = self._layer(y, f"blocks/{layer}", block)
            x = self._add("Add", x, y)
        if self._network.final_norm:
            x = self._norm(x, "norm", None)
        return self._dense(x, "head", None)

    def _layer(self, x: str, name: str, block: int | None) -> str:
        x = self._norm(self._dense(x, f"{name}/dense", block), f"{name}/norm", block)
        return self._add("Mul", x, self._add("Sigmoid", x))

    def _dense(self, x: str, name: str, block: int | None) -> str:
        return self._add(
            "Gemm", x, self._weight(f"{name}/kernel", block), self._weight(f"{name}/bias", block)
        )

    def _norm(self, x: str, name: str, block: int | None) -> str:
        return self._add(
            "LayerNormalization",
            x,
            self._weight(f"{name}/scale", block),
            self._weight(f"{name}/bias", block),
            axis=-1,
            epsilon=self._network.layer_norm_epsilon,
        )

    def _follow(self, chunk: str) -> None:
        """Action and next queue; see `robot_gcrl.contract.chunk.follow`."""
        network, size = self._network, self._network.action_size
        goals = 1 + network.goal_size
        one = np.ones((1, 1), np.float32)
        left, pursued, waiting = (
            self._columns("queue", *ends) for ends in ((0, 1), (1, goals), (goals, None))
        )
        is_empty = self._add("Less", left, self._constant("queue/half", 0.5 * one))
        is_other = self._any(self._add("Not", self._add("Equal", "goal", pursued)))
        is_nan = self._any(self._add("IsNaN", chunk))
        begins = self._add("Or", self._add("Or", is_empty, is_other), is_nan)
        pads = self._constant("queue/pads", np.array([0, 0, 0, size], np.int64))
        plan = self._add("Where", begins, chunk, self._add("Pad", waiting, pads))
        self._columns(plan, 0, size, to="action")
        rest = self._columns(plan, size, None)
        full = self._constant("queue/full", (network.chunk - 1) * one)
        fewer = self._add("Sub", left, self._constant("queue/one", one))
        left = self._add("Where", begins, full, fewer)
        self._add("Concat", left, "goal", rest, to="next_queue", axis=-1)

    def _any(self, x: str) -> str:
        """[B, 1], whether one of the numbers of a row is true."""
        number = self._add("Cast", x, to_type=TensorProto.FLOAT)
        return self._add("Cast", self._add("ReduceMax", number, axes=[1]), to_type=TensorProto.BOOL)

    def _columns(self, x: str, first: int, end: int | None, *, to: str | None = None) -> str:
        # Slices take their ends as inputs
        name = f"columns/{len(self._nodes)}"
        ends = (first, np.iinfo(np.int64).max if end is None else end, 1)
        start, stop, axis = (
            self._constant(f"{name}/{i}", np.array([n], np.int64)) for i, n in enumerate(ends)
        )
        return self._add("Slice", x, start, stop, axis, to=to)

    def _actuate(self) -> None:
        action = self._contract.action
        offset = self._constant("ctrl/offset", np.array(action.offset, np.float32))
        base = self._add(
            "Where", self._constant("is_delta", action.is_delta), "previous_ctrl", offset
        )
        scale = self._constant("ctrl/scale", np.array(action.scale, np.float32))
        ctrl = self._add("Add", base, self._add("Mul", "action", scale))
        low, high = action.ctrl_range
        self._clipped(ctrl, "ctrl", low, high, to="ctrl")

    def _clipped(
        self,
        x: str,
        name: str,
        low: float | np.ndarray,
        high: float | np.ndarray,
        *,
        to: str | None = None,
    ) -> str:
        # Not Clip, which takes one number for all components
        raised = self._add("Max", x, self._constant(f"{name}/low", np.array(low, np.float32)))
        limit = self._constant(f"{name}/high", np.array(high, np.float32))
        return self._add("Min", raised, limit, to=to)

    def _weight(self, name: str, block: int | None) -> str:
        value = self._weights[name]
        if block is None:
            return self._constant(name, value)
        return self._constant(f"{name}/{block}", value[block])

    def _constant(self, name: str, value: np.ndarray) -> str:
        assert name not in self._constants
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def _add(self, operator: str, *inputs: str, to: str | None = None, **attributes: Any) -> str:
        output = to or f"{operator}/{len(self._nodes)}"
        if "to_type" in attributes:  # `to` is the name of what comes out
            attributes["to"] = attributes.pop("to_type")
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output


def _vector(name: str, size: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", size])
