"""Training, evaluation, run folders.

The package can be called: `robot_gcrl.train(config)` is `robot_gcrl.train.train.train(config)`. The
name is the package's as soon as any module of it is imported, so that a function of that name in
`robot_gcrl` would depend on the order of imports.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robot_gcrl.train.config import TrainConfig


class _CallablePackage(ModuleType):
    def __call__(self, config: "TrainConfig", *, resume: bool = False) -> Path:
        """Trains as `config` says and returns the run folder."""
        from robot_gcrl.train.train import train

        return train(config, resume=resume)


sys.modules[__name__].__class__ = _CallablePackage
