"""Running moments against those of all samples at once, and over long runs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.nets.moments import (
    COUNT_LIMIT,
    LIMIT,
    STD_FLOOR,
    Moments,
    make_moments,
    normalize,
    update_moments,
)


def test_moments_of_batches_are_those_of_all_samples():
    # Fails without the term of the squared difference of means, and with share = 1 / batches.
    scale, shift = np.array([1.0, 0.1, 30.0]), np.array([0.0, 5.0, -100.0])
    samples = np.random.default_rng(0).normal(size=(40, 25, 3)) * scale
    samples += shift + np.arange(40)[:, None, None] * 0.1
    moments = make_moments(3)
    for batch in samples:
        moments = update_moments(moments, jnp.asarray(batch, jnp.float32))
    everything = samples.reshape(-1, 3)
    np.testing.assert_allclose(moments.mean, everything.mean(axis=0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(moments.variance, everything.var(axis=0), rtol=1e-4)
    assert float(moments.seen) == 1000


def test_a_hundred_million_samples_neither_freeze_nor_drift():
    # Fails without the limit on the count: a mean of 10 then stays within 0.01 of where it was.
    steps, worlds = 20_000, 1024

    def step(moments: Moments, key: jax.Array) -> tuple[Moments, None]:
        samples = 10.0 + 2.0 * jax.random.normal(key, (worlds, 1))
        return update_moments(moments, samples), None

    start = Moments(jnp.asarray(1e8), jnp.array([9.0]), jnp.array([4.0]))
    start = update_moments(start, jnp.full((worlds, 1), 9.0))
    assert float(start.seen) == COUNT_LIMIT
    keys = jax.random.split(jax.random.key(0), steps)
    moments, _ = jax.jit(lambda start, keys: jax.lax.scan(step, start, keys))(start, keys)
    assert float(moments.mean[0]) == pytest.approx(10.0, abs=0.02)
    assert float(moments.variance[0]) == pytest.approx(4.0, rel=0.02)


def test_a_share_of_one_sample_at_the_limit_still_counts():
    at_limit = Moments(jnp.asarray(COUNT_LIMIT), jnp.ones(1), jnp.ones(1))
    assert float(update_moments(at_limit, jnp.full((1, 1), 3.0)).mean[0]) > 1.0


def test_normalised_values_have_mean_0_and_variance_1_and_are_bounded():
    moments = Moments(jnp.asarray(10.0), jnp.array([2.0, 0.0]), jnp.array([9.0, 0.0]))
    value = jnp.array([[5.0, 0.5 * STD_FLOOR], [1e6, -1e6]])
    np.testing.assert_allclose(
        normalize(value, moments.mean, moments.variance), [[1.0, 0.5], [LIMIT, -LIMIT]], rtol=1e-6
    )


def test_no_samples_change_nothing():
    moments = make_moments(2)
    value = jnp.array([3.0, -4.0])
    np.testing.assert_array_equal(normalize(value, moments.mean, moments.variance), value)
