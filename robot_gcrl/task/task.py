"""What a task is: a contract, a model, where episodes start and which goals they are given.

Samplers are pure functions for one world; callers vmap them. What a task knows about learning is
data in physical units, the hints; presets turn them into settings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import jax
import mujoco
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from robot_gcrl.contract.contract import Contract
from robot_gcrl.contract.observe import Report
from robot_gcrl.contract.realism import LEVELS, Level, Realism
from robot_gcrl.errors import TaskError


@runtime_checkable
class SampleStart(Protocol):
    """Draws the start of an episode."""

    def __call__(
        self, key: PRNGKeyArray | jax.Array, /
    ) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        """Qpos and qvel."""
        ...


@runtime_checkable
class SampleGoal(Protocol):
    """Draws a goal for a world that is in the state of `report`."""

    def __call__(self, key: PRNGKeyArray | jax.Array, report: Report, /) -> Float[Array, " G"]:
        """The goal, SI."""
        ...


@runtime_checkable
class AdmitsGoal(Protocol):
    """Whether a task may ask for a goal that lies within the contract's bounds."""

    def __call__(self, goal: Float[Array, " G"], /) -> Bool[Array, ""]:
        """False for a goal that no robot could reach, inside a wall."""
        ...


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Starts and goals of episodes."""

    start: SampleStart
    goal: SampleGoal


@dataclass(frozen=True, kw_only=True)
class Regions:
    """The rows of an evaluation table: a division of the goals of the eval distribution.

    Attributes:
      names: of the regions, in order.
      label: goals [.., G] (NumPy) -> int [..], the region of each.
      far: which of them count as far goals (the paper evaluates on these alone); may be empty.
    """

    names: tuple[str, ...]
    label: Callable[[np.ndarray], np.ndarray]
    far: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long a preset trains a task."""

    control_steps: int
    gradient_steps: int


@dataclass(frozen=True, kw_only=True)
class Hints:
    """What a task knows about learning, in physical units but for the settings of the agent.

    Attributes:
      horizon: how far ahead a goal is typically reached [s]; gamma = 1 - control_dt / horizon.
      goal_switch_interval: mean time until a training episode is given another goal [s]; None
        keeps one goal.
      near_goal_radius: distance within which near goals are drawn, in the unit of the goal; None
        draws all goals from the train distribution.
      near_goal_share: share of the commanded goals that are near ones.
      random_start_share: share of training episodes that start from `Task.anywhere`.
      budgets: by preset name.
      agent: settings of the agent that were measured to pay here, by name ("moving_share"), in
        place of the preset's; the published preset keeps its own.
    """

    horizon: float
    goal_switch_interval: float | None = None
    near_goal_radius: float | None = None
    near_goal_share: float = 0.0
    random_start_share: float = 0.0
    budgets: Mapping[str, Budget]
    agent: Mapping[str, str | float | int | bool] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Task:
    """A goal-conditioned task.

    Attributes:
      contract: what a robot must know to run its policies.
      scene: robot and surroundings, without anything that depicts the goal; compiled once, here.
      episode_length: control steps T.
      train: starts and goals of training episodes.
      eval: starts and goals by which success is measured.
      anywhere: starts spread over the whole scene, mixed into training by
        `hints.random_start_share`; None where the train starts are used for it.
      admits: whether a goal can be asked for; None where all within the contract's bounds can.
        Asked of goals that training makes up; those of the samplers are not doubted.
      regions: rows of the evaluation table.
      hints: what presets are made of.
      summary: one sentence for the table of tasks.
      realism: by level, how a simulated robot departs from the model; empty where the task has no
        levels but "off".
      camera: name of a camera in the model that shows the scene, for videos.
      model: the scene, compiled.
    """

    contract: Contract
    scene: mujoco.MjSpec = field(repr=False)
    episode_length: int
    train: Distribution
    eval: Distribution
    anywhere: SampleStart | None = None
    admits: AdmitsGoal | None = None
    regions: Regions
    hints: Hints
    summary: str
    realism: Mapping[str, Realism] = field(default_factory=dict)
    camera: str = "scene"
    model: mujoco.MjModel = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", self.scene.compile())
        exact = self.contract.control_dt / self.model.opt.timestep
        if abs(exact - round(exact)) > 1e-6 or round(exact) < 1:
            raise TaskError(
                f"Task {self.name!r} has a control step of {self.contract.control_dt} s and a "
                f"physics timestep of {self.model.opt.timestep} s. Expected a whole number of "
                "substeps."
            )
        if self.episode_length < 1:
            raise TaskError(
                f"Task {self.name!r} has episode_length {self.episode_length}. Expected at least "
                "1 control step."
            )
        unknown = sorted(set(self.realism) - set(LEVELS[1:]))
        if unknown:
            raise TaskError(
                f"Task {self.name!r} has realism for the levels {unknown}. Expected some of "
                f"{', '.join(LEVELS[1:])}: off is to have none. Rename them."
            )

    def level(self, name: Level) -> Realism | None:
        """The realism of a level; None for "off".

        Raises:
          TaskError: the task does not have this level.
        """
        if name == "off":
            return None
        if name not in self.realism:
            known = ", ".join(("off", *self.realism))
            raise TaskError(
                f"Task {self.name!r} has no realism of the level {name!r}. It has: {known}. Choose "
                "one of these, or declare it in the task."
            )
        return self.realism[name]

    @property
    def name(self) -> str:
        """The contract's name."""
        return self.contract.name

    @property
    def substeps(self) -> int:
        """Physics substeps per control step."""
        return round(self.contract.control_dt / self.model.opt.timestep)
