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
from robot_gcrl.viewer.trail import in_world, places, point

MOST_SEGMENTS = 100
"""Of a path: enough for the eye, and few enough for a viewer that sends each of them."""

_GREEN = (0.15, 0.75, 0.35)
_ARROW = (*_GREEN, 1.0)
_SKY = 100.0  # above everything that stands in a scene [m]
_FAINT, _BRIGHT = 0.25, 0.55
# Unlike robots, floor, walls and goal
_MAGENTA = (0.9, 0.15, 0.55, 1.0)


def goal_markers(task: Task, achieved: np.ndarray, goal: np.ndarray) -> list[Marker]:
    """The markers of a goal [G] for a robot at the achieved goal [G], SI.

    A success group without a coordinate x, y or z (an angle, a gap) has no marker.
    """
    contract = task.contract
    distances = goal_distances(contract, achieved, goal)
    return [
        _marker(
            _on_ground(task.model, in_world(place, goal), 2 in place),
            2 in place,
            group.radius,
            bool(distance <= group.radius),
        )
        for points, group, distance in zip(
            places(contract), contract.success, distances, strict=True
        )
        for place in points
    ]


def heading_arrows(task: Task, goal: np.ndarray) -> list[Segment]:
    """A line from a goal's place into each heading that the goal [G] has, as long as its radius.

    A heading is a pair of fields whose labels end in "cos" and "sin".
    """
    labels, place = [field.label for field in task.contract.goal], point(task.contract)
    if place is None:
        return []
    start = in_world(place, goal)
    length = next(
        group.radius
        for group, points in zip(task.contract.success, places(task.contract), strict=True)
        if place in points
    )
    arrows = []
    for label in labels:
        stem, sine = label[:-3], f"{label[:-3]}sin"
        if label != f"{stem}cos" or sine not in labels:
            continue
        direction = np.array((goal[labels.index(label)], goal[labels.index(sine)], 0.0))
        tail = start + np.array((0.0, 0.0, 0.1 * length))
        head = tail + length * direction
        arrows.append(Segment(tuple(tail.tolist()), tuple(head.tolist()), 0.08 * length, _ARROW))
    return arrows


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


def _on_ground(model: mujoco.MjModel, point: np.ndarray, in_space: bool) -> np.ndarray:
    """The point [3], one in the plane put upon what stands below it: a table, or the floor."""
    if in_space:
        return point
    data, highest = mujoco.MjData(model), 0.0
    mujoco.mj_kinematics(model, data)
    above, down = np.array((*point[:2], _SKY)), np.array((0.0, 0.0, -1.0))
    # Walls are left out: a goal never lies in one, and its disk may touch it
    boxes = (model.body_weldid[model.geom_bodyid] == 0) & (
        model.geom_type == mujoco.mjtGeom.mjGEOM_BOX
    )
    for i in np.flatnonzero(boxes):
        if model.geom(i).name.startswith("wall_"):
            continue
        shape = data.geom_xpos[i], data.geom_xmat[i], model.geom_size[i]
        distance = mujoco.mju_rayGeom(*shape, above, down, mujoco.mjtGeom.mjGEOM_BOX)
        highest = max(highest, _SKY - distance if distance >= 0.0 else 0.0)
    return np.array((*point[:2], highest))


def _marker(point: np.ndarray, in_space: bool, radius: float, reached: bool) -> Marker:
    x, y, z = point.tolist()
    rgba = (*_GREEN, _BRIGHT if reached else _FAINT)
    if in_space:
        return Marker(mujoco.mjtGeom.mjGEOM_SPHERE, (x, y, z), (radius, radius, radius), rgba)
    thickness = 0.02 * radius
    return Marker(
        mujoco.mjtGeom.mjGEOM_CYLINDER, (x, y, z + 2 * thickness), (radius, thickness, 0.0), rgba
    )
