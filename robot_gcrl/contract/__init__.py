"""What a robot must know to run a policy: NumPy only, no simulator, no JAX."""

from robot_gcrl.contract.contract import (
    ActionMap,
    Contract,
    Field,
    GoalField,
    Healthy,
    SuccessGroup,
)

__all__ = ["ActionMap", "Contract", "Field", "GoalField", "Healthy", "SuccessGroup"]
