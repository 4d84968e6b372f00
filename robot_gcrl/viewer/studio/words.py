"""What the viewer's thread and the simulation's tell each other."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from mujoco.studio import messages

from robot_gcrl.viewer.energy import EnergyMap
from robot_gcrl.viewer.goals import GoalState
from robot_gcrl.viewer.world import Status

TourDeed = Literal["add", "remove", "start", "stop", "save", "load"]


@dataclass(frozen=True, eq=False)
class AskGoal(messages.Event):
    """A person wants the goal [G]; None asks for a random one."""

    goal: np.ndarray | None


@dataclass(frozen=True)
class EditTour(messages.Event):
    """A person edits the tour; `index` is of the goal that is removed."""

    deed: TourDeed
    index: int = 0


@dataclass(frozen=True)
class StopRobot(messages.Event):
    """A person stops a live robot, or with `ends` clears its stop."""

    ends: bool = False


@dataclass(frozen=True)
class ShowBelief(messages.Event):
    """A person switches the map of the critic's energy on or off."""

    on: bool


@dataclass(frozen=True, eq=False)
class Shown(messages.Snapshot):
    """What there is to see beside the scene.

    Attributes:
      wanted: float32 [G].
      state: of the wanted goal.
      text: why it was refused.
      status: of the robot.
      tour: float32 [K, G].
      touring: index of the goal that the tour pursues, -1 when it stands.
      note: what the last deed gave, in words.
      speed: seconds of the simulation in a second of the clock, achieved.
      belief: what the critic believes; None while that is off.
    """

    wanted: np.ndarray
    state: GoalState
    text: str
    status: Status
    tour: np.ndarray
    touring: int
    note: str
    speed: float
    belief: EnergyMap | None
