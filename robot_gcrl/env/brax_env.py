"""Our tasks as brax environments on MJX, for brax's own PPO and SAC.

An environment is one world, as brax has it; brax's wrappers make it many. The observation is what
the policy sees and, behind it, the goal in the same units. brax's wrappers put a world back at the
start and the goal that it had in the beginning; `wrap_for_training`, for the `wrap_env_fn` of the
trainers, draws new ones.
"""

# brax is an extra, which CI does not install; what its dataclasses can is hidden from types
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from pathlib import Path
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
from brax.envs import Env, State, Wrapper
from brax.envs.wrappers.training import (
    EpisodeWrapper,
    VmapWrapper,
)
from jaxtyping import Array

from robot_gcrl.contract.realism import Level
from robot_gcrl.env import brax_compat
from robot_gcrl.env.goal_env import GoalEnv
from robot_gcrl.env.reward import Reward, check_reward, farthest_group, goal_reward
from robot_gcrl.env.state import EnvState
from robot_gcrl.errors import EngineError
from robot_gcrl.physics.mjx import MjxEngine
from robot_gcrl.task.registry import load_task
from robot_gcrl.task.task import Task

brax_compat.provide()

# Folded into a key that the next step splits: its own two keys are those of 0 and 1
_FRESH = 0xF5E5


class RobotEnv(Env):
    """One robot of one task.

    Attributes:
      task: whose episodes.
    """

    def __init__(
        self,
        task: str | Task,
        *,
        goals: Literal["train", "eval"] = "train",
        randomize: Level = "off",
        reward: Reward = "dense",
        maze: Path | None = None,
    ) -> None:
        """The robot on MJX.

        Args:
          task: a name of `task_names()`, FILE.py:NAME for a task of one's own, or the task itself.
          goals: which distribution of starts and goals.
          randomize: level of realism.
          reward: see `robot_gcrl.env.reward`; these trainers relabel nothing, hence "dense".
          maze: a text grid, for tasks that take one.

        Raises:
          RobotGcrlError: the task, the maze, the reward or the task's level does not exist.
          EngineError: MJX cannot run the task's model.
        """
        check_reward(reward)
        self.task = task if isinstance(task, Task) else load_task(task, maze=maze)
        engine = MjxEngine(self.task.model, num_worlds=1, substeps=self.task.substeps)
        self._env = GoalEnv(self.task, engine, goals=goals, randomize=randomize)
        self._reward: Reward = reward

    def reset(self, rng: Array) -> State:
        """A start with its goal."""
        init_key, key = jax.random.split(rng)
        state = self._env.init(init_key)
        return self._shown(state, {"key": key})

    def step(self, state: State, action: Array) -> State:
        """One control step under an action [A], clipped to [-1, 1].

        `done` is 1 where the contract's `healthy` fails or the physics diverged, which
        `FreshStarts` tells apart; the end of the task's time is the wrapper's to see, given
        `episode_length`.
        """
        step_key, key = jax.random.split(state.info["key"])
        before = jax.tree.map(lambda leaf: leaf[None], state.pipeline_state)
        # A constant, so that XLA leaves our own resets out of the program: brax has its own
        before = before._replace(ended=jnp.zeros(1, bool))
        after = self._env.step(before, action[None], step_key)
        return self._shown(after, {**state.info, "key": key}, metrics=state.metrics)

    @property
    def observation_size(self) -> int:
        """O + G."""
        return self.task.contract.observation_size + self.task.contract.goal_size

    @property
    def action_size(self) -> int:
        """A."""
        return self.task.contract.action_size

    @property
    def backend(self) -> str:
        """The name of the physics."""
        return "mjx"

    @property
    def episode_length(self) -> int:
        """The task's, in control steps: what trainers and wrappers are to be given."""
        return self.task.episode_length

    @property
    def dt(self) -> float:
        """A control step [s]."""
        return self.task.contract.control_dt

    def render(self, *_: Any, **__: Any) -> None:
        """There are no pictures here.

        Raises:
          EngineError: always.
        """
        raise EngineError(
            f"Task {self.task.name!r} cannot be drawn by brax: it has no brax System, only a "
            "MuJoCo model. Expected gymnasium's or dm_env's adapter for pictures. Use "
            "robot_gcrl.env.gymnasium with render_mode='rgb_array'."
        )

    def _shown(
        self, state: EnvState, info: dict[str, Any], metrics: dict[str, Array] | None = None
    ) -> State:
        env, contract = self._env, self.task.contract
        observation = jnp.concatenate((env.observation(state), env.goal_input(state)), axis=-1)
        achieved = env.achieved(state)
        reward = goal_reward(contract, achieved, state.goal, self._reward, jnp)
        success = env.success(state)
        measured = {
            "success": success[0].astype(jnp.float32),
            "distance": farthest_group(contract, env.distances(state), jnp)[0],
        }
        return State(
            pipeline_state=jax.tree.map(lambda leaf: leaf[0], state),
            obs=observation[0],
            reward=reward[0],
            done=(state.terminated | state.physics.diverged)[0].astype(jnp.float32),
            metrics={**(metrics or {}), **measured},
            info=info,
        )


class FreshStarts(Wrapper):
    """Puts worlds that are done at a new start with a new goal, in the same step, as brax does.

    A step whose physics diverged is a truncation, by which brax's PPO and SAC leave it out of their
    losses: no value is known after it, and what its state held is of no episode.
    """

    def step(self, state: State, action: Array) -> State:
        """One control step of N worlds."""
        ended = state.done
        info = {**state.info, "steps": jnp.where(ended, 0.0, state.info["steps"])}
        state = self.env.step(state.replace(done=jnp.zeros_like(ended), info=info), action)
        diverged = state.pipeline_state.physics.diverged.reshape(ended.shape)
        truncation = jnp.where(diverged, 1.0, state.info["truncation"])
        state = state.replace(info={**state.info, "truncation": truncation})

        def renew() -> tuple[Any, Array]:
            keys = jax.vmap(lambda key: jax.random.fold_in(key, _FRESH))(state.info["key"])
            fresh = self.env.reset(keys)
            return jax.tree.map(
                lambda new, old: jnp.where(
                    state.done.reshape(-1, *[1] * (old.ndim - 1)).astype(bool), new, old
                ),
                (fresh.pipeline_state, fresh.obs),
                (state.pipeline_state, state.obs),
            )

        pipeline_state, obs = jax.lax.cond(
            state.done.any(), renew, lambda: (state.pipeline_state, state.obs)
        )
        return state.replace(pipeline_state=pipeline_state, obs=obs)


def wrap_for_training(
    env: Env, *, episode_length: int, action_repeat: int = 1, randomization_fn: Any = None
) -> Wrapper:
    """Many worlds of `env` with new starts and goals, for `wrap_env_fn` of brax's trainers.

    Raises:
      EngineError: a randomization_fn, which varies a brax System: there is none here.
    """
    if randomization_fn is not None:
        name = cast(RobotEnv, env.unwrapped).task.name
        raise EngineError(
            f"Task {name!r} got brax's randomization_fn, which varies a brax System that it does "
            "not have. Expected None. Make the environment with "
            "randomize='low' or 'full' instead."
        )
    return FreshStarts(EpisodeWrapper(VmapWrapper(env), episode_length, action_repeat))
