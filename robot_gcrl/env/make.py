"""From a task's name to worlds that can be stepped."""

from pathlib import Path
from typing import Literal

from robot_gcrl.env.goal_env import GoalEnv
from robot_gcrl.physics.make import make_engine
from robot_gcrl.task.registry import load_task


def make(
    task: str,
    *,
    num_worlds: int = 256,
    engine: Literal["auto", "native", "mjx", "warp"] = "auto",
    goals: Literal["train", "eval"] = "train",
    maze: Path | None = None,
) -> GoalEnv:
    """The worlds of a task.

    Args:
      task: a name of `task_names()`, or FILE.py:NAME for a task of one's own.
      num_worlds: N, how many are stepped at once.
      engine: what steps them; auto is native on a CPU and mjx on an accelerator.
      goals: the distribution of starts and goals.
      maze: a text grid, for tasks that take one.

    Raises:
      UnknownNameError: no such task.
      EngineError: the engine is absent or cannot run the task's model.
    """
    loaded = load_task(task, maze=maze)
    stepper = make_engine(engine, loaded.model, num_worlds=num_worlds, substeps=loaded.substeps)
    return GoalEnv(loaded, stepper, goals=goals)
