"""N worlds of one task behind gymnasium's vector interface: `GoalEnv`, compiled once.

Autoreset is on the next step, as `GoalEnv` does it and as gymnasium calls it: the step that ends an
episode returns its last observation, the step after it ignores that world's action, returns the
first observation of its next episode and a reward of 0.

Under realism `desired_goal` is the goal that a robot is told, wrong by its bias, as a policy has it
elsewhere; achieved goals, rewards and success are true.
"""

from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from jaxtyping import Array, Bool, Float

from robot_gcrl.contract.realism import Level
from robot_gcrl.env.asked_goal import goal_option
from robot_gcrl.env.goal_env import GoalEnv
from robot_gcrl.env.gymnasium import Observation, make_spaces
from robot_gcrl.env.reward import Reward, check_reward, goal_reward
from robot_gcrl.env.state import EnvState
from robot_gcrl.errors import RenderingError, TaskError
from robot_gcrl.physics.make import make_engine
from robot_gcrl.task.registry import load_task
from robot_gcrl.task.task import Task

_ELSEWHERE = "Use gymnasium.make with render_mode='rgb_array', which makes one robot."


class _Seen(NamedTuple):
    """What leaves the compiled program after a control step; the goal is the one that is told."""

    observation: Float[Array, "N O"]
    achieved: Float[Array, "N G"]
    goal: Float[Array, "N G"]
    distances: Float[Array, "N S"]
    success: Bool[Array, " N"]
    reward: Float[Array, " N"]
    terminated: Bool[Array, " N"]
    truncated: Bool[Array, " N"]


class RobotVectorEnv(VectorEnv[Observation, np.ndarray, np.ndarray]):
    """N robots of one task.

    Attributes:
      env: the worlds.
      num_envs: N.
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012  # as gymnasium does

    def __init__(
        self,
        task: str | Task,
        *,
        num_envs: int,
        engine: Literal["auto", "native", "mjx"] = "native",
        goals: Literal["train", "eval"] = "train",
        randomize: Level = "off",
        reward: Reward = "sparse",
        maze: Path | None = None,
        render_mode: str | None = None,
    ) -> None:
        """The robots, still to be reset.

        Args:
          task: a name of `task_names()`, FILE.py:NAME for a task of one's own, or the task itself.
          num_envs: N.
          engine: what steps them: C MuJoCo on the CPU's cores, or MJX.
          goals: which distribution of starts and goals.
          randomize: level of realism.
          reward: see `robot_gcrl.env.reward`.
          maze: a text grid, for tasks that take one.
          render_mode: None: there are no pictures here.

        Raises:
          RobotGcrlError: the task, the maze, the reward or the task's level does not exist, or the
            engine cannot run it.
          RenderingError: a render mode.
        """
        check_reward(reward)
        if render_mode is not None:
            raise RenderingError(
                f"gymnasium's environment of N robots got render_mode={render_mode!r}. Expected "
                f"None: it draws nothing. {_ELSEWHERE}"
            )
        loaded = task if isinstance(task, Task) else load_task(task, maze=maze)
        # Nothing runs beside the physics here, so that it may have all cores
        stepper = make_engine(
            engine, loaded.model, num_worlds=num_envs, substeps=loaded.substeps, overlap=False
        )
        self.task = loaded
        self.env = GoalEnv(loaded, stepper, goals=goals, randomize=randomize)
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = make_spaces(loaded.contract)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._reward: Reward = reward
        self._init = jax.jit(self.env.init)
        self._see = jax.jit(self._seen)
        self._advance = jax.jit(self._advanced, donate_argnums=0)
        self._state: EnvState | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """An episode in each world.

        Args:
          seed: of these and all further episodes; None goes on with the draws of before.
          options: {"goal": numbers [G] or [N, G], SI}, to ask for goals in these episodes; those
            that follow by autoreset have theirs drawn.

        Raises:
          TaskError: a goal out of bounds, or another option.
        """
        super().reset(seed=seed)
        goal = goal_option(self.task, options, num_worlds=self.num_envs)
        init_key, self._key = jax.random.split(jax.random.key(int(self.np_random.integers(2**32))))
        state = self._init(init_key)
        if goal is not None:
            state = state._replace(goal=jnp.asarray(goal))
        self._state, self._step = state, 0
        seen = self._see(state, jnp.zeros(self.num_envs, bool))
        return _observed(seen), _info(seen)

    def step(
        self, actions: np.ndarray
    ) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One control step under actions [N, A]; values beyond [-1, 1] are clipped.

        Raises:
          TaskError: actions of another shape or that are not finite, or no reset before.
        """
        actions = np.asarray(actions, np.float32)
        if self._state is None:
            raise TaskError(
                f"Task {self.task.name!r} was stepped with no episode under way. Expected a reset "
                "before the first step. Call reset()."
            )
        if actions.shape != self.action_space.shape or not np.isfinite(actions).all():
            raise TaskError(
                f"Task {self.task.name!r} got actions of shape {actions.shape}, "
                f"{np.size(actions) - int(np.isfinite(actions).sum())} of the numbers not finite. "
                f"Expected {self.action_space.shape}, all finite. Look at what made them."
            )
        # A number, not an array: a transfer less
        self._state, seen = self._advance(self._state, actions, self._key, self._step)
        self._step += 1
        reward, terminated, truncated = map(
            np.array, (seen.reward, seen.terminated, seen.truncated)
        )
        return _observed(seen), reward, terminated, truncated, _info(seen)

    def compute_reward(
        self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any
    ) -> np.ndarray:
        """See `RobotEnv.compute_reward`."""
        del info
        return goal_reward(self.task.contract, achieved_goal, desired_goal, self._reward)

    def render(self) -> NoReturn:
        """There are no pictures here.

        Raises:
          RenderingError: always.
        """
        raise RenderingError(
            f"Task {self.task.name!r} cannot be drawn by gymnasium's environment of N robots. "
            f"Expected the one of one robot for pictures. {_ELSEWHERE}"
        )

    def _advanced(
        self, state: EnvState, actions: Float[Array, "N A"], key: Array, step: Array
    ) -> tuple[EnvState, _Seen]:
        reset = state.ended
        state = self.env.step(state, actions, jax.random.fold_in(key, step))
        return state, self._seen(state, reset)

    def _seen(self, state: EnvState, reset: Bool[Array, " N"]) -> _Seen:
        """What is seen of a state; worlds of the mask `reset` were put at a start just now."""
        env, contract = self.env, self.task.contract
        achieved = env.achieved(state)
        reward = goal_reward(contract, achieved, state.goal, self._reward, jnp)
        return _Seen(
            observation=env.observation(state),
            achieved=achieved,
            goal=env.goal_input(state) / contract.goal_scale,
            distances=env.distances(state),
            success=env.success(state),
            reward=jnp.where(reset, 0.0, reward),
            terminated=state.terminated,
            truncated=state.ended & ~state.terminated,
        )


def _observed(seen: _Seen) -> Observation:
    # Copies: what JAX gives is read-only, and what is returned belongs to the caller
    return {
        "observation": np.array(seen.observation),
        "achieved_goal": np.array(seen.achieved),
        "desired_goal": np.array(seen.goal),
    }


def _info(seen: _Seen) -> dict[str, Any]:
    everywhere = np.ones(len(seen.success), bool)
    return {
        "is_success": np.array(seen.success),
        "_is_success": everywhere,
        "distance": np.array(seen.distances),
        "_distance": everywhere.copy(),
    }
