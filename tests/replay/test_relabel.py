"""Hindsight goals and commanded ones against the naive ring."""

import collections
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from robot_gcrl.replay import relabel
from robot_gcrl.replay.buffer import Replay, stored_rows
from tests import naive
from tests.replay.rings import fill

GAMMA = 0.9
MAX_ROWS = 24
DRAWS = 40_000
LEAST_P = 1e-3  # of a correct sampler at a fixed seed

# Wrapped twice, and young; every other episode terminates. A row is (world, time), and so is the
# goal that was commanded there: it ends with itself.
RINGS = {
    "wrapped": fill(41, [[2], [24], [1, 2, 9], [7, 1, 1, 13], [5]], steps=41 * 2 + 17),
    "young": fill(41, [[2], [24], [1, 9]], steps=31),
}


@pytest.fixture(params=sorted(RINGS))
def ring(request: pytest.FixtureRequest) -> Replay:
    return RINGS[request.param]


def draw(
    ring: Replay, hindsight: relabel.Hindsight, share: float = 1.0, seed: int = 0
) -> relabel.Transitions:
    sample = jax.jit(
        functools.partial(
            relabel.sample_transitions,
            batch_size=DRAWS,
            hindsight=hindsight,
            share=share,
            gamma=GAMMA,
            goal_index=[0, 1],
            max_rows=MAX_ROWS,
        )
    )
    return jax.tree.map(np.asarray, sample(ring, jax.random.key(seed)))


def remaining_of(ring: Replay, batch: relabel.Transitions) -> np.ndarray:
    """Rows of the episode that are stored after each transition's first, by the naive ring."""
    oldest = int(ring.inserted) - int(stored_rows(ring))
    known = naive.anchors(ring.episode, int(ring.inserted))
    return np.array([known[int(time) - oldest, int(world)] for world, time in batch.row])


def test_a_transition_is_a_row_and_the_next_of_its_episode(ring):
    batch = draw(ring, "future")
    np.testing.assert_array_equal(batch.next_row, batch.row + np.array([0, 1], np.float32))
    np.testing.assert_array_equal(batch.achieved, batch.next_row)
    np.testing.assert_array_equal(batch.action[:, 0], batch.row[:, 1])
    raw = np.asarray(ring.episode)
    ends = [raw[int(time) % len(raw), int(world)] < 0 for world, time in batch.next_row]
    np.testing.assert_array_equal(batch.terminated, ends)
    assert {True, False} == set(batch.terminated.tolist())


@pytest.mark.parametrize("hindsight", ["future", "geometric", "final"])
def test_goals_are_of_the_rest_of_the_episode_by_the_law_of_the_strategy(ring, hindsight):
    batch = draw(ring, hindsight)
    left = remaining_of(ring, batch)
    np.testing.assert_array_equal(batch.goal[:, 0], batch.row[:, 0])
    offset = np.asarray(batch.goal - batch.row)[:, 1].astype(int)
    assert (offset >= 1).all()
    assert (offset <= left).all()
    if hindsight == "final":
        np.testing.assert_array_equal(offset, left)
        return
    statistic = degrees = 0.0
    for length in np.unique(left):
        counts = np.bincount(offset[left == length], minlength=length + 1)[1:]
        law = (
            naive.offset_law(GAMMA, int(length))
            if hindsight == "geometric"
            else np.full(length, 1 / length)
        )
        expected = law * counts.sum()
        statistic += np.sum((counts - expected) ** 2 / expected)
        degrees += length - 1
    assert stats.chi2.sf(statistic, degrees) > LEAST_P


def test_a_fall_does_not_change_which_goals_are_possible(ring):
    # The same ring with no episode terminated gives the same batch, but for what says so.
    without = ring._replace(episode=ring.episode & jnp.int32(0x7FFFFFFF))
    fell, stood = draw(ring, "future"), draw(without, "future")
    for name in ("row", "action", "next_row", "goal", "achieved"):
        np.testing.assert_array_equal(getattr(fell, name), getattr(stood, name))
    assert fell.terminated.any()
    assert not stood.terminated.any()


def test_a_share_of_the_goals_is_relabelled(ring):
    batch = draw(ring, "future", share=0.8)
    commanded = np.asarray(batch.goal == batch.row).all(-1)
    assert stats.binomtest(int(commanded.sum()), DRAWS, p=0.2).pvalue > LEAST_P
    # Whether a goal is relabelled says nothing of the transition
    row = np.asarray(batch.row)
    worlds = collections.Counter(row[commanded][:, 0].tolist())
    every = collections.Counter(row[:, 0].tolist())
    expected = [every[w] * commanded.mean() for w in sorted(every)]
    counts = [worlds[w] for w in sorted(every)]
    assert stats.chisquare(counts, np.array(expected) * sum(counts) / sum(expected)).pvalue > 1e-3


def test_without_relabelling_goals_are_those_commanded(ring):
    batch = draw(ring, "final", share=0.0)
    np.testing.assert_array_equal(batch.goal, batch.row)
