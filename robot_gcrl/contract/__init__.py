"""What a robot must know to run a policy: NumPy only, no simulator, no JAX."""

from robot_gcrl.contract.contract import Contract
from robot_gcrl.contract.fields import ActionMap, Field, GoalField, Healthy, SuccessGroup

__all__ = ["ActionMap", "Contract", "Field", "GoalField", "Healthy", "SuccessGroup"]
