"""From a task's name to the settings of a run."""

from pathlib import Path
from typing import Any

from robot_gcrl.task.registry import load_task
from robot_gcrl.train import presets
from robot_gcrl.train.config import TrainConfig


def make_train_config(
    task: str,
    *,
    maze: Path | str | None = None,
    preset: str | None = None,
    engine: str = "auto",
    run: Path | str | None = None,
    algorithm: str = "crl",
    **overrides: Any,
) -> TrainConfig:
    """The settings of a run on a named task.

    Args:
      task: a name of `task_names()`, or FILE.py:NAME for a task of one's own.
      maze: a text grid, for tasks that take one.
      preset: default, paper, laptop or smoke; None is laptop on a CPU, default on an accelerator.
      engine: native, mjx, warp, or auto: native on a CPU, mjx on an accelerator.
      run: folder of the run; None is a free one in runs/.
      algorithm: crl, sac, sac_her, td3_her, ppo or gcbc.
      overrides: other fields of TrainConfig; those of its agent by dotted name, as in
        `**{"agent.depth": 8}`.

    Raises:
      RobotGcrlError: no such task or setting, or a value out of range.
    """
    grid = None if maze is None else Path(maze)
    if run is not None:
        overrides["run"] = Path(run)
    return presets.make_train_config(
        load_task(task, maze=grid),
        task_reference=task,
        preset=preset,
        engine=engine,
        maze=grid,
        algorithm=algorithm,
        **overrides,
    )
