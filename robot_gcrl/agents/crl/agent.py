"""The contrastive goal-conditioned agent: state in, state out.

The critic tells the goal that a state and action led to from the goals of other rows; the actor
picks the action whose energy with the goal is highest (arXiv 2503.14858, arXiv 2408.11052). There
is no reward and no target network. All methods are pure and may be traced inside jit and scan.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.agents.crl.losses import (
    CriticTerms,
    actor_loss,
    critic_terms,
    paired_energy,
    temperature_loss,
)
from robot_gcrl.agents.crl.networks import Networks, Params, make_networks
from robot_gcrl.nets.moments import Moments, make_moments, normalize, update_moments
from robot_gcrl.nets.tanh_normal import make_tanh_normal, mode, sample_tanh_normal
from robot_gcrl.replay.hindsight import Batch

# |tanh(mean)| above this counts as saturated.
SATURATED = 0.99


class AgentState(NamedTuple):
    """Everything that learning changes.

    Attributes:
      actor: parameters.
      critic: parameters of "sa_encoder" and "g_encoder".
      log_temperature: natural logarithm of the entropy's weight.
      moments: of the observations.
      actor_optimizer: Adam's state.
      critic_optimizer: Adam's state.
      temperature_optimizer: Adam's state.
    """

    actor: Params
    critic: Params
    log_temperature: Float[Array, ""]
    moments: Moments
    actor_optimizer: optax.OptState
    critic_optimizer: optax.OptState
    temperature_optimizer: optax.OptState


class _Inputs(NamedTuple):
    """A batch as the networks see it."""

    observation: Float[Array, "B O"]
    action: Float[Array, "B A"]
    goal: Float[Array, "B G"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Agent:
    """The agent of one contract; make it with `make_agent`.

    Attributes:
      config: its settings.
      observation_size: O.
      action_size: A.
      goal_index: int [G], the observation components that a goal consists of.
      networks: actor and encoders.
    """

    config: CrlConfig
    observation_size: int
    action_size: int
    goal_index: tuple[int, ...]
    networks: Networks

    @property
    def target_entropy(self) -> float:
        """What the temperature holds the policy's entropy at [nat]."""
        return -self.config.target_entropy_scale * self.action_size

    def init(self, key: PRNGKeyArray) -> AgentState:
        """The state before the first update."""
        actor_key, sa_key, g_key = jax.random.split(key, 3)
        actor = self.networks.actor.init(actor_key)
        critic = {
            "sa_encoder": self.networks.sa_encoder.init(sa_key),
            "g_encoder": self.networks.g_encoder.init(g_key),
        }
        log_temperature = jnp.asarray(self.config.initial_log_temperature, jnp.float32)
        return AgentState(
            actor=actor,
            critic=critic,
            log_temperature=log_temperature,
            moments=make_moments(self.observation_size),
            actor_optimizer=self._optimizer.init(actor),
            critic_optimizer=self._optimizer.init(critic),
            temperature_optimizer=self._temperature_optimizer.init(log_temperature),
        )

    def observe(self, state: AgentState, observation: Float[Array, "N O"]) -> AgentState:
        """The state with N observations more in its running moments."""
        if not self.config.normalize_observations:
            return state
        return state._replace(moments=update_moments(state.moments, observation))

    def act(
        self,
        state: AgentState,
        observation: Float[Array, "*batch O"],
        goal: Float[Array, "*batch G"],
        key: PRNGKeyArray | None,
    ) -> Float[Array, "*batch A"]:
        """A sampled action in (-1, 1); tanh of the policy's mean where `key` is None.

        The goal is in observation units.
        """
        observation, goal = self._normalized(state.moments, observation, goal)
        policy = self._policy(state.actor, observation, goal)
        if key is None:
            return mode(policy)
        return sample_tanh_normal(policy, key=key)[0]

    def energy(
        self,
        state: AgentState,
        observation: Float[Array, "*batch O"],
        action: Float[Array, "*batch A"],
        goal: Float[Array, "*batch G"],
    ) -> Float[Array, "*batch"]:
        """f(s, a, g): the higher, the likelier the goal (in observation units) is reached."""
        observation, goal = self._normalized(state.moments, observation, goal)
        return paired_energy(
            self._phi(state.critic, observation, action), self._psi(state.critic, goal)
        )

    def update(
        self, state: AgentState, batch: Batch, key: PRNGKeyArray
    ) -> tuple[AgentState, dict[str, Float[Array, ""]]]:
        """One gradient step of critic, actor and temperature, all from the state before it.

        psi(goal) is computed once and serves the critic's and the actor's loss.
        """
        observation, goal = self._normalized(state.moments, batch.observation, batch.goal)
        inputs = _Inputs(observation, batch.action, goal)
        (critic_loss, (terms, psi)), critic_gradient = jax.value_and_grad(
            self._critic_loss, has_aux=True
        )(state.critic, inputs)
        (policy_loss, (entropy, saturation)), actor_gradient = jax.value_and_grad(
            self._actor_loss, has_aux=True
        )(state.actor, state, inputs, psi, key)
        temperature_gradient = jax.grad(temperature_loss)(
            state.log_temperature, entropy, self.target_entropy
        )
        metrics = terms._asdict()
        del metrics["loss"]
        metrics |= {
            "critic_loss": critic_loss,
            "actor_loss": policy_loss,
            "entropy": entropy,
            "temperature": jnp.exp(state.log_temperature),
            "action_saturation": saturation,
            "critic_gradient_norm": _norm(critic_gradient),
            "actor_gradient_norm": _norm(actor_gradient),
        }
        state = self._apply(state, critic_gradient, actor_gradient, temperature_gradient)
        return state, metrics

    def _critic_loss(
        self, critic: Params, inputs: _Inputs
    ) -> tuple[Float[Array, ""], tuple[CriticTerms, Float[Array, "B E"]]]:
        psi = self._psi(critic, inputs.goal)
        terms = critic_terms(
            self._phi(critic, inputs.observation, inputs.action),
            psi,
            logsumexp_penalty=self.config.logsumexp_penalty,
            symmetric=self.config.loss == "symmetric_infonce",
        )
        return terms.loss, (terms, psi)

    def _actor_loss(
        self,
        actor: Params,
        state: AgentState,
        inputs: _Inputs,
        psi: Float[Array, "B E"],
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, ""], tuple[Float[Array, ""], Float[Array, ""]]]:
        policy = self._policy(actor, inputs.observation, inputs.goal)
        action, log_density = sample_tanh_normal(policy, key=key)
        phi = self._phi(state.critic, inputs.observation, action)
        loss = actor_loss(paired_energy(phi, psi), log_density, jnp.exp(state.log_temperature))
        saturation = jnp.mean(jnp.abs(mode(policy)) > SATURATED)
        return loss, (-jnp.mean(log_density), saturation)

    def _apply(
        self, state: AgentState, critic_gradient: Params, actor_gradient: Params,
        temperature_gradient: Float[Array, ""],
    ) -> AgentState:  # fmt: skip
        critic_step, critic_optimizer = self._optimizer.update(
            critic_gradient, state.critic_optimizer
        )
        actor_step, actor_optimizer = self._optimizer.update(actor_gradient, state.actor_optimizer)
        temperature_step, temperature_optimizer = self._temperature_optimizer.update(
            temperature_gradient, state.temperature_optimizer
        )
        return state._replace(
            actor=optax.apply_updates(state.actor, actor_step),
            critic=optax.apply_updates(state.critic, critic_step),
            log_temperature=optax.apply_updates(state.log_temperature, temperature_step),
            actor_optimizer=actor_optimizer,
            critic_optimizer=critic_optimizer,
            temperature_optimizer=temperature_optimizer,
        )

    def _normalized(self, moments: Moments, observation: Any, goal: Any) -> tuple[Any, Any]:
        if not self.config.normalize_observations:
            return observation, goal
        index = np.array(self.goal_index)
        return (
            normalize(observation, moments.mean, moments.variance),
            normalize(goal, moments.mean[index], moments.variance[index]),
        )

    def _phi(self, critic: Params, observation: Any, action: Any) -> Any:
        x = jnp.concatenate([observation, action], axis=-1)
        return self.networks.sa_encoder(critic["sa_encoder"], x)

    def _psi(self, critic: Params, goal: Any) -> Any:
        return self.networks.g_encoder(critic["g_encoder"], goal)

    def _policy(self, actor: Params, observation: Any, goal: Any) -> Any:
        x = jnp.concatenate([observation, goal], axis=-1)
        return make_tanh_normal(self.networks.actor(actor, x))

    @functools.cached_property
    def _optimizer(self) -> optax.GradientTransformation:
        return optax.adam(self.config.learning_rate)

    @functools.cached_property
    def _temperature_optimizer(self) -> optax.GradientTransformation:
        return optax.adam(self.config.temperature_learning_rate)


def _norm(tree: Params) -> Float[Array, ""]:
    return jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree)))


def make_agent(
    config: CrlConfig,
    *,
    observation_size: int,
    action_size: int,
    goal_index: np.ndarray | Sequence[int],
) -> Agent:
    """The agent for observations of O, actions of A components and goals picked by `goal_index`."""
    index = tuple(int(i) for i in goal_index)
    return Agent(
        config=config,
        observation_size=observation_size,
        action_size=action_size,
        goal_index=index,
        networks=make_networks(
            config,
            observation_size=observation_size,
            action_size=action_size,
            goal_size=len(index),
        ),
    )
