"""Headings in a goal: directions in the plane, each held as a cosine and a sine.

A heading is a pair of fields whose labels end in "cos" and "sin" and begin alike ("heading.cos",
"heading.sin"). A person sets an angle, from the world's x axis counterclockwise; the pair that is
made of it has length one.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.contract.fields import SuccessGroup

TURN = math.radians(15.0)
"""Of a key [rad]."""

# Of an arrow, in its length: half its width, and how high it lies over its place
_WIDTH, _RAISED = 0.08, 0.1
# Shorter pairs point nowhere
_SHORTEST = 1e-6


class Heading(NamedTuple):
    """A direction in the plane.

    Attributes:
      name: for the person who looks.
      cos: the goal's component.
      sin: likewise.
    """

    name: str
    cos: int
    sin: int

    def angle(self, goal: np.ndarray) -> float:
        """From the world's x axis [rad], in [-pi, pi]; 0 for a pair that points nowhere."""
        return math.atan2(float(goal[self.sin]), float(goal[self.cos]))

    def turned(self, goal: np.ndarray, angle: float) -> np.ndarray:
        """The goal [G] with this heading at `angle` [rad]."""
        changed = np.array(goal, np.float32)
        changed[self.cos], changed[self.sin] = math.cos(angle), math.sin(angle)
        return changed


class Arrow(NamedTuple):
    """What a heading is drawn as: a round line.

    Attributes:
      tail: [3], in the world [m].
      head: [3] [m].
      radius: of the line [m].
    """

    tail: np.ndarray
    head: np.ndarray
    radius: float


def make_headings(contract: Contract) -> tuple[Heading, ...]:
    """The headings of a goal, in the order of its fields."""
    labels = [field.label for field in contract.goal]
    return tuple(
        Heading(stem.rstrip("._ ") or "heading", i, labels.index(f"{stem}sin"))
        for i, label in enumerate(labels)
        if (stem := label[:-3]) + "cos" == label and f"{stem}sin" in labels
    )


def unit_headings(headings: Sequence[Heading], goal: np.ndarray) -> np.ndarray:
    """The goal [G] with every pair at length one; one that points nowhere points along x."""
    for heading in headings:
        length = math.hypot(goal[heading.cos], goal[heading.sin])
        angle = heading.angle(goal) if length > _SHORTEST else 0.0
        goal = heading.turned(goal, angle)
    return np.array(goal, np.float32)


def middle_goal(contract: Contract) -> np.ndarray:
    """A goal [G] for before the first: the middle of the bounds, with headings along x."""
    low, high = contract.goal_bounds
    return unit_headings(make_headings(contract), (low + high) / 2)


def heading_arrow(heading: Heading, goal: np.ndarray, place: np.ndarray, length: float) -> Arrow:
    """The arrow of a heading of the goal [G], from a place [3] on, `length` long [m]."""
    angle = heading.angle(goal)
    tail = place + np.array((0.0, 0.0, _RAISED * length))
    head = tail + length * np.array((math.cos(angle), math.sin(angle), 0.0))
    return Arrow(tail, head, _WIDTH * length)


def heading_of(headings: Sequence[Heading], contract: Contract, group: SuccessGroup) -> str:
    """The name of the heading that a success group is about; empty if it is about anything else."""
    labels = [field.label for field in contract.goal]
    components = {labels.index(label) for label in group.labels}
    return next((h.name for h in headings if {h.cos, h.sin} == components), "")


def degrees_apart(distance: float) -> float:
    """The angle [deg] between two directions whose unit vectors are `distance` apart."""
    return math.degrees(2.0 * math.asin(min(max(distance / 2.0, 0.0), 1.0)))
