"""The best of sampled actions, beside a loop over them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.agents.crl.agent import make_agent
from robot_gcrl.agents.crl.best import best_action
from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.nets.tanh_normal import TanhNormal, mode, sample_tanh_normal

N, SAMPLES = 40, 5
# Compiled whole: op by op every layer would be compiled by itself
best = jax.jit(best_action, static_argnames=("agent", "samples", "spread"))


@pytest.fixture(scope="module")
def parts():
    config = CrlConfig(width=16, embedding_size=8, normalize_observations=True)
    agent = make_agent(config, observation_size=4, action_size=2, goal_index=(0, 1))
    state = jax.jit(agent.init)(jax.random.key(0))
    observation = jax.random.normal(jax.random.key(1), (N, 4))
    state = agent.observe(state, observation)
    return agent, state, observation, jax.random.normal(jax.random.key(2), (N, 2))


@pytest.mark.parametrize("spread", [1.0, 0.3])
def test_it_is_the_best_that_a_loop_finds(parts, spread):
    agent, state, observation, goal = parts
    key = jax.random.key(3)
    got = best(agent, state, observation, goal, key, samples=SAMPLES, spread=spread)
    policy, energy = jax.jit(agent.policy)(state, observation, goal), jax.jit(agent.energy)
    wide = TanhNormal(policy.mean, policy.log_std + np.log(spread))
    candidates = [mode(policy)]
    candidates += [sample_tanh_normal(wide, key=k)[0] for k in jax.random.split(key, SAMPLES)]
    energies = np.stack([energy(state, observation, a, goal) for a in candidates])
    picked = energies.argmax(0)
    expected = np.stack(candidates)[picked, np.arange(N)]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    assert len(set(picked)) > 2  # the mode among others


def test_without_spread_it_is_the_mean(parts):
    agent, state, observation, goal = parts
    narrow = best(agent, state, observation, goal, jax.random.key(0), samples=3, spread=1e-6)
    np.testing.assert_allclose(
        narrow, mode(jax.jit(agent.policy)(state, observation, goal)), atol=1e-4
    )


def test_one_state_needs_no_batch(parts):
    agent, state, observation, goal = parts
    action = best(agent, state, observation[0], goal[0], jax.random.key(0), samples=2)
    assert action.shape == (2,)
    assert jnp.isfinite(action).all()
