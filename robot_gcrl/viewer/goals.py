"""The goal that a person sets: where it is wanted, what is pursued, and whether it was refused.

The core of every viewer, without a window: numbers in, numbers out. A goal is data; what shows it
in a scene is a marker that only the viewer's copy of the scene has.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.contract.fields import SuccessGroup
from robot_gcrl.viewer.headings import middle_goal

GoalState = Literal["none", "pending", "active", "refused"]
_AXES = "xyz"


@dataclass(frozen=True, kw_only=True)
class Marker:
    """A place in the scene that stands for some numbers of a goal.

    Attributes:
      name: for the person who looks.
      axes: the goal's component that is the world's x, y and z [m]; None where it has none.
      radius: of success [m].
    """

    name: str
    axes: tuple[int | None, int | None, int | None]
    radius: float

    @property
    def is_planar(self) -> bool:
        """Whether the goal says nothing of the height."""
        return self.axes[2] is None

    def position(self, goal: np.ndarray, height: float) -> np.ndarray:
        """Where the marker stands [3], for a goal [G]; at `height` where the goal has none [m]."""
        place = np.array([0.0, 0.0, height])
        for axis, component in enumerate(self.axes):
            if component is not None:
                place[axis] = goal[component]
        return place

    def moved(self, goal: np.ndarray, place: Sequence[float] | np.ndarray) -> np.ndarray:
        """The goal [G] whose marker stands at `place` [3]."""
        changed = np.array(goal, np.float32)
        for axis, component in enumerate(self.axes):
            if component is not None:
                changed[component] = place[axis]
        return changed


@dataclass(frozen=True, kw_only=True)
class Handle:
    """What a gesture moves: one marker, or those of a success group together.

    Attributes:
      markers: that are moved alike, which leaves them as far apart as they are.
    """

    markers: tuple[Marker, ...]

    @property
    def name(self) -> str:
        """For the person who looks."""
        return " + ".join(marker.name for marker in self.markers)

    @property
    def radius(self) -> float:
        """Of success [m]."""
        return self.markers[0].radius

    @property
    def is_planar(self) -> bool:
        """Whether the goal says nothing of the height of one of them."""
        return any(marker.is_planar for marker in self.markers)

    def position(self, goal: np.ndarray, height: float) -> np.ndarray:
        """The middle of the markers [3]; see `Marker.position`."""
        return np.mean([marker.position(goal, height) for marker in self.markers], axis=0)

    def moved(self, goal: np.ndarray, place: Sequence[float] | np.ndarray) -> np.ndarray:
        """The goal [G] with the middle of the markers at `place` [3]."""
        by = np.asarray(place, float) - self.position(goal, 0.0)
        for marker in self.markers:
            goal = marker.moved(goal, marker.position(goal, 0.0) + by)
        return goal


def make_markers(contract: Contract) -> tuple[Marker, ...]:
    """A marker for each thing that a success group puts to a place in the plane or in space.

    Such a group has components in metres called x and y, and perhaps z, or names that end so
    ("cube.x"), for one thing or several, and no other components. A goal without one is set with
    sliders alone. No two markers have one name.
    """
    return tuple(itertools.chain.from_iterable(_grouped(contract)))


def make_handles(contract: Contract) -> tuple[Handle, ...]:
    """What can be moved: of each success group its markers together, if several, and each alone."""
    handles = []
    for group in _grouped(contract):
        if len(group) > 1:
            handles.append(Handle(markers=group))
        handles += [Handle(markers=(marker,)) for marker in group]
    return tuple(handles)


def _grouped(contract: Contract) -> list[tuple[Marker, ...]]:
    taken: set[str] = set()
    groups = []
    for group in contract.success:
        things = _things(contract, group)
        markers = []
        for stem, axes in things.items():
            # "cube.x" and "cube_x" are of two things
            plain = stem.rstrip("._ ") or "goal"
            names = itertools.chain((plain,), (f"{plain} {i}" for i in itertools.count(2)))
            name = next(name for name in names if name not in taken)
            taken.add(name)
            markers.append(
                Marker(name=name, axes=(axes[0], axes[1], axes.get(2)), radius=group.radius)
            )
        groups.append(tuple(markers))
    return groups


def _things(contract: Contract, group: SuccessGroup) -> dict[str, dict[int, int]]:
    """Of each thing, by what its labels begin with, axis -> component; empty if one is no place."""
    labels = [field.label for field in contract.goal]
    things: dict[str, dict[int, int]] = {}
    for label in group.labels:
        component, axis = labels.index(label), _AXES.find(label[-1])
        if axis < 0 or contract.goal[component].unit != "m":
            return {}
        things.setdefault(label[:-1], {})[axis] = component
    return things if all({0, 1} <= set(axes) for axes in things.values()) else {}


class Verdict(NamedTuple):
    """What became of a goal.

    Attributes:
      state: see `GoalDesk`.
      text: why it is refused, empty otherwise.
    """

    state: GoalState
    text: str = ""


class GoalDesk:
    """The goal that is wanted and the one that is pursued; bounds are those of the contract.

    Attributes:
      wanted: float32 [G], the last one that was asked for, also if it was out of bounds.
      active: float32 [G], pursued; None before the first.
      verdict: on the wanted one: "pending" until it is confirmed, then "active", or "refused".
      asked: how many goals were asked for, so that the newest can be told from the one before.
    """

    def __init__(self, contract: Contract) -> None:
        """No goal yet; the middle of the bounds is shown."""
        self._low, self._high = contract.goal_bounds
        self._labels = [field.label for field in contract.goal]
        self.wanted = middle_goal(contract)
        self.active: np.ndarray | None = None
        self.verdict = Verdict("none")
        self.asked = 0

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """float32 [G] twice."""
        return self._low, self._high

    @property
    def pursued(self) -> np.ndarray:
        """float32 [G], that distances are told from: the active one, or the first before it."""
        return self.wanted if self.active is None else self.active

    def ask(self, goal: Sequence[float] | np.ndarray) -> bool:
        """Asks for a goal [G]; whether it lies within the bounds. One that does not is not sent."""
        goal = np.array(goal, np.float32)
        if goal.shape != self._low.shape or not np.isfinite(goal).all():
            self.verdict = Verdict("refused", "not a goal of finite numbers")
            return False
        self.wanted = goal
        self.asked += 1
        outside = (goal < self._low) | (goal > self._high)
        if outside.any():
            i = int(np.argmax(outside))
            self.verdict = Verdict(
                "refused",
                f"{self._labels[i]} = {goal[i]:.5g} is outside of [{self._low[i]:g}, "
                f"{self._high[i]:g}]",
            )
            return False
        self.verdict = Verdict("pending")
        return True

    def confirm(self, goal: np.ndarray) -> None:
        """The goal [G] is pursued from now on, whoever set it."""
        self.active = np.array(goal, np.float32)
        if self.verdict.state in ("none", "active") or np.array_equal(self.active, self.wanted):
            self.wanted = self.active.copy()
            self.verdict = Verdict("active")

    def refuse(self, text: str) -> None:
        """The wanted goal was refused; the one before is still pursued."""
        self.verdict = Verdict("refused", text)
