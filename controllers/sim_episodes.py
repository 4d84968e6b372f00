"""Episodes of simulated robots: a start and a goal of the policy file each, and how they end."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_gcrl.contract.observe import (
    Report,
    achieved_goal,
    goal_distances,
    is_healthy,
    is_success,
    read_inputs,
)
from robot_gcrl.policy.runtime import PolicyFile

from .sim_options import Options


@dataclass(kw_only=True)
class Episode:
    """A start and a goal of the policy file, and how the robot fares.

    Success is measured on the state after each control step, as in evaluation.

    Attributes:
      scenario: number of the start and goal.
      robot: that runs it.
      began: control step of the process.
      length: control steps after which it ends.
      goal: float32 [G], SI.
      steps: that are over.
      steps_at_goal: of these, those that ended within the success radius.
      at_goal: whether the last one did.
      distance: at its end, summed over the success groups, SI.
      terminated: whether it ended in an unhealthy state.
      diverged: whether the physics failed.
      ramped: ticks in which motion was being faded in.
      first_ctrl: what was written in the first step, in contract order.
    """

    scenario: int
    robot: str
    began: int
    length: int
    goal: np.ndarray
    steps: int = 0
    steps_at_goal: int = 0
    at_goal: bool = False
    distance: float = math.nan
    terminated: bool = False
    diverged: bool = False
    ramped: int = 0
    first_ctrl: list[float] | None = None

    @property
    def is_over(self) -> bool:
        """Whether no step follows."""
        return self.terminated or self.diverged or self.steps >= self.length

    def add_step(self, *, success: bool, distance: float, healthy: bool, diverged: bool) -> None:
        """A control step is over; a robot whose physics failed is where it was before."""
        self.steps += 1
        self.steps_at_goal += success and not diverged
        self.at_goal, self.distance = success, distance
        self.terminated, self.diverged = not healthy and not diverged, diverged

    def to_json(self) -> dict[str, Any]:
        """The episode's outcome."""
        return {
            "scenario": self.scenario,
            "robot": self.robot,
            "began": self.began,
            "steps": self.steps,
            "success_any": self.steps_at_goal > 0,
            "success_final": self.at_goal,
            "time_at_goal": self.steps_at_goal / self.length,
            "distance": self.distance,
            "terminated": self.terminated,
            "diverged": self.diverged,
            "ramped": self.ramped,
            "first_ctrl": self.first_ctrl,
        }


class Schedule:
    """Which start and goal comes next, and what a step came to.

    Attributes:
      over: episodes that have ended.
    """

    def __init__(self, options: Options, file: PolicyFile) -> None:
        """Nothing has begun."""
        self._file, self._options = file, options
        self._scenarios = file.scenarios[options.scenarios]
        self._begun = 0
        self.over: list[Episode] = []

    @property
    def is_used_up(self) -> bool:
        """Whether no episode is left to begin."""
        return 0 < self._options.episodes <= self._begun

    def next(self) -> int:
        """The number of the next scenario."""
        self._begun += 1
        return self._options.first + self._begun - 1

    def start(self, scenario: int) -> tuple[np.ndarray, np.ndarray]:
        """Qpos [nq] and qvel [nv] at its start; after the last one the first follows."""
        row = scenario % len(self._scenarios.goal)
        return self._scenarios.qpos[row], self._scenarios.qvel[row]

    def episode(self, scenario: int, *, robot: str, step: int) -> Episode:
        """An episode that begins in this control step."""
        goals = self._scenarios.goal
        return Episode(
            scenario=scenario,
            robot=robot,
            began=step,
            length=self._file.simulation.episode_length,
            goal=goals[scenario % len(goals)],
        )

    def account(
        self, episodes: list[Episode | None], report: Report, diverged: np.ndarray
    ) -> np.ndarray:
        """A control step is over; bool [N], whose episode has ended.

        Without an episode a robot is only to be placed anew, where it is unhealthy.

        Args:
          episodes: that the N robots are in.
          report: of all robots, after the step.
          diverged: [N].
        """
        contract = self._file.contract
        achieved = achieved_goal(contract, read_inputs(self._file.layout, report))
        goals = np.array(
            [achieved[i] if e is None else e.goal for i, e in enumerate(episodes)], np.float32
        )
        distances = goal_distances(contract, achieved, goals)
        success = is_success(contract, distances)
        healthy = is_healthy(contract, self._file.layout, report)
        ended = ~healthy | diverged
        for i, episode in enumerate(episodes):
            if episode is None:
                continue
            episode.add_step(
                success=bool(success[i]),
                distance=float(distances[i].sum()),
                healthy=bool(healthy[i]),
                diverged=bool(diverged[i]),
            )
            ended[i] = episode.is_over
            if episode.is_over:
                self.over.append(episode)
        return ended
