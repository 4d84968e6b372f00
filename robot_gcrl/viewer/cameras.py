"""From where a film is taken: a camera of the model, one that follows the robot, or from above.

The two that are not in the model have the names `track` and `top`; a camera of the model of that
name comes first. They turn the picture as the task's own camera does.
"""

from collections.abc import Sequence
from typing import NamedTuple

import mujoco
import numpy as np

from robot_gcrl.errors import UnknownNameError
from robot_gcrl.task.task import Task
from robot_gcrl.train.record import Recorded
from robot_gcrl.viewer.trail import Trail, goal_body, in_world, places

TRACK, TOP = "track", "top"

# Steep enough to look over the walls of a maze [deg]
_TRACK_ELEVATION = -75.0
# Distance of the camera that follows, in sizes of the robot and of the success radius: the robot
# fills a third of the picture's height, and where it goes can be seen
_TRACK_ROBOTS, _TRACK_RADII = 6.0, 12.0
_WHOLE_MODEL = 1.5  # distance of MuJoCo's free camera in extents of the model
# A camera that follows is calmed by a mean over so much time to both sides [s]
_CALM = 0.5
_MARGIN = 1.05


class View(NamedTuple):
    """What a film is taken by.

    Attributes:
      camera: of the model, or a free one.
      follows: whether it must be turned to the robot in every frame.
      span: about how much of the scene the picture's height shows [m].
    """

    camera: str | mujoco.MjvCamera
    follows: bool
    span: float


def camera_names(task: Task) -> tuple[str, ...]:
    """The cameras that a film of a task can be taken by, the model's first."""
    model = task.model
    own = [model.camera(i).name for i in range(model.ncam)]
    return (*filter(None, own), *(name for name in (TRACK, TOP) if name not in own))


def require_camera(task: Task, name: str) -> None:
    """Refuses a camera that there is not.

    Raises:
      UnknownNameError: it is none of `camera_names`.
    """
    if name not in camera_names(task):
        raise UnknownNameError(
            f"Unknown camera {name!r}. Task {task.name!r} has: {', '.join(camera_names(task))}. "
            "Change --camera."
        )


def make_view(
    task: Task,
    name: str | None,
    episodes: Sequence[Recorded],
    trails: Sequence[Trail],
    *,
    aspect: float,
) -> View:
    """The view of episodes.

    Args:
      task: whose scene it is.
      name: one of `camera_names`; None is the task's own.
      episodes: what must be seen from above, at least one.
      trails: one for each of the episodes.
      aspect: width over height of the picture.

    Raises:
      UnknownNameError: no such camera.
    """
    model, fovy = task.model, float(task.model.vis.global_.fovy)
    wanted = task.camera if name is None else name
    number = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA.value, wanted)
    if number >= 0:
        distance = float(np.linalg.norm(model.cam_pos0[number] - model.stat.center))
        return View(wanted, False, _span(distance, model.cam_fovy[number]))
    if name is None:
        # A task whose camera is missing is shown whole, as a Canvas does
        return View(wanted, False, _span(_WHOLE_MODEL * model.stat.extent, fovy))
    require_camera(task, name)
    follows = name == TRACK
    camera = (
        _tracking(task, episodes[0].qpos[0])
        if follows
        else _from_above(task, episodes, trails, aspect)
    )
    return View(camera, follows, _span(camera.distance, fovy))


def calm(positions: np.ndarray, control_dt: float) -> np.ndarray:
    """Positions [T + 1, 3], one every `control_dt` [s], without what shakes a camera."""
    reach = round(_CALM / control_dt)
    padded = np.pad(positions, ((reach, reach), (0, 0)), mode="edge")
    window = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    return window.mean(-1)


def _span(distance: float, fovy: float) -> float:
    return 2.0 * distance * float(np.tan(np.radians(fovy) / 2))


def _tracking(task: Task, qpos: np.ndarray) -> mujoco.MjvCamera:
    model, data = task.model, _kinematics(task, qpos)
    size = _robot_size(task, data)
    radius = task.contract.success[0].radius
    camera = _free(_azimuth(task, data), _TRACK_ELEVATION)
    # Never further than where all of the scene is seen
    camera.distance = min(
        max(_TRACK_ROBOTS * size, _TRACK_RADII * radius), _WHOLE_MODEL * model.stat.extent
    )
    return camera


def _from_above(
    task: Task, episodes: Sequence[Recorded], trails: Sequence[Trail], aspect: float
) -> mujoco.MjvCamera:
    model, data = task.model, _kinematics(task, episodes[0].qpos[0])
    # Straight edges of the scene stay straight in the picture
    azimuth = 90.0 * round(_azimuth(task, data) / 90.0)
    camera = _free(azimuth, -90.0)
    points = _seen(task, data, episodes, trails)
    low, high = points.min(0), points.max(0)
    half = (high - low) / 2
    across, up = half[:2] if azimuth % 180.0 else half[1::-1]
    camera.lookat[:] = (*(low + half)[:2], high[2])
    camera.distance = _MARGIN * max(up, across / aspect) / (_span(1.0, model.vis.global_.fovy) / 2)
    return camera


def _seen(
    task: Task, data: mujoco.MjData, episodes: Sequence[Recorded], trails: Sequence[Trail]
) -> np.ndarray:
    """Points [P, 3] that a view from above shows: all geoms, goals with their radii, the paths."""
    model = task.model
    solid = _solid(model)
    signs = np.stack(np.meshgrid(*[(-1.0, 1.0)] * 3), axis=-1).reshape(1, 8, 3)
    center, half = np.split(model.geom_aabb[solid][:, None], 2, axis=-1)
    turned = np.einsum(
        "gij,gcj->gci", data.geom_xmat[solid].reshape(-1, 3, 3), center + signs * half
    )
    points = [(turned + data.geom_xpos[solid][:, None]).reshape(-1, 3)]
    points += [trail.swept for trail in trails]
    goals = np.stack([episode.goal for episode in episodes])
    for group, found in zip(task.contract.success, places(task.contract), strict=True):
        disk = group.radius * np.array([(-1.0, -1.0, 0.0), (1.0, 1.0, 0.0)])
        for place in (place for place in found if {0, 1} <= set(place)):
            points.append((in_world(place, goals)[:, None] + disk).reshape(-1, 3))
            points += [in_world(place, trail.achieved) for trail in trails]
    return np.concatenate(points)


def _robot_size(task: Task, data: mujoco.MjData) -> float:
    """How far the robot's geoms reach from the body of the goal [m]."""
    model, body = task.model, goal_body(task)
    mine = model.body_rootid[model.geom_bodyid] == model.body_rootid[body]
    reach = np.linalg.norm(data.geom_xpos - data.xpos[body], axis=1) + model.geom_rbound
    return float(reach[mine & _solid(model)].max(initial=0.0))


def _free(azimuth: float, elevation: float) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE.value
    camera.azimuth, camera.elevation = azimuth, elevation
    return camera


def _azimuth(task: Task, data: mujoco.MjData) -> float:
    """Direction on the floor that goes up in the task's own picture [deg]; 90, +y, without one."""
    number = mujoco.mj_name2id(task.model, mujoco.mjtObj.mjOBJ_CAMERA.value, task.camera)
    if number < 0:
        return 90.0
    # Seen from above it is the camera's up, seen from the side where it looks: the same direction
    _, up, back = data.cam_xmat[number].reshape(3, 3).T
    x, y = (up - back)[:2]
    return float(np.degrees(np.arctan2(y, x)))


def _solid(model: mujoco.MjModel) -> np.ndarray:
    """Bool [ngeom]: all but planes, which have no end."""
    return model.geom_type != mujoco.mjtGeom.mjGEOM_PLANE.value


def _kinematics(task: Task, qpos: np.ndarray) -> mujoco.MjData:
    data = mujoco.MjData(task.model)
    data.qpos[:] = qpos
    mujoco.mj_forward(task.model, data)
    return data
