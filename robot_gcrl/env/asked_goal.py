"""Goals that somebody asks for by hand, where a task would have drawn them."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from robot_gcrl.errors import TaskError
from robot_gcrl.task.task import Task


def check_goal(task: Task, goal: object, *, num_worlds: int | None = None) -> np.ndarray:
    """A goal that somebody asks for, as float32 [G], or [N, G] for N worlds.

    Args:
      task: that is asked.
      goal: numbers [G], SI; for N worlds also [N, G].
      num_worlds: N; None for a single world.

    Raises:
      TaskError: another shape, or out of bounds, or where the task admits none.
    """
    contract, name = task.contract, task.name
    low, high = contract.goal_bounds
    labels = ", ".join(f"{field.label} [{field.unit}]" for field in contract.goal)
    try:
        wanted = np.asarray(goal, np.float32)
    except (TypeError, ValueError) as error:
        raise TaskError(
            f"Task {name!r} got the goal {goal!r}. Expected the numbers {labels}. Give an array."
        ) from error
    shapes = [(len(low),)] if num_worlds is None else [(len(low),), (num_worlds, len(low))]
    if wanted.shape not in shapes:
        raise TaskError(
            f"Task {name!r} got a goal of shape {wanted.shape}. Expected "
            f"{' or '.join(map(str, shapes))}: {labels}. Give that many numbers."
        )
    if not ((wanted >= low) & (wanted <= high)).all():
        raise TaskError(
            f"Task {name!r} cannot be asked for the goal {wanted.tolist()}. Expected {labels} from "
            f"{low.tolist()} to {high.tolist()}. Choose one within these bounds."
        )
    if task.admits is not None and not jax.vmap(task.admits)(jnp.atleast_2d(wanted)).all():
        raise TaskError(
            f"Task {name!r} cannot be asked for the goal {wanted.tolist()}: it lies within bounds, "
            "but where no robot can be, as in a wall. Choose another."
        )
    return wanted if num_worlds is None else np.broadcast_to(wanted, (num_worlds, len(low))).copy()


def goal_option(
    task: Task, options: Mapping[str, Any] | None, *, num_worlds: int | None = None
) -> np.ndarray | None:
    """The goal among the options of a reset; None if there is none. See `check_goal`.

    Raises:
      TaskError: a goal that cannot be, or an option that there is not.
    """
    unknown = sorted(set(options or {}) - {"goal"})
    if unknown:
        raise TaskError(
            f"The reset of task {task.name!r} got the options {unknown}. It has: goal. Leave the "
            "others out."
        )
    goal = (options or {}).get("goal")
    return None if goal is None else check_goal(task, goal, num_worlds=num_worlds)
