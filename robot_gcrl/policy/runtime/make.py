"""Which runtime runs a policy file."""

from typing import Literal

from robot_gcrl.errors import PolicyError, unknown_name
from robot_gcrl.policy.runtime.archive import ONNX
from robot_gcrl.policy.runtime.file import PolicyFile
from robot_gcrl.policy.runtime.numpy_runtime import NumpyRuntime
from robot_gcrl.policy.runtime.onnx_runtime import OnnxRuntime, is_installed
from robot_gcrl.policy.runtime.step import Runtime

RuntimeName = Literal["auto", "numpy", "onnxruntime"]


def make_runtime(file: PolicyFile, name: RuntimeName = "auto", *, threads: int = 1) -> Runtime:
    """What runs the policy.

    Args:
      file: the policy.
      name: "auto" is ONNX Runtime where it is installed, which is faster, and NumPy elsewhere.
      threads: of ONNX Runtime for one step. NumPy's are set by its own library
        (OMP_NUM_THREADS), before it is loaded.

    Raises:
      UnknownNameError: no runtime is called so.
      PolicyError: that runtime is not installed, or `threads` is below 1.
    """
    if threads < 1:
        raise PolicyError(f"threads is {threads}. Expected at least 1. Change threads.")
    if name == "auto":
        name = "onnxruntime" if is_installed() else "numpy"
    if name == "numpy":
        return NumpyRuntime(file.contract, file.network, file.weights)
    if name == "onnxruntime":
        return OnnxRuntime(file.contract, file.entry(ONNX), threads=threads)
    raise unknown_name("runtime", name, ("auto", "numpy", "onnxruntime"), see="make_runtime")
