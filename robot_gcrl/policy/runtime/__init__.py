"""What runs a .policy file: NumPy, and ONNX Runtime where it is installed; no JAX, no MuJoCo."""

from robot_gcrl.policy.runtime.critic import Critic, make_critic
from robot_gcrl.policy.runtime.file import PolicyFile, read_policy
from robot_gcrl.policy.runtime.make import make_runtime
from robot_gcrl.policy.runtime.policy import Policy, load_policy
from robot_gcrl.policy.runtime.step import PolicyOutput, Runtime

__all__ = [
    "Critic",
    "Policy",
    "PolicyFile",
    "PolicyOutput",
    "Runtime",
    "load_policy",
    "make_critic",
    "make_runtime",
    "read_policy",
]
