"""Where a recorded robot went: its achieved goal as a point, and the body that a camera follows.

The body is the one whose joint or sensor the first field of the goal reads. A goal is a point
where a success group has the coordinates x and y, by its fields' labels ("x", "cube.x"); without z
the point lies on the floor.
"""

from typing import NamedTuple

import mujoco
import numpy as np

from robot_gcrl.contract.contract import Contract
from robot_gcrl.contract.observe import Report, achieved_goal, make_layout, read_inputs
from robot_gcrl.task.task import Task
from robot_gcrl.viewer.pointing import field_body

_AXES = "xyz"


class Trail(NamedTuple):
    """One episode, from the start to the last step.

    Attributes:
      achieved: achieved goals [T + 1, G], SI.
      body: position in the world [T + 1, 3] of the body that a camera follows [m].
      swept: the least and the greatest x, y, z [2, 3] of all geoms that move [m].
    """

    achieved: np.ndarray
    body: np.ndarray
    swept: np.ndarray


def make_trail(task: Task, qpos: np.ndarray) -> Trail:
    """The trail of the states qpos [T + 1, nq], the robot standing still in each of them."""
    contract, model = task.contract, task.model
    layout, body, data = make_layout(contract, model), goal_body(task), mujoco.MjData(model)
    moves = model.body_weldid[model.geom_bodyid] != 0
    achieved, bodies, balls = [], [], []
    for state in qpos:
        data.qpos[:] = state
        mujoco.mj_forward(model, data)
        report = Report(data.qpos, data.qvel, data.sensordata)
        achieved.append(achieved_goal(contract, read_inputs(layout, report)))
        bodies.append(data.xpos[body].copy())
        # The body too, for a robot without geoms
        balls.append(np.vstack((data.geom_xpos[moves], data.xpos[body])))
    centers, radii = np.array(balls), np.append(model.geom_rbound[moves], 0.0)[:, None]
    swept = np.stack(((centers - radii).min((0, 1)), (centers + radii).max((0, 1))))
    return Trail(np.array(achieved), np.array(bodies), swept)


def goal_body(task: Task) -> int:
    """Id of the body whose joint or sensor the first field of the goal reads."""
    field, model = task.contract.goal[0], task.model
    body = field_body(model, field)
    # A tendon or an actuator has no body: the first that moves then
    return body if body >= 0 else int(model.jnt_bodyid[0])


def places(contract: Contract) -> list[list[dict[int, int]]]:
    """The points of each success group: axis (0, 1, 2 for x, y, z) -> component of a goal [G].

    A group has a point for each thing that its labels name: "left.x" and "right.x" are of two.
    """
    labels = [field.label for field in contract.goal]
    return [_points(group.labels, labels) for group in contract.success]


def _points(group: tuple[str, ...], labels: list[str]) -> list[dict[int, int]]:
    points: dict[str, dict[int, int]] = {}
    for label in group:
        thing, _, axis = label.replace(".", "_").rpartition("_")
        if axis in _AXES:
            points.setdefault(thing, {})[_AXES.index(axis)] = labels.index(label)
    return list(points.values())


def point(contract: Contract) -> dict[int, int] | None:
    """Of `places`, the first that is a point in the plane or in space; None where none is."""
    found = (place for group in places(contract) for place in group)
    return next((place for place in found if {0, 1} <= set(place)), None)


def in_world(place: dict[int, int], goals: np.ndarray) -> np.ndarray:
    """Points [.., 3] in the world [m] of goals [.., G]; 0 along an axis that `place` lacks."""
    points = np.zeros((*goals.shape[:-1], 3))
    for axis, column in place.items():
        points[..., axis] = goals[..., column]
    return points
