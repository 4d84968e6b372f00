"""Chunks of actions that are executed open loop: what is left of one, and when the next begins.

A policy with chunks gives H actions at once. Its queue is what it must remember of them, Q numbers:
how many actions are left, the goal that they pursue, and the actions, the next one first, followed
by zeros. An empty queue is all 0. The function is written over an array namespace, so that
training, evaluation and the NumPy runtime run the same lines. Letters: H actions in a chunk,
A action, G goal, Q = 1 + G + (H - 1) A.
"""

from types import ModuleType

import numpy as np

from robot_gcrl.contract.observe import Array


def queue_size(length: int, *, goal_size: int, action_size: int) -> int:
    """Q of chunks of `length` (H) actions; 0 of single actions, of which nothing is ever left."""
    return 0 if length == 1 else 1 + goal_size + (length - 1) * action_size


def follow(chunk: Array, goal: Array, queue: Array, xp: ModuleType = np) -> tuple[Array, Array]:
    """The action to execute now, and the queue of the next control step.

    The next action of the queue, or the first one of `chunk` where none is left, where the goal is
    another one than the queue pursues (a robot that is given a new goal reacts at once), and where
    the chunk is not a number: that what was measured is not one must be seen in what is commanded.

    Args:
      chunk: [.., H A], H > 1, what the policy would begin now, the first action first.
      goal: [.., G], in any unit, always the same one.
      queue: [.., Q].
      xp: the array namespace.

    Returns:
      [.., A] and [.., Q].
    """
    goals = goal.shape[-1]
    actions = 1 + goals + chunk.shape[-1] - queue.shape[-1]
    length = chunk.shape[-1] // actions
    left, pursued, waiting = queue[..., :1], queue[..., 1 : 1 + goals], queue[..., 1 + goals :]
    begins = (
        (left < 0.5)
        | (goal != pursued).any(-1)[..., None]
        | xp.isnan(chunk).any(-1)[..., None]
    )  # fmt: skip
    plan = xp.where(
        begins, chunk, xp.concatenate((waiting, xp.zeros_like(chunk[..., :actions])), axis=-1)
    )
    left = xp.where(begins, xp.full_like(left, length - 1), left - 1.0)
    return plan[..., :actions], xp.concatenate((left, goal, plan[..., actions:]), axis=-1)


def begun(action: Array, queue: Array, goal_size: int, xp: ModuleType = np) -> Array:
    """The chunk [.., H A] that began with `action` [.., A] and left `queue` [.., Q]."""
    return xp.concatenate((action, queue[..., 1 + goal_size :]), axis=-1)
