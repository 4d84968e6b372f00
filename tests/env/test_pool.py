"""What a pool holds, beside loops; how often it gives what."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from robot_gcrl.env.pool import (
    FRONTIER_CANDIDATES,
    POOL_SIZE,
    Pool,
    component_radii,
    draw,
    filled,
    log_density,
    make_pool,
    sample_rarest,
    sample_visited,
)
from tests.physics.models import arm_task
from tests.replay.rings import fill

SCALE = np.array([2.0, 0.5], np.float32)
INDEX = np.array([1, 0])


def visited(replay, seed=0, number=POOL_SIZE):
    return np.asarray(
        sample_visited(
            replay, jax.random.key(seed), number, goal_index=INDEX, goal_scale=SCALE
        )
    )  # fmt: skip


def test_every_stored_step_is_as_likely_and_in_si():
    for capacity, steps in ((40, 25), (20, 50)):
        replay = fill(capacity, [[7], [5, 3], [11]], steps)
        goals = visited(replay, number=30_000)
        time, world = goals[:, 0] * SCALE[0], goals[:, 1] * SCALE[1]
        oldest = max(steps - capacity, 0)
        assert set(time) == set(range(oldest, steps))
        _, counts = np.unique(3 * time + world, return_counts=True)
        assert len(counts) == 3 * (steps - oldest)
        assert stats.chisquare(counts).pvalue > 0.01


def test_a_pool_gives_each_of_its_usable_goals_equally_often():
    goals = jnp.arange(20.0).reshape(10, 2)
    usable = np.array([0, 1, 1, 0, 0, 1, 0, 1, 0, 0], bool)
    pool = filled(goals, jnp.asarray(usable))
    assert int(pool.size) == 4
    drawn = np.asarray(draw(pool, jax.random.key(0), 4000))
    values, counts = np.unique(drawn[:, 0], return_counts=True)
    np.testing.assert_array_equal(values, np.asarray(goals)[usable, 0])
    assert stats.chisquare(counts).pvalue > 0.01
    assert int(make_pool(3).size) == 0
    assert draw(make_pool(3), jax.random.key(0), 5).shape == (5, 3)


def test_density_is_that_of_a_loop():
    rng = np.random.default_rng(0)
    goals, others = rng.normal(size=(6, 2)), rng.normal(size=(9, 2))
    radii = np.array([0.5, 2.0], np.float32)
    expected = [
        np.log(sum(np.exp(-0.5 * np.sum(((goal - other) / radii) ** 2)) for other in others))
        for goal in goals
    ]
    got = log_density(jnp.asarray(goals, jnp.float32), jnp.asarray(others, jnp.float32), radii)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    # far from everything a density of 0 would have no order
    far = jnp.array([[100.0, 0.0], [200.0, 0.0]])
    nearer, farther = log_density(far, jnp.zeros((3, 2)), radii)
    assert np.isfinite(farther)
    assert farther < nearer


def test_a_frontier_prefers_the_rare_as_often_as_candidates_say():
    rare = 0.02
    number = 4000
    is_rare = jax.random.bernoulli(jax.random.key(5), rare, (number,))
    goals = jnp.where(is_rare[:, None], jnp.array([9.0, 9.0]), jnp.zeros(2))
    goals += 0.1 * jax.random.normal(jax.random.key(6), goals.shape)
    density = log_density(goals, goals, np.array([0.5, 0.5], np.float32))
    chosen = np.asarray(sample_rarest(goals, density, jax.random.key(7)))
    hits = int((chosen[:, 0] > 4.0).sum())
    share = float(is_rare.mean())
    expected = 1.0 - (1.0 - share) ** FRONTIER_CANDIDATES
    assert stats.binomtest(hits, number, expected).pvalue > 0.01
    assert hits / number > 10 * share
    # and gives nothing that was not there
    assert set(map(tuple, chosen)) <= set(map(tuple, np.asarray(goals)))


def test_radii_are_those_of_each_component():
    np.testing.assert_allclose(component_radii(arm_task().contract), [0.08, 0.08])
    assert isinstance(make_pool(2), Pool)
