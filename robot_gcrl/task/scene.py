"""Robot + props + arena + walls -> the scene of a task.

A robot's MJCF holds the robot and how it is simulated; the arena's holds floor, sky and light. A
scene never holds the goal: whoever shows it draws a marker.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import mujoco
import numpy as np

from robot_gcrl.errors import TaskError
from robot_gcrl.rooms import room


class Box(NamedTuple):
    """A wall: an upright box that stands on the floor.

    Attributes:
      center: x, y in the world [m].
      half_size: along x, y [m].
      height: [m].
    """

    center: tuple[float, float]
    half_size: tuple[float, float]
    height: float


class Prop(NamedTuple):
    """A thing of the assets that stands in a scene: a table, a cube, a ball.

    Attributes:
      file: of the assets, without ".xml".
      name: what it is called in the scene: its elements' names get the prefix "NAME/".
      position: where its origin stands in the world [m]. A start gives a movable one its place.
    """

    file: str
    name: str
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Camera:
    """The view for videos, called `scene` in the model.

    Attributes:
      position: in the world [m].
      target: the point in the middle of the picture [m].
      up: the direction that points up in the picture; not parallel to the view.
      fovy: vertical field of view [deg].
    """

    position: tuple[float, float, float]
    target: tuple[float, float, float]
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)
    fovy: float = 45.0


def make_scene(
    robot: str,
    *,
    camera: Camera,
    tile: float = 1.0,
    walls: Sequence[Box] = (),
    props: Sequence[Prop] = (),
) -> mujoco.MjSpec:
    """The scene of assets/ROBOT.xml in the arena, with props, walls and a camera.

    Args:
      robot: the file's name without ".xml".
      camera: the view for videos.
      tile: side of a square of the floor, for the eye to judge sizes by [m].
      walls: what stands on the floor.
      props: what lies and stands around; their joints follow the robot's in qpos, in this order.

    Raises:
      TaskError: the room of assets has no such robot or prop.
    """
    spec = _load(robot)
    for prop in props:
        frame = spec.worldbody.add_frame(pos=prop.position)
        spec.attach(_load(prop.file), prefix=f"{prop.name}/", frame=frame)
    spec.attach(_load("arena"), prefix="arena/", frame=spec.worldbody.add_frame())
    # the texture shows two squares in each direction
    spec.material("arena/floor").texrepeat = (0.5 / tile, 0.5 / tile)
    for i, wall in enumerate(walls):
        spec.worldbody.add_geom(
            name=f"wall_{i}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=(*wall.center, wall.height / 2),
            size=(*wall.half_size, wall.height / 2),
            material="arena/wall",
            contype=0,
            conaffinity=3,
        )
    _add_camera(spec, camera)
    _place_sun(spec, camera)
    return spec


def _load(name: str) -> mujoco.MjSpec:
    path = room("assets") / f"{name}.xml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.xml")))
        raise TaskError(
            f"The scene needs {path.name!r}, which the assets do not have. They have: {known}. "
            "Name one of these, or build the scene with mujoco.MjSpec yourself."
        )
    return mujoco.MjSpec.from_file(str(path))


def _add_camera(spec: mujoco.MjSpec, camera: Camera) -> None:
    # A MuJoCo camera looks along its -z, with y up in the picture.
    back = np.subtract(camera.position, camera.target)
    back /= np.linalg.norm(back)
    right = np.cross(camera.up, back)
    right /= np.linalg.norm(right)
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, np.stack((right, np.cross(back, right), back), axis=1).ravel())
    spec.worldbody.add_camera(name="scene", pos=camera.position, quat=quat, fovy=camera.fovy)


def _place_sun(spec: mujoco.MjSpec, camera: Camera) -> None:
    # A directional light casts shadows only in a window around its axis, in proportion to the
    # model's extent; without this, that of a small robot lies somewhere else. The sun stands behind
    # the camera, so that the window's edge, which is noisy, does too.
    view = np.subtract(camera.target, camera.position)
    extent = 0.5 * float(np.linalg.norm(view))
    spec.stat.extent = extent
    spec.stat.center = camera.target
    ahead = np.array((view[0], view[1], 0.0)) / np.linalg.norm(view[:2])
    direction = 0.3 * ahead - 0.4 * np.cross((0.0, 0.0, 1.0), ahead) - (0.0, 0.0, 1.0)
    sun = spec.light("arena/sun")
    sun.dir = direction
    sun.pos = np.array(camera.target) - 4.0 * extent * direction
