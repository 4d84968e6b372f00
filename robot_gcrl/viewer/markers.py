"""What is drawn over a scene: the goal in the size of its success radius, and the path so far.

A goal is drawn where its fields x, y, z put it: a ball, or a disk on the floor where the goal has
no height. It is brighter while the goal is reached.
"""

import bisect
import itertools

import mujoco
import numpy as np

from robot_gcrl.contract.observe import goal_distances
from robot_gcrl.task.task import Task
from robot_gcrl.viewer.canvas import Marker, Segment
from robot_gcrl.viewer.ground import Ground
from robot_gcrl.viewer.headings import heading_arrow, make_headings
from robot_gcrl.viewer.trail import in_world, places, point

MOST_SEGMENTS = 100
"""Of a path: enough for the eye, and few enough for a viewer that sends each of them."""

_GREEN = (0.15, 0.75, 0.35)
_ARROW = (*_GREEN, 1.0)
_FAINT, _BRIGHT = 0.25, 0.55
# Unlike robots, floor, walls and goal
_MAGENTA = (0.9, 0.15, 0.55, 1.0)


def goal_markers(task: Task, achieved: np.ndarray, goal: np.ndarray) -> list[Marker]:
    """The markers of a goal [G] for a robot at the achieved goal [G], SI.

    A success group without a coordinate x, y or z (an angle, a gap) has no marker; two things that
    shall be at one place have one.
    """
    contract, ground = task.contract, Ground(task.model)
    distances = goal_distances(contract, achieved, goal)
    found = (
        _marker(
            _put(ground, place, goal),
            2 in place,
            group.radius,
            bool(distance <= group.radius),
        )
        for points, group, distance in zip(
            places(contract), contract.success, distances, strict=True
        )
        for place in points
    )
    return list(dict.fromkeys(found))


def heading_arrows(task: Task, goal: np.ndarray) -> list[Segment]:
    """A line from a goal's place into each heading that the goal [G] has, as long as its radius."""
    place = point(task.contract)
    if place is None:
        return []
    start = _put(Ground(task.model), place, goal)
    length = next(
        group.radius
        for group, points in zip(task.contract.success, places(task.contract), strict=True)
        if place in points
    )
    arrows = (heading_arrow(h, goal, start, length) for h in make_headings(task.contract))
    return [
        Segment(tuple(arrow.tail.tolist()), tuple(arrow.head.tolist()), arrow.radius, _ARROW)
        for arrow in arrows
    ]


def _put(ground: Ground, place: dict[int, int], goal: np.ndarray) -> np.ndarray:
    """Where `place` of `trail.places` puts a goal [G]: without a height, on the ground."""
    put = in_world(place, goal)
    if 2 not in place:
        put[2] = ground.height(*put[:2])
    return put


def path_knots(points: np.ndarray) -> list[int]:
    """Which of the points [T + 1, 3] a path goes through, rising, so that it is smooth and short.

    They are equally far apart, however fast the robot was: standing still, it adds none. There are
    fewer than `MOST_SEGMENTS`, for a chord is no longer than its part of the path.
    """
    length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    spacing = length / (MOST_SEGMENTS - 1)
    knots = [0]
    for i, reached in enumerate(points):
        if np.linalg.norm(reached - points[knots[-1]]) > spacing:
            knots.append(i)
    return knots


def path_segments(
    points: np.ndarray, knots: list[int], instant: int, *, radius: float
) -> list[Segment]:
    """The path until `instant`, at most `MOST_SEGMENTS` pieces.

    Args:
      points: of the whole episode [T + 1, 3], in the world [m].
      knots: of `path_knots`.
      instant: index of the last point.
      radius: of the line [m]; it lies on the points, and above the floor by as much.
    """
    passed = knots[: bisect.bisect_left(knots, instant)]
    line = points[[*passed, instant]] + (0.0, 0.0, radius)
    corners = [(float(x), float(y), float(z)) for x, y, z in line]
    return [Segment(start, end, radius, _MAGENTA) for start, end in itertools.pairwise(corners)]


def _marker(point: np.ndarray, in_space: bool, radius: float, reached: bool) -> Marker:
    x, y, z = point.tolist()
    rgba = (*_GREEN, _BRIGHT if reached else _FAINT)
    if in_space:
        return Marker(mujoco.mjtGeom.mjGEOM_SPHERE, (x, y, z), (radius, radius, radius), rgba)
    thickness = 0.02 * radius
    return Marker(
        mujoco.mjtGeom.mjGEOM_CYLINDER, (x, y, z + 2 * thickness), (radius, thickness, 0.0), rgba
    )
