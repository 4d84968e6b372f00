"""The contrastive goal-conditioned agent: state in, state out.

The critic tells the goal that a state and action led to from the goals of other rows; the actor
picks the action whose energy with the goal is highest (arXiv 2503.14858, arXiv 2408.11052; other
critics: `robot_gcrl.agents.crl.critics`). There is no reward, and without
`CrlConfig.bootstrap` no target network. All methods are pure and may be traced inside jit and scan.

With `CrlConfig.chunk` H above 1 the actor decides on H actions at once, which are executed open
loop and judged together, phi(s, a_1..a_H): exploration keeps its direction for H steps, and the
critic sees what a motion leads to instead of a twitch (arXiv 2608.30640; with a critic of rewards
arXiv 2507.07969). K = H A numbers are decided on at once. With `CrlConfig.replan` a policy that
does not explore executes the first of them and decides anew, as receding-horizon control does (with
action sequences: arXiv 2303.04137).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from robot_gcrl.agents.crl.bootstrap import future_weights
from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.agents.crl.losses import (
    CriticTerms,
    actor_loss,
    cloned_actor_loss,
    temperature_loss,
)
from robot_gcrl.agents.crl.networks import Networks, Params, make_networks
from robot_gcrl.agents.crl.state import AgentState, Gradients, apply_gradients, init_state, norm
from robot_gcrl.contract.chunk import follow, queue_size
from robot_gcrl.nets.moments import Moments, normalize, update_moments
from robot_gcrl.nets.tanh_normal import (
    TanhNormal,
    log_density,
    mean_action,
    mode,
    sample_tanh_normal,
)
from robot_gcrl.replay.buffer import Replay
from robot_gcrl.replay.hindsight import Batch, Moving, sample

Queue = Float[Array, "*batch Q"] | tuple[()]
"""What is left of the chunks that robots execute; () where only the first action is executed, as
without chunks. See `contract.chunk`."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Agent:
    """The agent of one contract; make it with `make_agent`.

    Attributes:
      config: its settings.
      observation_size: O.
      action_size: A.
      goal_index: int [G], the observation components that a goal consists of.
      networks: actor and encoders.
      moving: which rows its batches prefer; None for no preference.
    """

    config: CrlConfig
    observation_size: int
    action_size: int
    goal_index: tuple[int, ...]
    networks: Networks
    moving: Moving | None = None

    @property
    def awaited(self) -> str:
        """The metric of an update that comes of all of it."""
        return "critic_loss"

    @property
    def has_critic(self) -> bool:
        """Whether `energy` says anything."""
        return True

    @property
    def stores_goal(self) -> bool:
        """Whether the replay's rows end with the commanded goal."""
        return False

    @property
    def target_entropy(self) -> float:
        """What the temperature holds the policy's entropy at [nat]."""
        return -self.config.target_entropy_scale * self.config.chunk * self.action_size

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

    def served(self, state: AgentState) -> AgentState:
        """The state with the actor that is evaluated and exported: see `CrlConfig.ema_decay`.

        Without the slow critic, which only learning needs.
        """
        if state.target:
            state = state._replace(target=())
        if not state.averaged:
            return state
        actor = self.networks.actor.kept(state.averaged)
        return state._replace(actor=actor, averaged=())

    def act(
        self,
        state: AgentState,
        observation: Float[Array, "*batch O"],
        goal: Float[Array, "*batch G"],
        key: PRNGKeyArray | None,
    ) -> Float[Array, "*batch K"]:
        """A sampled chunk of actions in (-1, 1); the one of `eval_action` where `key` is None.

        The goal is in observation units.
        """
        policy = self.policy(state, observation, goal)
        return self.settled(policy) if key is None else sample_tanh_normal(policy, key=key)[0]

    def settled(self, policy: TanhNormal) -> Float[Array, "*batch K"]:
        """What a distribution of actions comes to without exploring: see `eval_action`."""
        return mean_action(policy) if self.config.eval_action == "mean" else mode(policy)

    def policy(
        self,
        state: AgentState,
        observation: Float[Array, "*batch O"],
        goal: Float[Array, "*batch G"],
    ) -> TanhNormal:
        """The distribution that chunks are drawn from; the goal is in observation units."""
        observation, goal = self.normalized(state.moments, observation, goal)
        return self.networks.policy(state.actor, observation, goal)

    def empty_queue(self, num_worlds: int) -> Queue:
        """Of N robots at the start of their episodes: [N, Q] zeros, or () without chunks."""
        if self.config.chunk == 1:
            return ()
        size = queue_size(
            self.config.chunk, goal_size=len(self.goal_index), action_size=self.action_size
        )
        return jnp.zeros((num_worlds, size))

    @property
    def served_chunk(self) -> int:
        """How many actions are executed open loop by a policy that does not explore."""
        return 1 if self.config.replan else self.config.chunk

    def served_queue(self, num_worlds: int) -> Queue:
        """As `empty_queue`, of a policy that does not explore."""
        return () if self.served_chunk == 1 else self.empty_queue(num_worlds)

    def command(
        self,
        state: AgentState,
        observation: Float[Array, "*batch O"],
        goal: Float[Array, "*batch G"],
        queue: Queue,
        key: PRNGKeyArray | None,
    ) -> tuple[Float[Array, "*batch A"], Queue]:
        """The action to execute now, of the chunk that was begun or of a new one; see `act`.

        The actor runs for every robot whether or not it begins a chunk: in a batch of worlds whose
        chunks do not begin together, some always do.
        """
        return self.execute(self.act(state, observation, goal, key), goal, queue)

    def execute(
        self, chunk: Float[Array, "*batch K"], goal: Float[Array, "*batch G"], queue: Queue
    ) -> tuple[Float[Array, "*batch A"], Queue]:
        """The action to execute now where `chunk` is what would be begun: see `chunk.follow`."""
        if isinstance(queue, tuple):
            return chunk[..., : self.action_size], ()
        return follow(chunk, goal, queue, jnp)

    def energy(
        self,
        state: AgentState,
        observation: Float[Array, "*batch O"],
        action: Float[Array, "*batch K"],
        goal: Float[Array, "*batch G"],
    ) -> Float[Array, "*batch"]:
        """f(s, a, g): the higher, the likelier the goal (in observation units) is reached.

        Of two critics the lower energy, which is what the actor goes by.
        """
        observation, goal = self.normalized(state.moments, observation, goal)
        return self.networks.energy(
            state.critic,
            self.networks.phi(state.critic, observation, action),
            self.networks.psi(state.critic, goal),
        )

    def improve(
        self,
        state: AgentState,
        replay: Replay,
        key: PRNGKeyArray,
        *,
        goal_index: np.ndarray,
        max_rows: int,
    ) -> tuple[AgentState, dict[str, Float[Array, ""]]]:
        """One gradient step on a batch that is drawn from `replay`; arguments as of `sample`."""
        sample_key, update_key = jax.random.split(key)
        config = self.config
        batch = sample(
            replay,
            sample_key,
            batch_size=config.batch_size,
            gamma=config.gamma,
            horizon_spread=config.horizon_spread,
            rows_per_episode=config.rows_per_episode,
            goal_index=goal_index,
            max_rows=max_rows,
            chunk=config.chunk,
            moving=self.moving,
            following=config.bootstrap > 0.0,
        )
        size, following = self.observation_size, batch.following
        batch = batch._replace(observation=batch.observation[:, :size])
        if following is not None:
            following = following._replace(observation=following.observation[:, :size])
        return self.update(state, batch._replace(following=following), update_key)

    def update(
        self, state: AgentState, batch: Batch, key: PRNGKeyArray
    ) -> tuple[AgentState, dict[str, Float[Array, ""]]]:
        """One gradient step of critic, actor and temperature, all from the state before it.

        psi(goal) is computed once and serves the critic's and the actor's loss.
        """
        observation, goal = self.normalized(state.moments, batch.observation, batch.goal)
        batch = batch._replace(observation=observation, goal=goal)
        weights = None
        if batch.following is not None:
            key, next_key = jax.random.split(key)
            observation, goal = self.normalized(state.moments, *batch.following[:2])
            following = batch.following._replace(observation=observation, goal=goal)
            batch = batch._replace(following=following)
            weights = self._future_weights(state, batch, next_key)
        (critic_loss, (terms, psi)), critic_gradient = jax.value_and_grad(
            self._critic_loss, has_aux=True
        )(state.critic, batch, weights)
        (policy_loss, watched), actor_gradient = jax.value_and_grad(self._actor_loss, has_aux=True)(
            state.actor, state, batch, psi, key
        )
        temperature_gradient = jax.grad(temperature_loss)(
            state.log_temperature, watched["entropy"], self.target_entropy
        )
        metrics = terms._asdict()
        del metrics["loss"]
        metrics |= {
            "critic_loss": critic_loss,
            "actor_loss": policy_loss,
            "temperature": jnp.exp(state.log_temperature),
            "critic_gradient_norm": norm(critic_gradient),
            "actor_gradient_norm": norm(actor_gradient),
        } | watched
        gradients = Gradients(actor_gradient, critic_gradient, temperature_gradient)
        return apply_gradients(self.config, self.networks, state, gradients), metrics

    def _critic_loss(
        self, critic: Params, batch: Batch, weights: Float[Array, "B B"] | None
    ) -> tuple[Float[Array, ""], tuple[CriticTerms, Float[Array, "*C B E"]]]:
        psi = self.networks.psi(critic, batch.goal)
        phi = self.networks.phi(critic, batch.observation, batch.action)
        terms = self.networks.critic_terms(
            critic, phi, psi, offset=batch.offset, remaining=batch.remaining
        )
        if weights is None:
            return terms.loss, (terms, psi)
        following, share = batch.following, self.config.bootstrap
        assert following is not None
        difference = self.networks.difference_loss(
            critic,
            phi,
            psi,
            self.networks.psi(critic, following.goal),
            weights=weights,
            terminated=following.terminated,
        )
        return (1.0 - share) * terms.loss + share * difference, (terms, psi)

    def _future_weights(
        self, state: AgentState, batch: Batch, key: PRNGKeyArray
    ) -> Float[Array, "B B"]:
        """What the slow critic predicts of each row's next state: see `CrlConfig.bootstrap`."""
        assert batch.following is not None
        observation, target = batch.following.observation, state.target
        assert not isinstance(target, tuple)
        policy = self.networks.policy(state.actor, observation, batch.goal)
        action, _ = sample_tanh_normal(policy, key=key)
        phi = self.networks.phi(target, observation, action)
        return future_weights(
            self.networks.energies(target, phi, self.networks.psi(target, batch.goal))
        )

    def _actor_loss(
        self,
        actor: Params,
        state: AgentState,
        batch: Batch,
        psi: Float[Array, "*C B E"],
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
        own, goal, psi = self._actor_goals(batch, psi)
        policy = self.networks.policy(actor, batch.observation, goal)
        action, density = sample_tanh_normal(policy, key=key)
        phi = self.networks.phi(state.critic, batch.observation, action)
        energy = self.networks.energy(state.critic, phi, psi)
        watched = {
            "entropy": -jnp.mean(density),
            "action_magnitude": jnp.mean(jnp.abs(mode(policy))),
        }
        temperature = jnp.exp(state.log_temperature)
        if (cloning := self.config.cloning) == 0.0:
            return actor_loss(energy, density, temperature), watched
        # An action is worth cloning for the goal that it led to
        cloned = -jnp.mean(log_density(policy, batch.action), where=own)
        loss = cloned_actor_loss(energy, density, temperature, cloned=cloned, cloning=cloning)
        return loss, watched | {"cloning_loss": cloned}

    def _actor_goals(
        self, batch: Batch, psi: Float[Array, "*C B E"]
    ) -> tuple[Bool[Array, " B"] | None, Float[Array, "B G"], Float[Array, "*C B E"]]:
        """Which rows keep their own goal (None: all), the goals, and their embeddings.

        The rows that do not are spread evenly, since a batch begins with the rows that it prefers
        (`Moving`); each of them takes the goal of the row before it. Contrastive RL (arXiv
        2206.07568) has it in its published code, for none, half or all of the rows.
        """
        number = batch.goal.shape[0]
        rows, wanted = np.arange(number), int(self.config.random_goals * number)
        moved = (rows + 1) * wanted // number > rows * wanted // number
        if not moved.any():
            return None, batch.goal, psi
        taken = np.where(moved, rows - 1, rows)
        return jnp.asarray(~moved), batch.goal[taken], psi[..., taken, :]

    def normalized(self, moments: Moments, observation: Any, goal: Any) -> tuple[Any, Any]:
        """Observation and goal as networks are given them; the goal by its components' moments."""
        if not self.config.normalize_observations:
            return observation, goal
        index = np.array(self.goal_index)
        return (
            normalize(observation, moments.mean, moments.variance),
            normalize(goal, moments.mean[index], moments.variance[index]),
        )


def make_agent(
    config: CrlConfig,
    *,
    observation_size: int,
    action_size: int,
    goal_index: np.ndarray | Sequence[int],
    moving: Moving | None = None,
) -> Agent:
    """The agent for observations of O, actions of A components and goals picked by `goal_index`.

    What moves is for the task to say: `moving` is made of `config.moving_share` and its radii.
    """
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
        moving=moving,
    )
