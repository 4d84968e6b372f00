"""Agents that learn from hindsight goals with rewards or by imitation: SAC, TD3, cloning.

They act as the contrastive agent does, with the same actor, and are run by the same loop; how they
learn is in `robot_gcrl.agents.baselines.learn`. Their `AgentState` is that of the contrastive agent
too: what it calls the critic is a dict of "online" and "target" values (stacked along a leading
axis of C) and of TD3 the "target_actor"; of cloning it is empty.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from robot_gcrl.agents.baselines.config import Algorithm, BaselineConfig
from robot_gcrl.agents.baselines.learn import Updated, cloning_update, sac_update, td3_update
from robot_gcrl.agents.baselines.values import Problem, Values, make_values
from robot_gcrl.agents.crl.agent import Agent
from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.agents.crl.networks import make_networks
from robot_gcrl.agents.crl.state import AgentState, acting_state, fresh_state
from robot_gcrl.contract.contract import Contract
from robot_gcrl.env.reward import goal_reward
from robot_gcrl.errors import ConfigError
from robot_gcrl.nets.moments import make_moments
from robot_gcrl.nets.tanh_normal import mode
from robot_gcrl.replay.buffer import Replay
from robot_gcrl.replay.relabel import Transitions, sample_transitions

_UPDATES = {"sac_her": sac_update, "td3_her": td3_update, "gcbc": cloning_update}


@dataclass(frozen=True, eq=False, kw_only=True)
class BaselineAgent(Agent):
    """The agent of one contract; make it with `make_baseline`. Of `networks` it has the actor.

    Attributes:
      contract: by which rewards are computed.
      algorithm: which one.
      baseline: its settings beside those of `config`.
      values: the critics; unused where there are none.
    """

    contract: Contract
    algorithm: Algorithm
    baseline: BaselineConfig
    values: Values

    @property
    def awaited(self) -> str:
        """The metric of an update that comes of all of it."""
        return "critic_loss" if self.has_critic else "actor_loss"

    @property
    def has_critic(self) -> bool:
        """Whether `energy` says anything."""
        return self.algorithm in ("sac_her", "td3_her")

    @property
    def stores_goal(self) -> bool:
        """Whether the replay's rows end with the commanded goal; cloning never asks for it."""
        return self.has_critic

    def init(self, key: PRNGKeyArray) -> AgentState:
        """The state before the first update; targets begin as what they follow."""
        actor_key, critic_key = jax.random.split(key)
        actor = self.networks.actor.init(actor_key)
        critic = {}
        if self.has_critic:
            online = self.values.init(critic_key)
            critic = {"online": online, "target": jax.tree.map(jnp.copy, online)}
        if self.algorithm == "td3_her":
            critic["target_actor"] = jax.tree.map(jnp.copy, actor)
        if self.algorithm not in _UPDATES:
            # brax keeps the rest of what it learns to itself
            return acting_state(actor, make_moments(self.observation_size))
        return fresh_state(
            self.config,
            actor=actor,
            critic=critic,
            learned=critic.get("online", {}),
            observation_size=self.observation_size,
        )

    def act(
        self,
        state: AgentState,
        observation: Float[Array, "*batch O"],
        goal: Float[Array, "*batch G"],
        key: PRNGKeyArray | None,
    ) -> Float[Array, "*batch K"]:
        """An action to explore with, in [-1, 1]; the one of `eval_action` where `key` is None.

        SAC and cloning sample their policies, TD3 adds normal noise to its only action; and a share
        of the actions is uniform, if `random_share` says so. Noise beside its own would make the
        policy that is cloned wider with every round.
        """
        if key is None:
            return super().act(state, observation, goal, None)
        act_key, noise_key, share_key, random_key = jax.random.split(key, 4)
        if self.algorithm == "td3_her":
            action = mode(self.policy(state, observation, goal))
            noise = self.baseline.exploration_noise * jax.random.normal(noise_key, action.shape)
            action = jnp.clip(action + noise, -1.0, 1.0)
        else:
            action = super().act(state, observation, goal, act_key)
        if (share := self.baseline.random_share) == 0.0:
            return action
        is_random = jax.random.bernoulli(share_key, share, (*action.shape[:-1], 1))
        drawn = jax.random.uniform(random_key, action.shape, minval=-1.0, maxval=1.0)
        return jnp.where(is_random, drawn, action)

    def energy(
        self,
        state: AgentState,
        observation: Float[Array, "*batch O"],
        action: Float[Array, "*batch K"],
        goal: Float[Array, "*batch G"],
    ) -> Float[Array, "*batch"]:
        """The value that the critics give, the lower of two; where there are none, no call."""
        assert self.has_critic
        observation, goal = self.normalized(state.moments, observation, goal)
        return jnp.min(self.values(state.critic["online"], observation, action, goal), axis=0)

    def improve(
        self,
        state: AgentState,
        replay: Replay,
        key: PRNGKeyArray,
        *,
        goal_index: np.ndarray,
        max_rows: int,
    ) -> tuple[AgentState, dict[str, Float[Array, ""]]]:
        """One gradient step on a batch that is drawn from `replay` and relabelled."""
        sample_key, update_key = jax.random.split(key)
        batch = sample_transitions(
            replay,
            sample_key,
            batch_size=self.config.batch_size,
            hindsight=self.baseline.hindsight,
            # Cloning shows how to get where the robot did get
            share=1.0 if self.algorithm == "gcbc" else self.baseline.hindsight_share,
            gamma=self.config.gamma,
            goal_index=goal_index,
            max_rows=max_rows,
        )
        return self.learn_from(state, batch, update_key)

    def learn_from(self, state: AgentState, batch: Transitions, key: PRNGKeyArray) -> Updated:
        """One gradient step on a batch."""
        size = self.observation_size
        observation, goal = self.normalized(state.moments, batch.row[:, :size], batch.goal)
        following, _ = self.normalized(state.moments, batch.next_row[:, :size], batch.goal)
        problem = Problem(
            observation=observation,
            action=batch.action,
            next_observation=following,
            goal=goal,
            reward=self.baseline.reward_scale * self.reward(batch),
            terminated=batch.terminated,
        )
        return _UPDATES[self.algorithm](self, state, problem, key)

    def reward(self, batch: Transitions) -> Float[Array, " B"]:
        """Of having achieved, in the state that was reached, what the batch's goal asks for."""
        scale = self.contract.goal_scale  # from observation units to SI
        return goal_reward(
            self.contract, batch.achieved / scale, batch.goal / scale, self.baseline.reward, jnp
        )


def make_baseline(
    contract: Contract,
    config: CrlConfig,
    *,
    algorithm: Algorithm,
    baseline: BaselineConfig,
    goal_index: np.ndarray | Sequence[int],
) -> BaselineAgent:
    """The agent of an algorithm other than the contrastive one.

    Raises:
      ConfigError: settings that do not go together.
    """
    if config.chunk != 1:
        raise ConfigError(
            f"agent.chunk is {config.chunk} and algorithm is {algorithm!r}. Expected 1: only crl "
            "decides on several actions at once. Leave --agent.chunk out."
        )
    if algorithm == "td3_her" and config.eval_action != "mode":
        raise ConfigError(
            f"agent.eval_action is {config.eval_action!r} and algorithm is 'td3_her'. Expected "
            "'mode': its policy has no spread. Leave --agent.eval-action out."
        )
    sizes = {
        "observation_size": contract.observation_size,
        "action_size": contract.action_size,
        "goal_size": contract.goal_size,
    }
    return BaselineAgent(
        config=config,
        observation_size=contract.observation_size,
        action_size=contract.action_size,
        goal_index=tuple(int(i) for i in goal_index),
        networks=make_networks(config, **sizes),
        contract=contract,
        algorithm=algorithm,
        baseline=baseline,
        values=make_values(config, **sizes, num_critics=baseline.num_critics),
    )
