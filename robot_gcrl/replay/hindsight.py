"""Batches of (observation, action, goal) whose goal is what the same episode achieved later.

An anchor is a stored row with H stored successors in its episode, H being the actions that are
decided on at once: so its action and the H - 1 after it were all executed, and none of them is that
of an episode's last row, which no robot executes. Every anchor is equally likely.
Its goal is `offset` rows later, P(offset = k) = (1 - gamma) gamma^(k - 1) / (1 - gamma^L) for
k = 1..L, where L rows of the episode are stored after the anchor: the discounted state
occupancy measure of contrastive RL (arXiv 2206.07568), truncated at what is stored. Offsets begin
at 1 for every H: the states within a chunk are what it leads to as much as those after it, and a
critic that did not count them would not care how soon a goal is reached, or passed, within H steps.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from robot_gcrl.replay.buffer import EPISODE_NUMBER, Replay, row_index, stored_rows

# Rounds of drawing again what was no anchor. With H = 1 at least half of the rows of any replay
# that the environment can fill are anchors (an episode has two rows or more), so a draw is left
# over with a probability of 2^-64; with chunks, of 6e-7 where a fifth of the rows are anchors. A
# draw that is left over repeats another anchor.
_MAX_ROUNDS = 64
# Rows drawn for each one of a batch that prefers some
_DRAWS = 8


class Following(NamedTuple):
    """What came one control step after each anchor.

    Attributes:
      observation: [B, O].
      goal: [B, G], achieved there, in observation units.
      terminated: [B], whether the episode terminated there; at a time limit it did not.
    """

    observation: Float[Array, "B O"]
    goal: Float[Array, "B G"]
    terminated: Bool[Array, " B"]


class Batch(NamedTuple):
    """B anchors with a goal each.

    Attributes:
      observation: [B, O].
      action: [B, H A], of the anchor and of the H - 1 rows after it.
      goal: [B, G], in observation units.
      offset: int32 [B], control steps from the anchor to its goal: at most `remaining`.
      remaining: int32 [B], control steps of the anchor's episode that are stored after it (L).
      following: the next state, where it was asked for.
    """

    observation: Float[Array, "B O"]
    action: Float[Array, "B K"]
    goal: Float[Array, "B G"]
    offset: Int[Array, " B"]
    remaining: Int[Array, " B"]
    following: Following | None = None


class Anchors(NamedTuple):
    """Where rows stand.

    Attributes:
      row: int32 [B], counted from the oldest stored one.
      world: int32 [B].
    """

    row: Int[Array, " B"]
    world: Int[Array, " B"]


class Moving(NamedTuple):
    """A preference for rows after which the achieved goal changed.

    Attributes:
      share: of the batch that is to consist of them.
      beyond: [G], a change of any component by more than this counts, in observation units.
    """

    share: float
    beyond: np.ndarray


def sample(
    replay: Replay,
    key: PRNGKeyArray,
    *,
    batch_size: int,
    gamma: float,
    goal_index: np.ndarray | Sequence[int],
    max_rows: int,
    horizon_spread: float = 1.0,
    rows_per_episode: int = 1,
    chunk: int = 1,
    moving: Moving | None = None,
    following: bool = False,
) -> Batch:
    """B draws of an anchor and a later row of its episode, independent but for their episodes.

    A replay without any anchor (fewer than H + 1 rows per world) gives the oldest row of a world,
    or, of episodes that are all shorter, rows whose chunk is of several episodes.

    Args:
      replay: what is drawn from.
      key: used once.
      batch_size: B.
      gamma: discount per control step, in (0, 1).
      goal_index: int [G], the observation components that a goal consists of.
      max_rows: the most rows an episode has (its length in control steps + 1).
      horizon_spread: see `sample_offset`.
      rows_per_episode: R, a divisor of B: every R anchors are of one episode (`of_one_episode`).
      chunk: H.
      moving: which rows are preferred; None for no preference, at no cost.
      following: whether the batch has the next states too.
    """
    anchor_key, offset_key = jax.random.split(key)
    draws = batch_size * (1 if moving is None else _DRAWS)
    anchors = sample_anchors(
        replay, key=anchor_key, batch_size=draws // rows_per_episode, chunk=chunk
    )
    if rows_per_episode > 1:
        anchors = of_one_episode(
            replay,
            anchors,
            key=jax.random.fold_in(key, rows_per_episode),
            number=rows_per_episode,
            max_rows=max_rows,
            chunk=chunk,
        )
    remaining = rows_remaining(replay, anchors, max_rows=max_rows)
    offset = sample_offset(remaining, key=offset_key, gamma=gamma, horizon_spread=horizon_spread)
    taken: Int[Array, " B"] | None = None
    if moving is not None:
        index = np.asarray(goal_index)
        moved = _has_moved(replay, anchors, offset, index, moving.beyond)
        taken = _prefer(moved, batch_size, int(moving.share * batch_size))
    if rows_per_episode > 1:
        # Neighbours are of other episodes, as they are in a batch that has one row of each
        apart = jnp.arange(batch_size).reshape(-1, rows_per_episode).T.ravel()
        taken = apart if taken is None else taken[apart]
    if taken is not None:
        anchors = Anchors(anchors.row[taken], anchors.world[taken])
        remaining, offset = remaining[taken], offset[taken]
    at = row_index(replay, anchors.row), anchors.world
    rows = row_index(replay, anchors.row[:, None] + jnp.arange(chunk))
    later = row_index(replay, anchors.row + offset), anchors.world
    index = np.asarray(goal_index)
    return Batch(
        observation=replay.observation[at],
        action=replay.action[rows, anchors.world[:, None]].reshape(batch_size, -1),
        goal=replay.observation[later][:, index],
        offset=offset,
        remaining=remaining,
        following=_following(replay, anchors, index) if following else None,
    )


def _following(replay: Replay, anchors: Anchors, goal_index: np.ndarray) -> Following:
    at = row_index(replay, anchors.row + 1), anchors.world
    rows = replay.observation[at]
    # The sign bit
    return Following(rows, rows[:, goal_index], replay.episode[at] < 0)


def _has_moved(
    replay: Replay,
    anchors: Anchors,
    offset: Int[Array, " D"],
    goal_index: np.ndarray,
    beyond: np.ndarray,
) -> Bool[Array, " D"]:
    """Whether anything of the achieved goal is elsewhere `offset` rows later."""
    now, later = (
        replay.observation[row_index(replay, row), anchors.world][:, goal_index]
        for row in (anchors.row, anchors.row + offset)
    )
    return (jnp.abs(later - now) > beyond).any(-1)


def _prefer(moved: Bool[Array, " D"], batch_size: int, wanted: int) -> Int[Array, " B"]:
    """Which of D draws are taken: `wanted` that moved, or as many as did, and others as they come.

    The others are draws of their own, so that none is taken twice.
    """
    others = moved.shape[0] - (batch_size - wanted)
    # top_k takes equals in their order
    _, first = lax.top_k(moved[:others].astype(jnp.float32), wanted)
    return jnp.concatenate((first, jnp.arange(others, moved.shape[0], dtype=first.dtype)))


def sample_anchors(
    replay: Replay, *, key: PRNGKeyArray, batch_size: int, chunk: int = 1
) -> Anchors:
    """B rows, each equally likely among all anchors, by rejection.

    The newest H rows are never drawn: whether their episodes go on is not known yet.
    """
    number_of_rows = jnp.maximum(stored_rows(replay) - chunk, 1)
    num_worlds = replay.episode.shape[1]

    def draw(round_key: PRNGKeyArray) -> Anchors:
        row_key, world_key = jax.random.split(round_key)
        return Anchors(
            row=jax.random.randint(row_key, (batch_size,), 0, number_of_rows),
            world=jax.random.randint(world_key, (batch_size,), 0, num_worlds),
        )

    def draw_again(
        carry: tuple[Int[Array, ""], Anchors, Bool[Array, " B"]],
    ) -> tuple[Int[Array, ""], Anchors, Bool[Array, " B"]]:
        count, kept, good = carry
        drawn = draw(jax.random.fold_in(key, count))
        anchors = Anchors(
            jnp.where(good, kept.row, drawn.row), jnp.where(good, kept.world, drawn.world)
        )
        return count + 1, anchors, has_successor(replay, anchors, chunk)

    zeros = jnp.zeros(batch_size, jnp.int32)
    start = (jnp.zeros((), jnp.int32), Anchors(zeros, zeros), jnp.zeros(batch_size, bool))
    _, anchors, good = lax.while_loop(
        lambda carry: (carry[0] < _MAX_ROUNDS) & ~jnp.all(carry[2]), draw_again, start
    )
    if chunk == 1:
        return anchors
    another = jnp.argmax(good)
    return Anchors(*(jnp.where(good, value, value[another]) for value in anchors))


def of_one_episode(
    replay: Replay,
    anchors: Anchors,
    *,
    key: PRNGKeyArray,
    number: int,
    max_rows: int,
    chunk: int = 1,
) -> Anchors:
    """Every anchor, followed by number - 1 others, each equally likely among those of its episode.

    Every anchor of the replay stays equally likely in every place. A critic that tells the goals of
    such a batch apart cannot do so by what is the same all through an episode (where an object
    lies, say): in-trajectory negatives (arXiv 2508.13113).

    Args:
      replay: what they are drawn from.
      anchors: one of each episode, N in all.
      key: used once.
      number: R.
      max_rows: the most rows an episode has.
      chunk: H.

    Returns:
      N R anchors, those of one episode side by side.
    """
    before = rows_before(replay, anchors, max_rows=max_rows)
    after = rows_remaining(replay, anchors, max_rows=max_rows)
    shape = (len(anchors.row), number - 1)
    # The last H rows of the episode are no anchors
    drawn = jax.random.randint(key, shape, 0, (before + after + 1 - chunk)[:, None])
    others = (anchors.row - before)[:, None] + drawn
    rows = jnp.concatenate((anchors.row[:, None], others), axis=1)
    return Anchors(rows.ravel(), jnp.repeat(anchors.world, number))


def has_successor(replay: Replay, anchors: Anchors, steps: int = 1) -> Bool[Array, " B"]:
    """Whether the row so many steps later is stored and belongs to the same episode."""
    stored = anchors.row + steps < stored_rows(replay)
    return stored & (_number(replay, anchors, 0) == _number(replay, anchors, steps))


def rows_remaining(replay: Replay, anchors: Anchors, *, max_rows: int) -> Int[Array, " B"]:
    """How many rows of the anchor's episode are stored after it (L), by bisection.

    Episode numbers grow along a world's ring, so the rows of one episode are contiguous; the ring's
    seam cuts an episode like a truncation.
    """
    beyond = jnp.minimum(max_rows, stored_rows(replay) - anchors.row)
    return _rows_inside(replay, anchors, beyond, max_rows=max_rows, direction=1)


def rows_before(replay: Replay, anchors: Anchors, *, max_rows: int) -> Int[Array, " B"]:
    """How many rows of the anchor's episode are stored before it, as `rows_remaining`."""
    beyond = jnp.minimum(max_rows, anchors.row + 1)
    return _rows_inside(replay, anchors, beyond, max_rows=max_rows, direction=-1)


def _rows_inside(
    replay: Replay, anchors: Anchors, beyond: Int[Array, " B"], *, max_rows: int, direction: int
) -> Int[Array, " B"]:
    """The largest number of rows in this direction that is inside the episode; `beyond` is not."""
    number = _number(replay, anchors, 0)
    low, high = jnp.zeros_like(anchors.row), beyond
    for _ in range(max(max_rows - 1, 1).bit_length()):
        middle = (low + high) // 2
        inside = _number(replay, anchors, direction * middle) == number
        low = jnp.where(inside, middle, low)
        high = jnp.where(inside, high, middle)
    return low


def sample_offset(
    remaining: Int[Array, " B"], *, key: PRNGKeyArray, gamma: float, horizon_spread: float = 1.0
) -> Int[Array, " B"]:
    """Geometric offsets in 1..remaining, by the inverse of their distribution function.

    With u uniform in [0, 1): 1 + floor(log(1 - u (1 - gamma^L)) / log gamma), written with expm1
    and log1p because gamma is close to 1. 0 where nothing remains.

    Args:
      remaining: L of each.
      key: used once.
      gamma: discount per control step, in (0, 1).
      horizon_spread: with S above 1 the horizon 1 / (1 - gamma) of each offset is itself drawn,
        its logarithm uniform from 1 / S to S times that of `gamma`, and never below 2. Between the
        two, offsets then fall off about as 1 / k, as under hyperbolic discounting, which is a
        mixture of geometric ones too (arXiv 1902.06865): goals close by and goals far away.
    """
    log_gamma: np.ndarray | Array = np.log(gamma).astype(np.float32)
    if horizon_spread > 1.0:
        key, horizon_key = jax.random.split(key)
        power = jax.random.uniform(horizon_key, remaining.shape, minval=-1.0)
        horizon = jnp.maximum(horizon_spread**power / (1.0 - gamma), 2.0)
        log_gamma = jnp.log1p(-1.0 / horizon)
    u = jax.random.uniform(key, remaining.shape)
    tail = jnp.expm1(remaining.astype(jnp.float32) * log_gamma)  # gamma^L - 1
    offset = 1 + jnp.floor(jnp.log1p(u * tail) / log_gamma).astype(jnp.int32)
    return jnp.minimum(offset, remaining)


def _number(replay: Replay, anchors: Anchors, offset: Int[Array, " B"] | int) -> Int[Array, " B"]:
    row = row_index(replay, anchors.row + offset)
    return replay.episode[row, anchors.world] & EPISODE_NUMBER
