"""The tanh-normal distribution against the change of variables, and at its extremes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.nets.tanh_normal import (
    TanhNormal,
    log_density,
    make_tanh_normal,
    mean_action,
    mode,
    sample_tanh_normal,
)
from tests import naive


def test_log_densities_are_those_of_the_change_of_variables():
    # Fails with softplus(2u), with the sum left out, and with log_std of the wrong sign.
    output = jax.random.normal(jax.random.key(0), (50, 6))
    key = jax.random.key(1)
    action, log_density = sample_tanh_normal(make_tanh_normal(output), key=key)
    noise = np.asarray(jax.random.normal(key, (50, 3)), np.float64)
    for row in range(50):
        mean, log_std = naive.split_output(output[row])
        np.testing.assert_allclose(
            log_density[row], naive.log_density(mean, log_std, noise[row]), rtol=1e-4, atol=1e-4
        )
        np.testing.assert_allclose(
            action[row], np.tanh(mean + np.exp(log_std) * noise[row]), atol=1e-5
        )


def test_log_stds_stay_between_minus_5_and_2():
    output = jnp.array([0.0, 0.0, 0.0, -100.0, 0.0, 100.0])
    np.testing.assert_allclose(make_tanh_normal(output).log_std, [-5.0, -1.5, 2.0])


@pytest.mark.parametrize("mean", [-200.0, -20.0, 0.0, 20.0, 200.0])
def test_densities_and_gradients_stay_finite_where_tanh_rounds_to_one(mean: float):
    # Fails with log(1 - tanh(u)^2): -inf.
    def log_density(mean: jax.Array) -> jax.Array:
        distribution = TanhNormal(mean, jnp.full(4, -5.0))
        return sample_tanh_normal(distribution, key=jax.random.key(0))[1]

    value, gradient = jax.value_and_grad(log_density)(jnp.full(4, mean))
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))


def test_the_density_integrates_to_one():
    log_std = jnp.array([-0.3])
    grid = jnp.linspace(-0.9999, 0.9999, 20_001)
    noise = (jnp.arctanh(grid) - 0.4) / jnp.exp(log_std)
    densities = [
        np.exp(naive.log_density(np.array([0.4]), np.asarray(log_std), np.array([n])))
        for n in np.asarray(noise, np.float64)[::20]
    ]
    assert np.trapezoid(densities, np.asarray(grid)[::20]) == pytest.approx(1.0, abs=1e-3)


def test_the_mode_is_tanh_of_the_mean():
    distribution = TanhNormal(jnp.array([0.5, -2.0]), jnp.zeros(2))
    np.testing.assert_allclose(mode(distribution), np.tanh([0.5, -2.0]), rtol=1e-6)


@pytest.mark.parametrize(
    ("std", "error"), [(0.0067, 1e-4), (0.3, 0.004), (1.0, 0.0205), (7.389, 0.035)]
)
def test_the_mean_action_is_the_mean_of_tanh_within_its_bound(std: float, error: float):
    # Seen to fail: with pi / 8 for pi / 2, and with tanh(mean).
    noise = np.linspace(-9.0, 9.0, 3601)
    weight = np.exp(-0.5 * noise**2)
    means = np.concatenate([np.linspace(-3.0, 3.0, 121), np.linspace(3.0, 40.0, 400)])
    exact = np.tanh(means[:, None] + std * noise) @ weight / weight.sum()
    distribution = TanhNormal(jnp.asarray(means), jnp.full(means.shape, np.log(std)))
    assert np.abs(mean_action(distribution) - exact).max() < error


def test_the_density_of_a_stored_action_is_that_of_the_sample():
    # Seen to fail: with the standard deviation left out of the noise, and without the slope of tanh
    distribution = make_tanh_normal(jax.random.normal(jax.random.key(0), (50, 6)))
    action, expected = sample_tanh_normal(distribution, key=jax.random.key(1))
    inside = np.abs(action).max(axis=-1) < 0.999
    assert inside.sum() > 10
    np.testing.assert_allclose(
        log_density(distribution, action)[inside], expected[inside], rtol=1e-3, atol=1e-3
    )
    stored = np.random.default_rng(2).uniform(-1.0, 1.0, (50, 3)).astype(np.float32)
    found = log_density(distribution, jnp.asarray(stored))
    for row in range(50):
        mean, log_std = (np.asarray(x[row], np.float64) for x in distribution)
        value = naive.log_density_of(mean, log_std, stored[row])
        assert float(found[row]) == pytest.approx(value, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("action", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("mean", [-20.0, 0.0, 20.0])
def test_saturated_stored_actions_have_finite_gradients(action: float, mean: float):
    # Seen to fail: without the clip, where atanh is infinite
    def value(parameters: jax.Array) -> jax.Array:
        return log_density(TanhNormal(*parameters), jnp.full(3, action))

    found, gradient = jax.value_and_grad(value)(jnp.array([[mean] * 3, [-5.0] * 3]))
    assert np.isfinite(found)
    assert np.all(np.isfinite(gradient))
