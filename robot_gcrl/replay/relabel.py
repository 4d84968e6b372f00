"""Transitions of the ring, some of them with a goal that their episode achieved later.

Hindsight experience replay (arXiv 1707.01495): a goal that was achieved later in the episode takes
the place of the commanded one, and the reward is computed anew. Rows hold the commanded goal behind
what `GoalEnv.memory` gives. An anchor and its next row are one transition; what an episode's last
row says of termination belongs to the transition that ends there, and to no goal: any row of the
rest of the episode, the last one too, may be one.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from robot_gcrl.replay.buffer import Replay, row_index
from robot_gcrl.replay.hindsight import rows_remaining, sample_anchors, sample_offset

Hindsight = Literal["future", "geometric", "final"]


class Transitions(NamedTuple):
    """B transitions with a goal each, in observation units.

    Attributes:
      row: [B, M], what the ring holds of the state that was left.
      action: [B, A].
      next_row: [B, M], of the state that was reached.
      goal: [B, G].
      achieved: [B, G], in the state that was reached.
      terminated: [B], whether the episode terminated there; at a time limit it did not.
    """

    row: Float[Array, "B M"]
    action: Float[Array, "B A"]
    next_row: Float[Array, "B M"]
    goal: Float[Array, "B G"]
    achieved: Float[Array, "B G"]
    terminated: Bool[Array, " B"]


def sample_transitions(
    replay: Replay,
    key: PRNGKeyArray,
    *,
    batch_size: int,
    hindsight: Hindsight,
    share: float,
    gamma: float,
    goal_index: np.ndarray | Sequence[int],
    max_rows: int,
) -> Transitions:
    """B independent draws of a transition and its goal.

    Args:
      replay: whose rows end with the commanded goal.
      key: used once.
      batch_size: B.
      hindsight: which later row a relabelled goal is achieved in, see `later_row`.
      share: probability that a goal is relabelled; others are the commanded ones.
      gamma: of geometric offsets.
      goal_index: int [G], where a row holds what was achieved.
      max_rows: the most rows an episode has.
    """
    anchor_key, offset_key, share_key = jax.random.split(key, 3)
    anchors = sample_anchors(replay, key=anchor_key, batch_size=batch_size)
    remaining = rows_remaining(replay, anchors, max_rows=max_rows)
    offset = later_row(remaining, key=offset_key, hindsight=hindsight, gamma=gamma)
    index = np.asarray(goal_index)

    def rows(offset: Int[Array, " B"] | int) -> Float[Array, "B M"]:
        return replay.observation[row_index(replay, anchors.row + offset), anchors.world]

    row, next_row = rows(0), rows(1)
    relabelled = jax.random.bernoulli(share_key, share, (batch_size,))
    return Transitions(
        row=row,
        action=replay.action[row_index(replay, anchors.row), anchors.world],
        next_row=next_row,
        goal=jnp.where(relabelled[:, None], rows(offset)[:, index], row[:, -len(index) :]),
        achieved=next_row[:, index],
        # The sign bit
        terminated=replay.episode[row_index(replay, anchors.row + 1), anchors.world] < 0,
    )


def later_row(
    remaining: Int[Array, " B"], *, key: PRNGKeyArray, hindsight: Hindsight, gamma: float
) -> Int[Array, " B"]:
    """Offsets in 1..remaining of the rows that goals are taken from.

    "future": each equally likely (arXiv 1707.01495). "geometric": see `sample_offset`.
    "final": the last row that is stored, of an episode that goes on its newest.
    """
    if hindsight == "final":
        return remaining
    if hindsight == "geometric":
        return sample_offset(remaining, key=key, gamma=gamma)
    return jax.random.randint(key, remaining.shape, 1, jnp.maximum(remaining, 1) + 1)
