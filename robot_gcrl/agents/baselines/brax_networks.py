"""Our actor as the policy of brax's PPO and SAC, and residual trunks of ours as their values.

brax gives a network its running statistics, which we read as `Moments`, so that what is normalised
is what every other algorithm and the exported policy normalise: the goal by the moments of the
components that it compares with. brax's distribution is a normal one behind tanh, as ours is; its
second parameter is undone here, so that mean and standard deviation are the actor's.
"""

# brax is an extra, which CI does not install
# pyright: reportMissingImports=false

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from brax.training.agents.ppo.networks import PPONetworks
from brax.training.agents.sac.networks import SACNetworks
from brax.training.distribution import NormalTanhDistribution
from brax.training.networks import FeedForwardNetwork
from jaxtyping import Array, Float

from robot_gcrl.agents.baselines.agent import BaselineAgent
from robot_gcrl.agents.crl.networks import Params, make_network
from robot_gcrl.agents.crl.state import AgentState, acting_state
from robot_gcrl.nets.moments import COUNT_LIMIT, Moments
from robot_gcrl.nets.tanh_normal import TanhNormal

# Of brax's distribution: std = softplus(raw) + _LEAST_STD
_LEAST_STD = 0.001


def ppo_networks(agent: BaselineAgent) -> Callable[..., PPONetworks]:
    """The `network_factory` of brax's PPO."""
    config, sizes = agent.config, agent.observation_size + len(agent.goal_index)
    value = make_network(config, sizes, 1, depth=config.depth, width=config.width)

    def evaluate(statistics: Any, params: Params, both: Float[Array, "*batch both"]) -> Array:
        return value(params, jnp.concatenate(_shown(agent, statistics, both), axis=-1))[..., 0]

    def make(*sizes: Any, **options: Any) -> PPONetworks:
        del sizes, options
        return PPONetworks(
            policy_network=_policy(agent),
            value_network=FeedForwardNetwork(init=value.init, apply=evaluate),
            parametric_action_distribution=_distribution(agent),
        )

    return make


def sac_networks(agent: BaselineAgent) -> Callable[..., SACNetworks]:
    """The `network_factory` of brax's SAC."""

    def evaluate(
        statistics: Any, params: Params, both: Float[Array, "*batch both"], action: Array
    ) -> Array:
        observation, goal = _shown(agent, statistics, both)
        return jnp.moveaxis(agent.values(params, observation, action, goal), 0, -1)

    def make(
        observation_size: int, action_size: int, preprocess_observations_fn: Any
    ) -> SACNetworks:
        del observation_size, action_size, preprocess_observations_fn
        return SACNetworks(
            policy_network=_policy(agent),
            q_network=FeedForwardNetwork(init=agent.values.init, apply=evaluate),
            parametric_action_distribution=_distribution(agent),
        )

    return make


def agent_state(agent: BaselineAgent, statistics: Any, policy: Params) -> AgentState:
    """What brax has learned, as the state that acts."""
    return acting_state(policy, _moments(agent, statistics))


def distribution_parameters(policy: TanhNormal) -> Float[Array, "*batch two_A"]:
    """What brax's `NormalTanhDistribution` makes this distribution of.

    The inverse of softplus(raw) + 0.001: raw = x + log(1 - exp(-x)) with x = std - 0.001, which is
    0.0057 at least.
    """
    x = jnp.exp(policy.log_std) - _LEAST_STD
    return jnp.concatenate((policy.mean, x + jnp.log(-jnp.expm1(-x))), axis=-1)


def _policy(agent: BaselineAgent) -> FeedForwardNetwork:
    def apply(statistics: Any, params: Params, both: Float[Array, "*batch both"]) -> Array:
        observation, goal = _shown(agent, statistics, both)
        return distribution_parameters(agent.networks.policy(params, observation, goal))

    return FeedForwardNetwork(init=agent.networks.actor.init, apply=apply)


def _distribution(agent: BaselineAgent) -> NormalTanhDistribution:
    return NormalTanhDistribution(event_size=agent.action_size, min_std=_LEAST_STD)


def _shown(agent: BaselineAgent, statistics: Any, both: Array) -> tuple[Array, Array]:
    """Observation and goal, normalised."""
    size = agent.observation_size
    return agent.normalized(_moments(agent, statistics), both[..., :size], both[..., size:])


def _moments(agent: BaselineAgent, statistics: Any) -> Moments:
    """Running statistics of the observation's components; those of the goal's are not read.

    brax has standard deviations of 1e-6 to 1e6; our least one is greater.
    """
    size, count = agent.observation_size, statistics.count
    seen = jnp.float32(count.hi) * 2.0**32 + jnp.float32(count.lo)
    return Moments(
        seen=jnp.minimum(seen, COUNT_LIMIT),
        mean=jnp.asarray(statistics.mean)[..., :size],
        variance=jnp.square(jnp.asarray(statistics.std)[..., :size]),
    )
