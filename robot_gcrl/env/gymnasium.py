"""Our tasks as gymnasium environments: one world in C MuJoCo, or N worlds in one compiled program.

Observations are dictionaries as those of goal-conditioned environments elsewhere: `observation` in
the contract's units, `achieved_goal` and `desired_goal` in SI, and `compute_reward` says the reward
of any goal, so that hindsight relabelling of other people works on them. An episode ends where the
contract's `healthy` fails (terminated) or after the task's length (truncated), never on success.

Importing this module registers every task: `gymnasium.make("robot_gcrl/reacher-v0")`; without the
import, `gymnasium.make("robot_gcrl.env.gymnasium:robot_gcrl/reacher-v0")`. `gymnasium.make_vec` of
the same id makes the N worlds.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import gymnasium
import jax
import numpy as np
from gymnasium.spaces import Box, Dict

from robot_gcrl.contract.contract import Contract
from robot_gcrl.contract.realism import Level
from robot_gcrl.env.asked_goal import goal_option
from robot_gcrl.env.picture import Painter
from robot_gcrl.env.reward import Reward, check_reward, goal_reward
from robot_gcrl.env.single import Moment, SingleWorld
from robot_gcrl.errors import RenderingError, TaskError
from robot_gcrl.task.registry import load_task, task_names
from robot_gcrl.task.task import Task

Observation = dict[str, np.ndarray]


class RobotEnv(gymnasium.Env[Observation, np.ndarray]):
    """One robot of one task.

    Attributes:
      task: whose episodes.
      observation_space: observation [O], achieved_goal [G], desired_goal [G].
      action_space: [A], from -1 to 1.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012  # as gymnasium declares it

    def __init__(
        self,
        task: str | Task,
        *,
        goals: Literal["train", "eval"] = "train",
        randomize: Level = "off",
        reward: Reward = "sparse",
        maze: Path | None = None,
        render_mode: str | None = None,
    ) -> None:
        """The robot, still to be reset.

        Args:
          task: a name of `task_names()`, FILE.py:NAME for a task of one's own, or the task itself.
          goals: which distribution of starts and goals.
          randomize: "off": one robot is without realism.
          reward: see `robot_gcrl.env.reward`.
          maze: a text grid, for tasks that take one.
          render_mode: None, or "rgb_array" for pictures.

        Raises:
          RobotGcrlError: the task, the maze or the reward does not exist.
          TaskError: another level of realism.
          RenderingError: another render mode.
        """
        check_reward(reward)
        if randomize != "off":
            raise TaskError(
                f"gymnasium's environment of one robot got randomize={randomize!r}. Expected "
                "'off': it has no realism. Use gymnasium.make_vec, whose worlds have it."
            )
        if render_mode not in (None, "rgb_array"):
            raise RenderingError(
                f"Unknown render mode {render_mode!r}. Expected 'rgb_array' or None. To watch a "
                "robot: robot-gcrl view."
            )
        self.task = task if isinstance(task, Task) else load_task(task, maze=maze)
        self.render_mode = render_mode
        # The clock of videos that others record of this environment
        self.metadata = RobotEnv.metadata | {"render_fps": round(1 / self.task.contract.control_dt)}
        spaces, self.action_space = make_spaces(self.task.contract)
        self.observation_space = cast(gymnasium.Space[Observation], spaces)
        self._world = SingleWorld(self.task, goals=goals)
        self._reward: Reward = reward
        self._over = True
        self._painter: Painter | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """An episode.

        Args:
          seed: of this and all further episodes; None goes on with the draws of before.
          options: {"goal": numbers [G], SI}, to ask for a goal instead of having one drawn.

        Raises:
          TaskError: a goal out of bounds, or another option.
        """
        super().reset(seed=seed)
        goal = goal_option(self.task, options)
        key = jax.random.key(int(self.np_random.integers(2**32)))
        moment = self._world.draw(key, goal)
        self._over = False
        return _observed(moment), _info(moment)

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One control step under an action [A]; values beyond [-1, 1] are clipped.

        Raises:
          TaskError: the action has another shape or is not finite, or no episode is under way.
        """
        if self._over:
            raise TaskError(
                f"Task {self.task.name!r} was stepped with no episode under way. Expected a reset "
                "before the first step and after the end of an episode. Call reset()."
            )
        moment = self._world.step(action)
        self._over = moment.terminated or moment.truncated
        info = _info(moment)
        reward = self.compute_reward(moment.achieved, moment.goal, info)
        return _observed(moment), float(reward), moment.terminated, moment.truncated, info

    def compute_reward(
        self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any
    ) -> np.ndarray:
        """The reward [..] of achieving [.., G] where [.., G] was desired, SI; reads no info."""
        del info
        contract = self.task.contract
        return goal_reward(contract, achieved_goal, desired_goal, self._reward)

    def compute_terminated(
        self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any
    ) -> bool | np.ndarray:
        """Whether the step of `info` ended in a fall; [B] of B infos.

        No goal ends an episode, so that this is as true of any other goal.
        """
        del achieved_goal, desired_goal
        return _told(info, "terminated")

    def compute_truncated(
        self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any
    ) -> bool | np.ndarray:
        """Whether it ended by the task's time or by physics that diverged; [B] of B infos."""
        del achieved_goal, desired_goal
        return _told(info, "truncated")

    def render(self) -> np.ndarray | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The picture uint8 [480, 640, 3] of the world, its goal as a ball; None without a mode.

        Raises:
          RenderingError: this machine cannot draw, or the task has no camera.
        """
        if self.render_mode is None:
            return None
        if self._painter is None:
            self._painter = Painter(self.task)
        return self._painter.paint(self._world.data, self._world.goal)

    def close(self) -> None:
        """Gives back what pictures need."""
        if self._painter is not None:
            self._painter.close()
            self._painter = None


def make_spaces(contract: Contract) -> tuple[Dict, Box]:
    """The spaces of observations and of actions of one robot.

    Goals are bounded as the contract's; what is observed and achieved has no bounds there.
    """
    low, high = contract.goal_bounds

    def unbounded(size: int) -> Box:
        return Box(-np.inf, np.inf, (size,), np.float32)

    spaces = {
        "observation": unbounded(contract.observation_size),
        "achieved_goal": unbounded(contract.goal_size),
        "desired_goal": Box(low, high, dtype=np.float32),
    }
    return Dict(spaces), Box(-1.0, 1.0, (contract.action_size,), np.float32)


def register_tasks() -> None:
    """Registers every task of `task_names()` as robot_gcrl/NAME-v0; again does nothing."""
    for name in task_names():
        if f"robot_gcrl/{name}-v0" not in gymnasium.registry:
            gymnasium.register(
                f"robot_gcrl/{name}-v0",
                entry_point=f"{__name__}:RobotEnv",
                vector_entry_point=f"{__name__}_vector:RobotVectorEnv",
                kwargs={"task": name},
            )


def _observed(moment: Moment) -> Observation:
    return {
        "observation": moment.observation,
        "achieved_goal": moment.achieved,
        "desired_goal": moment.goal,
    }


def _info(moment: Moment) -> dict[str, Any]:
    return {
        "is_success": moment.success,
        "distance": moment.distances.copy(),
        # For compute_terminated and compute_truncated
        "terminated": moment.terminated,
        "truncated": moment.truncated,
    }


def _told(info: Any, name: str) -> bool | np.ndarray:
    if isinstance(info, Mapping):
        return info[name]
    return np.array([each[name] for each in info], bool)


register_tasks()
