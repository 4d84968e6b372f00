"""The contrastive goal-conditioned agent: state in, state out.

The critic tells the goal that a state and action led to from the goals of other rows; the actor
picks the action whose energy with the goal is highest (arXiv 2503.14858, arXiv 2408.11052). There
is no reward and no target network. All methods are pure and may be traced inside jit and scan.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
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
from robot_gcrl.agents.crl.state import AgentState, Gradients, apply_gradients, init_state
from robot_gcrl.nets.moments import Moments, normalize, update_moments
from robot_gcrl.nets.tanh_normal import TanhNormal, mode, sample_tanh_normal
from robot_gcrl.replay.hindsight import Batch


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
        return init_state(
            self.config, self.networks, observation_size=self.observation_size, key=key
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
        policy = self.policy(state, observation, goal)
        if key is None:
            return mode(policy)
        return sample_tanh_normal(policy, key=key)[0]

    def policy(
        self,
        state: AgentState,
        observation: Float[Array, "*batch O"],
        goal: Float[Array, "*batch G"],
    ) -> TanhNormal:
        """The distribution of actions; the goal is in observation units."""
        observation, goal = self._normalized(state.moments, observation, goal)
        return self.networks.policy(state.actor, observation, goal)

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
            self.networks.phi(state.critic, observation, action),
            self.networks.psi(state.critic, goal),
        )

    def update(
        self, state: AgentState, batch: Batch, key: PRNGKeyArray
    ) -> tuple[AgentState, dict[str, Float[Array, ""]]]:
        """One gradient step of critic, actor and temperature, all from the state before it.

        psi(goal) is computed once and serves the critic's and the actor's loss.
        """
        observation, goal = self._normalized(state.moments, batch.observation, batch.goal)
        batch = Batch(observation, batch.action, goal)
        (critic_loss, (terms, psi)), critic_gradient = jax.value_and_grad(
            self._critic_loss, has_aux=True
        )(state.critic, batch)
        (policy_loss, (entropy, magnitude)), actor_gradient = jax.value_and_grad(
            self._actor_loss, has_aux=True
        )(state.actor, state, batch, psi, key)
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
            "action_magnitude": magnitude,
            "critic_gradient_norm": _norm(critic_gradient),
            "actor_gradient_norm": _norm(actor_gradient),
        }
        gradients = Gradients(actor_gradient, critic_gradient, temperature_gradient)
        return apply_gradients(self.config, state, gradients), metrics

    def _critic_loss(
        self, critic: Params, batch: Batch
    ) -> tuple[Float[Array, ""], tuple[CriticTerms, Float[Array, "B E"]]]:
        psi = self.networks.psi(critic, batch.goal)
        terms = critic_terms(
            self.networks.phi(critic, batch.observation, batch.action),
            psi,
            logsumexp_penalty=self.config.logsumexp_penalty,
            symmetric=self.config.loss == "symmetric_infonce",
        )
        return terms.loss, (terms, psi)

    def _actor_loss(
        self,
        actor: Params,
        state: AgentState,
        batch: Batch,
        psi: Float[Array, "B E"],
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, ""], tuple[Float[Array, ""], Float[Array, ""]]]:
        policy = self.networks.policy(actor, batch.observation, batch.goal)
        action, log_density = sample_tanh_normal(policy, key=key)
        phi = self.networks.phi(state.critic, batch.observation, action)
        loss = actor_loss(paired_energy(phi, psi), log_density, jnp.exp(state.log_temperature))
        magnitude = jnp.mean(jnp.abs(mode(policy)))
        return loss, (-jnp.mean(log_density), magnitude)

    def _normalized(self, moments: Moments, observation: Any, goal: Any) -> tuple[Any, Any]:
        if not self.config.normalize_observations:
            return observation, goal
        index = np.array(self.goal_index)
        return (
            normalize(observation, moments.mean, moments.variance),
            normalize(goal, moments.mean[index], moments.variance[index]),
        )


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
