"""What a window shows and moves: a simulated robot of its own, or one behind a server."""

from typing import Protocol, runtime_checkable

import mujoco
import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.viewer.energy import EnergyMap
from robot_gcrl.viewer.goals import GoalDesk, Marker
from robot_gcrl.viewer.scene import Show
from robot_gcrl.viewer.tour import Tour
from robot_gcrl.viewer.world import Status


@runtime_checkable
class Stage(Protocol):
    """A robot with a goal; nothing here waits.

    Attributes:
      title: of the window.
      show: what is shown.
      contract: of the robot.
      model: with markers.
      data: what is drawn.
      desk: the goal.
      tour: goals that are visited in turn.
      markers: places that stand for the goal.
      is_live: whether the robot is someone else's: no pause, reset or push, but stop and clear.
    """

    title: str
    show: Show
    contract: Contract
    model: mujoco.MjModel
    data: mujoco.MjData
    desk: GoalDesk
    tour: Tour
    markers: tuple[Marker, ...]
    is_live: bool

    def ask(self, goal: np.ndarray) -> bool:
        """A person's goal [G]; whether it is within the bounds."""
        ...

    def random_goal(self) -> None:
        """A goal of the evaluation."""
        ...

    def take_dragged_goal(self) -> None:
        """Asks for the goal that a person has dragged a marker to, if one was moved."""
        ...

    def step(self, count: int) -> None:
        """`count` physics steps; for a live robot: what came from its server."""
        ...

    def reset(self) -> None:
        """Another start; the goal stays."""
        ...

    def stop(self) -> None:
        """Stops a live robot."""
        ...

    def clear(self) -> None:
        """Ends a live robot's stop."""
        ...

    def status(self) -> Status:
        """What a person is told now."""
        ...

    def believe(self) -> EnergyMap | None:
        """The newest map of what the critic believes; None without a critic, or before one."""
        ...

    def close(self) -> None:
        """Lets go of what is held."""
        ...
