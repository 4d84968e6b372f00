"""Goal-conditioned robotics: contrastive agents on MuJoCo, from simulation to a controller.

`import robot_gcrl as rg` loads nothing but this file; a name loads its module when it is first
used, so that a part that needs no JAX never pays for it. What is not in `__all__` is private.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robot_gcrl.env.goal_env import GoalEnv
    from robot_gcrl.env.make import make
    from robot_gcrl.task.registry import task_names
    from robot_gcrl.train.assess import evaluate_run as evaluate
    from robot_gcrl.train.config import TrainConfig
    from robot_gcrl.train.settings import make_train_config
    from robot_gcrl.train.train import train

__version__ = "0.1.0"

__all__ = [
    "GoalEnv",
    "TrainConfig",
    "__version__",
    "evaluate",
    "make",
    "make_train_config",
    "task_names",
    "train",
]

_HOME = {
    "GoalEnv": ("robot_gcrl.env.goal_env", "GoalEnv"),
    "TrainConfig": ("robot_gcrl.train.config", "TrainConfig"),
    "evaluate": ("robot_gcrl.train.assess", "evaluate_run"),
    "make": ("robot_gcrl.env.make", "make"),
    "make_train_config": ("robot_gcrl.train.settings", "make_train_config"),
    "task_names": ("robot_gcrl.task.registry", "task_names"),
}


def __getattr__(name: str) -> Any:
    if name == "train":
        # The package robot_gcrl.train, which can be called: see there.
        return importlib.import_module("robot_gcrl.train")
    if name not in _HOME:
        raise AttributeError(f"module 'robot_gcrl' has no attribute {name!r}")
    module, attribute = _HOME[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
