"""One gradient step of each algorithm: state and batch in, state and metrics out.

SAC (arXiv 1812.05905) with a learned temperature, TD3 (arXiv 1802.09477), both with Q(s, a, g); and
goal-conditioned behaviour cloning of one's own trajectories (arXiv 1912.06088). All parts of an
update start from the state before it, as in the contrastive agent.
"""

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from robot_gcrl.agents.baselines.config import BaselineConfig
from robot_gcrl.agents.baselines.losses import smoothed, soft_value, target_value, value_loss
from robot_gcrl.agents.baselines.values import Problem, Values
from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.agents.crl.losses import actor_loss, temperature_loss
from robot_gcrl.agents.crl.networks import Networks, Params
from robot_gcrl.agents.crl.state import AgentState, continue_average, nearer, norm, stepped
from robot_gcrl.nets.tanh_normal import log_density, mode, sample_tanh_normal

Metrics = dict[str, Float[Array, ""]]
Updated = tuple[AgentState, Metrics]


@runtime_checkable
class Learner(Protocol):
    """What an update needs to know of its agent."""

    @property
    def config(self) -> CrlConfig:
        """Sizes and rates."""
        ...

    @property
    def baseline(self) -> BaselineConfig:
        """The rest of the settings."""
        ...

    @property
    def networks(self) -> Networks:
        """With the actor."""
        ...

    @property
    def values(self) -> Values:
        """The critics."""
        ...

    @property
    def target_entropy(self) -> float:
        """Of the policy [nat]."""
        ...


def sac_update(agent: Learner, state: AgentState, batch: Problem, key: PRNGKeyArray) -> Updated:
    """Critics, actor, temperature and targets."""
    next_key, actor_key = jax.random.split(key)
    critic, temperature = state.critic, jnp.exp(state.log_temperature)
    following = agent.networks.policy(state.actor, batch.next_observation, batch.goal)
    action, density = sample_tanh_normal(following, key=next_key)
    values = agent.values(critic["target"], batch.next_observation, action, batch.goal)
    state, metrics = _fit_values(agent, state, batch, soft_value(values, density, temperature))

    def loss(actor: Params) -> tuple[Float[Array, ""], Metrics]:
        policy = agent.networks.policy(actor, batch.observation, batch.goal)
        action, density = sample_tanh_normal(policy, key=actor_key)
        values = agent.values(critic["online"], batch.observation, action, batch.goal)
        watched = {
            "entropy": -jnp.mean(density),
            "action_magnitude": jnp.mean(jnp.abs(mode(policy))),
        }
        return actor_loss(jnp.min(values, axis=0), density, temperature), watched

    state, watched = _fit_actor(agent, state, loss)
    gradient = jax.grad(temperature_loss)(
        state.log_temperature, watched["entropy"], agent.target_entropy
    )
    adam = optax.adam(agent.config.temperature_learning_rate)
    log_temperature, optimizer = stepped(
        adam, gradient, state.temperature_optimizer, state.log_temperature
    )
    state = state._replace(log_temperature=log_temperature, temperature_optimizer=optimizer)
    return _follow(agent, state), metrics | watched | {"temperature": temperature}


def td3_update(agent: Learner, state: AgentState, batch: Problem, key: PRNGKeyArray) -> Updated:
    """Critics, and every `policy_delay` updates the actor and the targets."""
    config, critic = agent.baseline, state.critic
    following = mode(
        agent.networks.policy(critic["target_actor"], batch.next_observation, batch.goal)
    )
    action = smoothed(
        following, key=key, noise=config.target_noise, limit=config.target_noise_limit
    )
    values = agent.values(critic["target"], batch.next_observation, action, batch.goal)
    # Adam counts updates of the critics
    count = state.critic_optimizer[0].count  # pyright: ignore[reportAttributeAccessIssue, reportIndexIssue]
    state, metrics = _fit_values(agent, state, batch, jnp.min(values, axis=0))

    def loss(actor: Params) -> tuple[Float[Array, ""], Metrics]:
        action = mode(agent.networks.policy(actor, batch.observation, batch.goal))
        values = agent.values(critic["online"], batch.observation, action, batch.goal)
        return -jnp.mean(values[0]), {"action_magnitude": jnp.mean(jnp.abs(action))}

    def improve(state: AgentState) -> Updated:
        state, watched = _fit_actor(agent, state, loss)
        return _follow(agent, state), watched

    def keep(state: AgentState) -> Updated:
        value, watched = loss(state.actor)
        return state, watched | {"actor_loss": value}

    state, watched = jax.lax.cond((count + 1) % config.policy_delay == 0, improve, keep, state)
    return state, metrics | watched


def cloning_update(agent: Learner, state: AgentState, batch: Problem, key: PRNGKeyArray) -> Updated:
    """Makes the action that was taken likelier for the goal that it led to."""
    del key

    def loss(actor: Params) -> tuple[Float[Array, ""], Metrics]:
        policy = agent.networks.policy(actor, batch.observation, batch.goal)
        watched = {
            "action_magnitude": jnp.mean(jnp.abs(mode(policy))),
            "action_difference": jnp.mean(jnp.abs(mode(policy) - batch.action)),
        }
        return -jnp.mean(log_density(policy, batch.action)), watched

    return _fit_actor(agent, state, loss)


def _fit_values(
    agent: Learner, state: AgentState, batch: Problem, next_value: Float[Array, " B"]
) -> Updated:
    target = target_value(batch.reward, batch.terminated, next_value, gamma=agent.config.gamma)

    def loss(online: Params) -> tuple[Float[Array, ""], Float[Array, ""]]:
        values = agent.values(online, batch.observation, batch.action, batch.goal)
        return value_loss(values, target), jnp.mean(values)

    online = state.critic["online"]
    (value, mean), gradient = jax.value_and_grad(loss, has_aux=True)(online)
    adam = optax.adam(agent.config.learning_rate)
    online, optimizer = stepped(adam, gradient, state.critic_optimizer, online)
    critic = state.critic | {"online": agent.values.kept(online)}
    metrics = {
        "critic_loss": value,
        "value": mean,
        "reward": jnp.mean(batch.reward),
        "critic_gradient_norm": norm(gradient),
    }
    return state._replace(critic=critic, critic_optimizer=optimizer), metrics


def _fit_actor(agent: Learner, state: AgentState, loss: Any) -> Updated:
    (value, watched), gradient = jax.value_and_grad(loss, has_aux=True)(state.actor)
    adam = optax.adam(agent.config.learning_rate)
    actor, optimizer = stepped(adam, gradient, state.actor_optimizer, state.actor)
    metrics = watched | {"actor_loss": value}
    actor = agent.networks.actor.kept(actor)
    averaged = continue_average(agent.config, state.averaged, actor, optimizer)
    return state._replace(actor=actor, actor_optimizer=optimizer, averaged=averaged), metrics


def _follow(agent: Learner, state: AgentState) -> AgentState:
    """The targets a step nearer to what they follow."""
    rate = agent.baseline.target_rate
    learned = {"target": state.critic["online"], "target_actor": state.actor}
    followed = {
        name: nearer(target, learned[name], rate)
        for name, target in state.critic.items()
        if name in learned
    }
    return state._replace(critic=state.critic | followed)
