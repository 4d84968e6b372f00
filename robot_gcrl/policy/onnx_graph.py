"""The policy as one ONNX graph, from what a robot measures to what its motors are given.

inputs [B, I], goal [B, G], previous_action [B, P], previous_ctrl [B, A] -> action, ctrl [B, A],
SI, float32, any B; of a policy with chunks of actions also queue -> next_queue [B, Q]. Contract,
normaliser and network are inside, so that a runtime in another language needs nothing of ours.
Opset 17 is the first with LayerNormalization.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper

import robot_gcrl
from robot_gcrl.contract import Contract
from robot_gcrl.errors import PolicyError
from robot_gcrl.policy.onnx_nodes import Nodes, Weights
from robot_gcrl.policy.runtime.network import LAYERS, Network
from robot_gcrl.policy.runtime.plan import input_moments, observed_columns

OPSET = 17
IR_VERSION = 8
# A message of protocol buffers holds no more [bytes]
_LARGEST = 2**31 - 2**20


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


class _Builder(Nodes):
    """The graph, from what is measured to what is commanded."""

    def __init__(self, contract: Contract, network: Network, weights: Weights) -> None:
        super().__init__(weights, epsilon=network.layer_norm_epsilon)
        self._contract, self._network = contract, network

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
        x = self.add("Concat", self._observation(), self._goal(), axis=-1)
        settled = self._settled(self._trunk(self._normalized(x)))
        found = {"action": actions, "ctrl": actions}
        if self._network.queue_size:
            self._follow(self.add("Tanh", settled))
            given["queue"] = found["next_queue"] = self._network.queue_size
        else:
            self.add("Tanh", settled, to="action")
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
        raw = self.add("Concat", "inputs", "previous_action", axis=-1)
        index = self.constant("index", observed_columns(contract))
        x = self.add("Gather", raw, index, axis=1)
        picked = x
        for transform, operator in (("cos", "Cos"), ("sin", "Sin")):
            mask = np.array([field.transform == transform for field, _ in contract.components])
            if mask.any():
                x = self.add(
                    "Where", self.constant(f"is_{transform}", mask), self.add(operator, picked), x
                )
        scale = np.array([field.scale for field, _ in contract.components], np.float32)
        return self.add("Mul", x, self.constant("scale", scale))

    def _goal(self) -> str:
        scale = np.array(self._network.goal_scale, np.float32)
        return self.add("Mul", "goal", self.constant("goal_scale", scale))

    def _normalized(self, x: str) -> str:
        normalizer = self._network.normalizer
        if normalizer is None:
            return x
        mean, std = input_moments(self._network, self._weights)
        x = self.add("Sub", x, self.constant("mean", mean))
        x = self.add("Div", x, self.constant("std", std))
        return self.clipped(x, "limit", -normalizer.limit, normalizer.limit)

    def _trunk(self, x: str) -> str:
        if self._network.norm == "hyperspherical":
            return self._sphere_trunk(x)
        x = self._layer(x, "input", None)
        for block in range(self._network.num_blocks):
            y = x
            for layer in LAYERS:
                y = self._layer(y, f"blocks/{layer}", block)
            x = self.add("Add", x, y)
        if self._network.final_norm:
            x = self._norm(x, "norm", None)
        return self._dense(x, "head", None)

    def _sphere_trunk(self, x: str) -> str:
        """See `robot_gcrl.policy.runtime.sphere`."""
        network = self._network
        # The shift times its row of the kernel is what a bias is
        kernel = self._weights["input/dense/kernel"]
        lengths = self.add("ReduceSumSquare", x, axes=[1], keepdims=1)
        lengths = self.add("Add", lengths, self.number("shift/square", network.shift**2))
        mean = self.add("Div", lengths, self.number("shift/size", float(len(kernel))))
        x = self.add(
            "Gemm",
            x,
            self.constant("input/dense/kernel", kernel[:-1]),
            self.constant("input/dense/bias", np.float32(network.shift) * kernel[-1]),
        )
        x = self.sphere(self._scaled(self.rooted(x, mean), "input", None))
        for block in range(network.num_blocks):
            y = x
            for layer in LAYERS:
                name = f"blocks/{layer}"
                kernel = self.weight(f"{name}/dense/kernel", block)
                y = self._scaled(self.add("MatMul", y, kernel), name, block)
                y = self.sphere(y if layer == LAYERS[-1] else self.swish(y))
            way = self.add("Mul", self.add("Sub", y, x), self.weight("blocks/lerp", block))
            x = self.sphere(self.add("Add", x, way))
        if network.final_norm:
            x = self.add("Mul", x, self.weight("norm/scale", None))
        return self._dense(x, "head", None)

    def _scaled(self, x: str, name: str, block: int | None) -> str:
        return self.add("Mul", x, self.weight(f"{name}/norm/scale", block))

    def _settled(self, x: str) -> str:
        """What tanh is taken of."""
        if self._network.log_std_range is None:
            return x
        low, high = self._network.log_std_range
        size = self._network.decided
        mean, raw = (
            self.add("Gather", x, self.constant(name, np.arange(i * size, (i + 1) * size)), axis=1)
            for i, name in enumerate(("mean/index", "raw/index"))
        )
        # log_std = low + (high - low) / 2 * (tanh(raw) + 1), twice
        doubled = self.add("Mul", self.add("Tanh", raw), self.number("log_std/range", high - low))
        doubled = self.add("Add", doubled, self.number("log_std/middle", high + low))
        variance = self.add("Mul", self.add("Exp", doubled), self.number("half_pi", 0.5 * np.pi))
        spread = self.add("Sqrt", self.add("Add", variance, self.number("one", 1.0)))
        return self.add("Div", mean, spread)

    def _layer(self, x: str, name: str, block: int | None) -> str:
        return self.swish(self._norm(self._dense(x, f"{name}/dense", block), f"{name}/norm", block))

    def _dense(self, x: str, name: str, block: int | None) -> str:
        return self.add(
            "Gemm", x, self.weight(f"{name}/kernel", block), self.weight(f"{name}/bias", block)
        )

    def _norm(self, x: str, name: str, block: int | None) -> str:
        if self._network.norm == "rms":
            return self.add("Mul", self.sphere(x), self.weight(f"{name}/scale", block))
        return self.add(
            "LayerNormalization",
            x,
            self.weight(f"{name}/scale", block),
            self.weight(f"{name}/bias", block),
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
        is_empty = self.add("Less", left, self.constant("queue/half", 0.5 * one))
        is_other = self._any(self.add("Not", self.add("Equal", "goal", pursued)))
        is_nan = self._any(self.add("IsNaN", chunk))
        begins = self.add("Or", self.add("Or", is_empty, is_other), is_nan)
        pads = self.constant("queue/pads", np.array([0, 0, 0, size], np.int64))
        plan = self.add("Where", begins, chunk, self.add("Pad", waiting, pads))
        self._columns(plan, 0, size, to="action")
        rest = self._columns(plan, size, None)
        full = self.constant("queue/full", (network.chunk - 1) * one)
        fewer = self.add("Sub", left, self.constant("queue/one", one))
        left = self.add("Where", begins, full, fewer)
        self.add("Concat", left, "goal", rest, to="next_queue", axis=-1)

    def _any(self, x: str) -> str:
        """[B, 1], whether one of the numbers of a row is true."""
        number = self.add("Cast", x, to_type=TensorProto.FLOAT)
        return self.add("Cast", self.add("ReduceMax", number, axes=[1]), to_type=TensorProto.BOOL)

    def _columns(self, x: str, first: int, end: int | None, *, to: str | None = None) -> str:
        # Slices take their ends as inputs
        name = f"columns/{len(self._nodes)}"
        ends = (first, np.iinfo(np.int64).max if end is None else end, 1)
        start, stop, axis = (
            self.constant(f"{name}/{i}", np.array([n], np.int64)) for i, n in enumerate(ends)
        )
        return self.add("Slice", x, start, stop, axis, to=to)

    def _actuate(self) -> None:
        action = self._contract.action
        offset = self.constant("ctrl/offset", np.array(action.offset, np.float32))
        base = self.add(
            "Where", self.constant("is_delta", action.is_delta), "previous_ctrl", offset
        )
        scale = self.constant("ctrl/scale", np.array(action.scale, np.float32))
        ctrl = self.add("Add", base, self.add("Mul", "action", scale))
        low, high = action.ctrl_range
        self.clipped(ctrl, "ctrl", low, high, to="ctrl")


def _vector(name: str, size: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", size])
