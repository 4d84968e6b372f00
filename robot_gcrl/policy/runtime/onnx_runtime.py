"""The policy's ONNX graph in ONNX Runtime, on the CPU."""

from typing import Any

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.errors import PolicyError
from robot_gcrl.policy.runtime.step import PolicyOutput, check_queue, check_step, warm_up

_ERRORS_ONLY = 3


class OnnxRuntime:
    """Runs a policy in ONNX Runtime; see `Runtime`."""

    name = "onnxruntime"

    def __init__(self, contract: Contract, graph: bytes, *, threads: int = 1) -> None:
        """Loads the graph.

        Args:
          contract: of the policy.
          graph: the file's entry policy.onnx.
          threads: that compute one step. A network of robotics' sizes gains nothing from a second
            one, which would wait in a loop and take a core from the rest of the robot.

        Raises:
          PolicyError: ONNX Runtime is not installed.
        """
        onnxruntime = _load()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        self._contract = contract
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        sizes = {value.name: value.shape[1] for value in self._session.get_inputs()}
        self._queue_size: int = sizes.get("queue", 0)
        self._outputs = [value.name for value in self._session.get_outputs()]

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
        given = {
            "inputs": inputs,
            "goal": goal,
            "previous_action": previous_action,
            "previous_ctrl": previous_ctrl,
        }
        if self._queue_size:
            given["queue"] = queue
        return PolicyOutput(*self._session.run(self._outputs, given))

    def warm_up(self, batch_size: int) -> None:
        """See `Runtime`."""
        warm_up(self, self._contract, batch_size)


def is_installed() -> bool:
    """Whether ONNX Runtime can be loaded here."""
    try:
        _load()
    except PolicyError:
        return False
    return True


def _load() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise PolicyError(
            f"The runtime 'onnxruntime' is not available: {error}. Expected the package "
            "onnxruntime. Install it, or use the runtime 'numpy'."
        ) from error
    return onnxruntime
