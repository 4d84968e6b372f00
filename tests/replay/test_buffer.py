"""The ring: what it keeps, in what order, in how much memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.replay.buffer import Replay, add, make_replay, row_index, stored_rows
from tests.replay.rings import fill


def test_a_full_ring_keeps_the_newest_rows_in_order():
    # Fails with `row = replay.inserted % (C - 1)`, and with `oldest` left out of row_index.
    replay = fill(7, [[3], [2, 4]], steps=18)
    age_order = jnp.arange(7)
    rows = row_index(replay, age_order)
    np.testing.assert_array_equal(replay.observation[rows, 0, 1], np.arange(11, 18))
    np.testing.assert_array_equal(replay.observation[rows, 1, 1], np.arange(11, 18))
    assert int(stored_rows(replay)) == 7


def test_a_young_ring_counts_what_is_stored():
    replay = fill(7, [[3]], steps=4)
    assert int(stored_rows(replay)) == 4
    np.testing.assert_array_equal(row_index(replay, jnp.arange(4)), np.arange(4))


def test_memory_is_the_rows_alone():
    sizes = {"capacity": 500, "num_worlds": 64, "observation_size": 30, "action_size": 8}
    shapes = jax.eval_shape(lambda: make_replay(**sizes))
    stored = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes))
    assert stored == pytest.approx(500 * 64 * (30 + 8 + 1) * 4, rel=0.05)


def test_adding_to_a_donated_ring_copies_nothing():
    # Fails without donate_argnums: no buffer is aliased.
    replay = make_replay(capacity=500, num_worlds=64, observation_size=30, action_size=8)
    compiled = (
        jax.jit(add, donate_argnums=0)
        .lower(replay, jnp.ones((64, 30)), jnp.ones((64, 8)), jnp.ones(64, jnp.int32))
        .compile()
    )
    memory = compiled.memory_analysis()
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(replay))
    assert memory is not None
    assert memory.alias_size_in_bytes >= size
    assert memory.temp_size_in_bytes < 0.01 * size


def test_a_scan_may_carry_the_ring():
    def step(replay: Replay, time: jax.Array) -> tuple[Replay, None]:
        row = jnp.full((2, 1), time, jnp.float32)
        return add(replay, row, row, jnp.zeros(2, jnp.int32)), None

    empty = make_replay(capacity=4, num_worlds=2, observation_size=1, action_size=1)
    replay, _ = jax.lax.scan(step, empty, jnp.arange(6))
    np.testing.assert_array_equal(replay.observation[:, 0, 0], [4, 5, 2, 3])
