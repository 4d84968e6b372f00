"""Our tasks as `dm_env.Environment`s over C MuJoCo, with a dm_control Physics behind them.

A reward is 1 in every control step that ends within all success radii, else 0. A discount is 1, and
0 where the contract's `healthy` fails; the end of the task's time leaves it at 1.
"""

# dm_control is an extra, which CI does not install
# pyright: reportMissingImports=false

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import dm_env
import jax
import numpy as np
from dm_env import specs

from robot_gcrl.env.asked_goal import goal_option
from robot_gcrl.env.dm_compat import make_physics
from robot_gcrl.env.single import Moment, SingleWorld
from robot_gcrl.task.registry import load_task
from robot_gcrl.task.task import Task

if TYPE_CHECKING:
    from dm_control.mujoco import Physics


class RobotEnvironment(dm_env.Environment):
    """One robot of one task.

    Attributes:
      task: whose episodes.
    """

    def __init__(
        self,
        task: str | Task,
        *,
        goals: Literal["train", "eval"] = "train",
        maze: Path | None = None,
        seed: int = 0,
    ) -> None:
        """The robot; the first step or reset begins an episode.

        Args:
          task: a name of `task_names()`, FILE.py:NAME for a task of one's own, or the task itself.
          goals: which distribution of starts and goals.
          maze: a text grid, for tasks that take one.
          seed: of all episodes.

        Raises:
          RobotGcrlError: the task or the maze does not exist.
        """
        self.task = task if isinstance(task, Task) else load_task(task, maze=maze)
        self._world = SingleWorld(self.task, goals=goals)
        self._key = jax.random.key(seed)
        self._episode = 0
        self._over = True
        self._physics: Physics | None = None

    @property
    def physics(self) -> "Physics":
        """A dm_control Physics of this world: what is changed in it is changed here.

        Raises:
          EngineError: dm_control is not installed.
        """
        if self._physics is None:
            self._physics = make_physics(self._world.data)
        return self._physics

    def reset(self, options: Mapping[str, Any] | None = None) -> dm_env.TimeStep:
        """An episode.

        Args:
          options: {"goal": numbers [G], SI}, to ask for a goal instead of having one drawn.

        Raises:
          TaskError: a goal out of bounds, or another option.
        """
        goal = goal_option(self.task, options)
        key = jax.random.fold_in(self._key, self._episode)
        moment = self._world.draw(key, goal)
        self._episode += 1
        self._over = False
        return dm_env.restart(_observed(moment))

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        """One control step under an action [A]; after an episode's end, the start of the next.

        Raises:
          TaskError: the action has another shape or is not finite.
        """
        if self._over:
            return self.reset()
        moment = self._world.step(action)
        self._over = moment.terminated or moment.truncated
        reward, observation = np.float32(moment.success), _observed(moment)
        if moment.terminated:
            return dm_env.termination(reward, observation)
        if moment.truncated:
            return dm_env.truncation(reward, observation)
        return dm_env.transition(reward, observation)

    # dm_env says only that specs are nested somehow
    def observation_spec(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
    ) -> dict[str, specs.Array]:
        """Observation [O] in the contract's units; achieved_goal and desired_goal [G], SI."""
        contract = self.task.contract
        low, high = contract.goal_bounds
        goal = (contract.goal_size,)
        return {
            "observation": specs.Array((contract.observation_size,), np.float32, "observation"),
            "achieved_goal": specs.Array(goal, np.float32, "achieved_goal"),
            "desired_goal": specs.BoundedArray(goal, np.float32, low, high, "desired_goal"),
        }

    def action_spec(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
    ) -> specs.BoundedArray:
        """[A], from -1 to 1."""
        shape = (self.task.contract.action_size,)
        return specs.BoundedArray(shape, np.float32, -1.0, 1.0, "action")

    def reward_spec(self) -> specs.BoundedArray:
        """0 or 1."""
        return specs.BoundedArray((), np.float32, 0.0, 1.0, "reward")


def _observed(moment: Moment) -> dict[str, np.ndarray]:
    return {
        "observation": moment.observation,
        "achieved_goal": moment.achieved,
        "desired_goal": moment.goal,
    }
