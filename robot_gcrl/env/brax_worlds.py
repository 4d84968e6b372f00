"""N robots of a task at once as one brax environment, on any engine of ours.

brax's own wrappers make many worlds of one by vmap, which C MuJoCo cannot follow. This environment
has its N worlds from the start and is not to be wrapped: give brax's trainers
`wrap_env_fn=unwrapped`, `num_envs=N` and, since they evaluate on as many worlds, `num_eval_envs=N`.

Its episodes are those of `GoalEnv`, whose worlds begin anew in the step *after* the last one. So
the last transition of an episode still shows the state that it ended in, from which values
bootstrap at a time limit (`done` is 0) and not after a fall (`done` is 1). The row that begins anew
ignores its action; it has `done` 1, a reward of 0 and `info["truncation"]` 1, by which brax's PPO
and SAC leave a transition out of their losses. So has a step whose physics diverged, except that
its `done` is 0: what its state holds is of no episode.
"""

# brax is an extra, which CI does not install; what its dataclasses can is hidden from types
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from typing import Any

import jax
import jax.numpy as jnp
from brax.envs import Env, State
from jaxtyping import Array, Float

from robot_gcrl.env import brax_compat
from robot_gcrl.env.goal_env import GoalEnv
from robot_gcrl.env.reward import Reward, check_reward, farthest_group, goal_reward
from robot_gcrl.env.state import EnvState
from robot_gcrl.errors import EngineError

brax_compat.provide()


class RobotWorlds(Env):
    """N robots of one task; an observation is followed by its goal, in the same units.

    Attributes:
      worlds: the N worlds.
    """

    def __init__(
        self, worlds: GoalEnv, *, reward: Reward = "dense", reward_scale: float = 1.0
    ) -> None:
        """Takes the worlds of `robot_gcrl.make` or a `GoalEnv` of one's own.

        Args:
          worlds: whose engine, distribution and practice are kept.
          reward: see `robot_gcrl.env.reward`.
          reward_scale: factor of it.

        Raises:
          UnknownNameError: no such reward.
        """
        check_reward(reward)
        self.worlds = worlds
        self._reward: Reward = reward
        self._scale = reward_scale

    def reset(self, rng: Array) -> State:
        """N starts with their goals; of the N keys [N, 2] the first one is used.

        Raises:
          EngineError: as many keys as there are no worlds.
        """
        n = self.worlds.num_worlds
        if rng.shape[0] != n:
            raise EngineError(
                f"{rng.shape[0]} keys were given to a brax environment of {n} worlds. Expected a "
                "key for each world. Set num_envs and num_eval_envs to the number of worlds."
            )
        init_key, key = jax.random.split(rng[0])
        state = self.worlds.init(init_key)
        zeros = jnp.zeros(n)
        measured = self._measured(state, state.goal)
        sums = dict.fromkeys(("sum_reward", "length", *measured), zeros)
        info = {
            "key": key,
            "steps": zeros,
            "truncation": zeros,
            "episode_done": zeros,
            "episode_metrics": sums,
        }
        return State(
            pipeline_state=state,
            obs=self._observation(state),
            reward=zeros,
            done=zeros,
            metrics=measured,
            info=info,
        )

    def step(self, state: State, action: Array) -> State:
        """One control step of all worlds under actions [N, A]; worlds that had ended begin anew."""
        before: EnvState = state.pipeline_state
        step_key, key = jax.random.split(state.info["key"])
        after = self.worlds.step(before, action, step_key)
        begun = before.ended
        # Of the goal that the action pursued: the next one may be another
        measured = self._measured(after, before.goal)
        contract = self.worlds.task.contract
        reward = self._scale * goal_reward(
            contract, self.worlds.achieved(after), before.goal, self._reward, jnp
        )
        reward = jnp.where(begun, 0.0, reward)
        measured = {name: jnp.where(begun, 0.0, value) for name, value in measured.items()}
        sums = {"sum_reward": reward, "length": jnp.ones_like(reward), **measured}
        info = {
            **state.info,
            "key": key,
            "steps": after.step.astype(jnp.float32),
            "truncation": (begun | after.physics.diverged).astype(jnp.float32),
            "episode_done": after.ended.astype(jnp.float32),
            "episode_metrics": {
                name: jnp.where(begun, 0.0, state.info["episode_metrics"][name] + value)
                for name, value in sums.items()
            },
        }
        return state.replace(
            pipeline_state=after,
            obs=self._observation(after),
            reward=reward,
            done=(begun | after.terminated).astype(jnp.float32),
            metrics={**state.metrics, **measured},
            info=info,
        )

    @property
    def observation_size(self) -> int:
        """O + G."""
        contract = self.worlds.task.contract
        return contract.observation_size + contract.goal_size

    @property
    def action_size(self) -> int:
        """A."""
        return self.worlds.task.contract.action_size

    @property
    def backend(self) -> str:
        """The name of the physics: brax asks for one."""
        return "robot_gcrl"

    @property
    def episode_length(self) -> int:
        """The task's, in control steps."""
        return self.worlds.task.episode_length

    def _observation(self, state: EnvState) -> Float[Array, "N both"]:
        shown = self.worlds.observation(state), self.worlds.goal_input(state)
        return jnp.concatenate(shown, axis=-1)

    def _measured(self, state: EnvState, goal: Float[Array, "N G"]) -> dict[str, Array]:
        """Success, and the distance in success radii, of the goal that was pursued."""
        pursued = state._replace(goal=goal)
        success = self.worlds.success(pursued)
        distances = self.worlds.distances(pursued)
        return {
            "success": success.astype(jnp.float32),
            "distance": farthest_group(self.worlds.task.contract, distances, jnp),
        }


def unwrapped(
    env: Env,
    *,
    episode_length: int | None = None,
    action_repeat: int = 1,
    randomization_fn: Any = None,
) -> Env:
    """The environment as it is, for `wrap_env_fn` of brax's trainers.

    Their `wrap_env=False` would do for PPO; SAC of brax 0.14.2 fails with it. Episodes have the
    task's length, whatever the trainer says: brax's evaluation alone reads its `episode_length`.

    Raises:
      EngineError: a randomization_fn, which varies a brax System, or an action_repeat, which a
        wrapper does: there is neither here.
    """
    del episode_length
    if randomization_fn is not None:
        raise EngineError(
            "RobotWorlds got brax's randomization_fn, which varies a brax System that it does not "
            "have. Expected None. Give RobotWorlds a GoalEnv with randomize='low' or 'full' "
            "instead."
        )
    if action_repeat != 1:
        raise EngineError(
            f"RobotWorlds got brax's action_repeat {action_repeat}, which a wrapper of brax does, "
            "and it is not wrapped. Expected 1. Set the task's control_dt instead."
        )
    return env


class NoWorlds(Env):
    """Zeros in the shape of another environment, for evaluations of brax that nobody reads."""

    def __init__(self, env: Any) -> None:
        """Of the sizes of `env`."""
        self._env = env

    def reset(self, rng: Array) -> State:
        """Zeros for each key."""
        zeros = jnp.zeros(rng.shape[0])
        return State(
            pipeline_state=None,
            obs=jnp.zeros((rng.shape[0], self.observation_size)),
            reward=zeros,
            done=zeros,
            metrics={},
            info={"steps": zeros, "truncation": zeros},
        )

    def step(self, state: State, action: Array) -> State:
        """The same zeros."""
        del action
        return state

    @property
    def observation_size(self) -> int:
        """Of the other environment."""
        return self._env.observation_size

    @property
    def action_size(self) -> int:
        """Of the other environment."""
        return self._env.action_size

    @property
    def backend(self) -> str:
        """None."""
        return "none"
