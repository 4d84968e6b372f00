"""One critic or two, and a cosine with its scale, through whole updates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.agents.crl.agent import Agent, AgentState
from tests import naive
from tests.agents.test_agent import SMALL, batch_of, small_agent


def updated(agent: Agent, steps: int = 1) -> tuple[AgentState, AgentState, dict[str, jax.Array]]:
    """The first state, that after some updates, and the last metrics."""
    start = state = jax.jit(agent.init)(jax.random.key(3))
    update, metrics = jax.jit(agent.update), {}
    for step in range(steps):
        state, metrics = update(state, batch_of(seed=step), jax.random.key(step))
    return start, state, metrics


def part(critic: dict, index: int) -> dict:
    return jax.tree.map(lambda leaf: leaf[index], critic)


def test_two_critics_begin_apart_and_the_lower_energy_counts():
    # Seen to fail: with one key for both, with the maximum, and with the mean.
    agent = small_agent(num_critics=2)
    state = jax.jit(agent.init)(jax.random.key(3))
    batch = batch_of()
    energies = []
    for index in range(2):
        critic = part(state.critic, index)
        phi = naive.residual_network(
            np.hstack([batch.observation, batch.action]), critic["sa_encoder"]
        )
        psi = naive.residual_network(batch.goal, critic["g_encoder"])
        energies.append([naive.energy(a, b) for a, b in zip(phi, psi, strict=True)])
    assert np.abs(np.subtract(*energies)).min() > 1e-4
    found = jax.jit(agent.energy)(state, batch.observation, batch.action, batch.goal)
    np.testing.assert_allclose(found, np.min(energies, axis=0), atol=1e-4)


def test_two_critics_learn_each_by_itself():
    # Seen to fail: with the mean of the losses.
    agent, alone = small_agent(num_critics=2), small_agent()
    start, state, metrics = updated(agent)
    begun, update = jax.jit(alone.init)(jax.random.key(3)), jax.jit(alone.update)
    losses = []
    for index in range(2):
        single = begun._replace(critic=part(start.critic, index))
        learned, its = update(single, batch_of(), jax.random.key(0))
        losses.append(float(its["critic_loss"]))
        for a, b in zip(
            jax.tree.leaves(part(state.critic, index)), jax.tree.leaves(learned.critic), strict=True
        ):
            np.testing.assert_allclose(a, b, atol=2e-5)
    assert float(metrics["critic_loss"]) == pytest.approx(sum(losses), rel=1e-5)


def test_the_actor_of_two_critics_follows_the_lower():
    # Seen to fail: with the first critic alone in the actor's loss.
    agent = small_agent(num_critics=2)
    start, _, metrics = updated(agent)
    key, batch = jax.random.key(0), batch_of()
    policy = jax.jit(agent.networks.policy)(start.actor, batch.observation, batch.goal)
    noise = jax.random.normal(key, (10, 3))
    action = jnp.tanh(policy.mean + jnp.exp(policy.log_std) * noise)
    alone = jax.jit(small_agent().energy)
    energies = [
        alone(start._replace(critic=part(start.critic, i)), batch.observation, action, batch.goal)
        for i in range(2)
    ]
    energy = np.minimum(*energies)
    assert (energy < energies[0]).any()
    densities = [
        naive.log_density(*(np.asarray(x, np.float64) for x in row))
        for row in zip(*policy, noise, strict=True)
    ]
    expected = naive.actor_loss(np.asarray(energy), densities, 1.0)
    assert float(metrics["actor_loss"]) == pytest.approx(expected, rel=1e-4)


def test_two_critics_hardly_lengthen_the_program():
    # Seen to fail: with a Python loop over critics.
    def length(count: int) -> int:
        agent = small_agent(num_critics=count)
        state = jax.eval_shape(agent.init, jax.random.key(0))
        lowered = jax.jit(agent.update).lower(state, batch_of(), jax.random.key(0))
        return len(lowered.as_text().splitlines())

    assert length(2) < 1.15 * length(1)


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("count", [1, 2])
def test_the_scale_of_a_cosine_is_learned_or_set(learned: bool, count: int):
    # Seen to fail: without the stop of the gradient.
    agent = small_agent(
        energy="cosine", cosine_scale=8.0, learn_cosine_scale=learned, num_critics=count
    )
    start, state, _ = updated(agent, 3)
    np.testing.assert_allclose(jnp.exp(start.critic["log_scale"]), 8.0, rtol=1e-6)
    moved = np.abs(state.critic["log_scale"] - start.critic["log_scale"])
    assert np.all((moved > 1e-4) == learned)


def test_a_single_critic_has_the_parameters_that_it_always_had():
    critic = jax.eval_shape(small_agent().init, jax.random.key(0)).critic
    assert sorted(critic) == ["g_encoder", "sa_encoder"]
    assert critic["sa_encoder"]["head"]["kernel"].shape == (16, SMALL["embedding_size"])
