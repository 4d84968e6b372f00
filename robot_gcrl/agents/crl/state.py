"""What the agent learns, and the Adam step that changes it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.agents.crl.networks import Networks, Params
from robot_gcrl.nets.moments import Moments, make_moments


class AgentState(NamedTuple):
    """Everything that learning changes.

    Attributes:
      actor: parameters.
      critic: parameters of "sa_encoder" and "g_encoder", and "log_scale" of a cosine; those of two
        critics are stacked.
      log_temperature: natural logarithm of the entropy's weight.
      moments: of the observations.
      actor_optimizer: Adam's state.
      critic_optimizer: Adam's state.
      temperature_optimizer: Adam's state.
      averaged: of the actor's parameters, the average that acts where nothing is explored; () where
        the newest act themselves. See `CrlConfig.ema_decay`.
      target: of the critic's parameters, those that follow slowly and predict what the critic is to
        learn; () where nothing is predicted. See `CrlConfig.bootstrap`.
    """

    actor: Params
    critic: Params
    log_temperature: Float[Array, ""]
    moments: Moments
    actor_optimizer: optax.OptState
    critic_optimizer: optax.OptState
    temperature_optimizer: optax.OptState
    averaged: Params | tuple[()] = ()
    target: Params | tuple[()] = ()


class Gradients(NamedTuple):
    """Of each loss in its own parameters."""

    actor: Params
    critic: Params
    log_temperature: Float[Array, ""]


def init_state(
    config: CrlConfig, networks: Networks, *, observation_size: int, key: PRNGKeyArray
) -> AgentState:
    """The state before the first update."""
    actor_key, sa_key, g_key = jax.random.split(key, 3)
    actor = networks.actor.init(actor_key)
    critic = networks.init_critic(sa_key, g_key)
    return fresh_state(
        config, actor=actor, critic=critic, learned=critic, observation_size=observation_size
    )


def fresh_state(
    config: CrlConfig, *, actor: Params, critic: Params, learned: Params, observation_size: int
) -> AgentState:
    """What learning begins with; of the critic, `learned` are the parameters that Adam changes."""
    log_temperature = jnp.asarray(config.initial_log_temperature, jnp.float32)
    adam = optax.adam(config.learning_rate)
    return AgentState(
        actor=actor,
        critic=critic,
        log_temperature=log_temperature,
        moments=make_moments(observation_size),
        actor_optimizer=adam.init(actor),
        critic_optimizer=adam.init(learned),
        temperature_optimizer=optax.adam(config.temperature_learning_rate).init(log_temperature),
        averaged=begin_average(config, actor),
        target=begin_target(config, critic),
    )


def acting_state(actor: Params, moments: Moments) -> AgentState:
    """What acts, where the rest of what is learned is not ours to keep."""
    return AgentState(actor, {}, jnp.zeros(()), moments, (), (), ())


def apply_gradients(
    config: CrlConfig, networks: Networks, state: AgentState, gradients: Gradients
) -> AgentState:
    """The state after one Adam step of actor, critic and log-temperature."""
    adam = optax.adam(config.learning_rate)
    temperature_adam = optax.adam(config.temperature_learning_rate)
    actor, actor_optimizer = stepped(adam, gradients.actor, state.actor_optimizer, state.actor)
    critic, critic_optimizer = stepped(adam, gradients.critic, state.critic_optimizer, state.critic)
    actor, critic = networks.kept(actor, critic)
    log_temperature, temperature_optimizer = stepped(
        temperature_adam,
        gradients.log_temperature,
        state.temperature_optimizer,
        state.log_temperature,
    )
    return AgentState(
        actor=actor,
        critic=critic,
        log_temperature=log_temperature,
        moments=state.moments,
        actor_optimizer=actor_optimizer,
        critic_optimizer=critic_optimizer,
        temperature_optimizer=temperature_optimizer,
        averaged=continue_average(config, state.averaged, actor, actor_optimizer),
        target=_follow(config, networks, state.target, critic),
    )


def begin_target(config: CrlConfig, critic: Params) -> Params | tuple[()]:
    """What the slow critic begins with: these parameters."""
    return jax.tree.map(jnp.copy, critic) if config.bootstrap else ()


def _follow(
    config: CrlConfig, networks: Networks, target: Params | tuple[()], critic: Params
) -> Params | tuple[()]:
    return networks.kept_critic(nearer(target, critic, config.target_rate)) if target else ()


def begin_average(config: CrlConfig, actor: Params) -> Params | tuple[()]:
    """What the average of the actor's parameters begins with: these."""
    return jax.tree.map(jnp.copy, actor) if config.ema_decay else ()


def continue_average(
    config: CrlConfig,
    averaged: Params | tuple[()],
    actor: Params,
    optimizer: optax.OptState,  # of the actor, after the update that led to it
) -> Params | tuple[()]:
    """The average after one update more: see `CrlConfig.ema_decay`."""
    if not averaged:
        return ()
    count = optimizer[0].count  # pyright: ignore[reportAttributeAccessIssue, reportIndexIssue]
    # Young averages forget sooner, so that what they began with has no weight of its own
    decay = jnp.minimum(config.ema_decay, (1.0 + count) / (10.0 + count))
    return nearer(averaged, actor, 1.0 - decay)


def nearer(tree: Any, other: Any, share: float | Float[Array, ""]) -> Any:
    """The tree, moved this share of the way to the other."""
    return jax.tree.map(lambda old, new: old + share * (new - old), tree, other)


def norm(tree: Params) -> Float[Array, ""]:
    """The Euclidean norm of all numbers of a tree together."""
    return jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree)))


def stepped(
    adam: optax.GradientTransformation, gradient: Any, state: optax.OptState, params: Any
) -> tuple[Any, optax.OptState]:
    """The parameters after one step along a gradient, and the optimizer's next state."""
    step, state = adam.update(gradient, state)
    return optax.apply_updates(params, step), state
