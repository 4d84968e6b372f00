"""From a pixel to a place in the world, and back.

Pixels are shares of the picture: x from 0 (left) to 1, y from 0 (top) to 1.
"""

import math
from typing import NamedTuple

import mujoco
import numpy as np

# Rays that meet a plane at a smaller angle (its sine) meet it too far away to be meant
_GRAZING = 1e-3
# That a ray goes on behind the surface of a marker, so as not to meet it again [m]
_SKIN = 1e-6


class View(NamedTuple):
    """A perspective camera.

    Attributes:
      position: [3], in the world [m].
      forward: [3], unit vector into the picture.
      up: [3], unit vector that points up in the picture.
      tangent: of half of the vertical field of view.
      aspect: width over height of the picture.
    """

    position: np.ndarray
    forward: np.ndarray
    up: np.ndarray
    tangent: float
    aspect: float


def make_view(
    model: mujoco.MjModel, data: mujoco.MjData, camera: mujoco.MjvCamera, aspect: float
) -> View:
    """The view of a MuJoCo camera (free, tracking or fixed) on a picture of this aspect."""
    scene = mujoco.MjvScene(model, maxgeom=1)
    mujoco.mjv_updateCamera(model, data, camera, scene)
    left, right = scene.camera
    tangent = float(left.frustum_top - left.frustum_bottom) / (2.0 * float(left.frustum_near))
    return View(
        position=(np.array(left.pos, float) + np.array(right.pos, float)) / 2.0,
        forward=np.array(left.forward, float),
        up=np.array(left.up, float),
        tangent=tangent,
        aspect=aspect,
    )


def ray(view: View, x: float, y: float) -> np.ndarray:
    """Unit vector [3] from the camera through a pixel."""
    right = np.cross(view.forward, view.up)
    direction = (
        view.forward
        + (2.0 * x - 1.0) * view.aspect * view.tangent * right
        + (1.0 - 2.0 * y) * view.tangent * view.up
    )
    return direction / np.linalg.norm(direction)


def meet_plane(origin: np.ndarray, direction: np.ndarray, height: float) -> np.ndarray | None:
    """Where a ray meets the horizontal plane at `height` [m]: [3], or None."""
    if abs(direction[2]) < _GRAZING:
        return None
    distance = (height - origin[2]) / direction[2]
    if distance <= 0.0:
        return None
    point = origin + distance * direction
    point[2] = height
    return point


def project(view: View, point: np.ndarray) -> tuple[float, float] | None:
    """The pixel of a place [3]; None behind the camera. It may lie outside of the picture."""
    offset = np.asarray(point, float) - view.position
    depth = float(offset @ view.forward)
    if depth <= 0.0:
        return None
    right = float(offset @ np.cross(view.forward, view.up)) / depth
    up = float(offset @ view.up) / depth
    return (
        0.5 * (1.0 + right / (view.aspect * view.tangent)),
        0.5 * (1.0 - up / view.tangent),
    )


def meet_model(
    model: mujoco.MjModel, data: mujoco.MjData, origin: np.ndarray, direction: np.ndarray
) -> np.ndarray | None:
    """The nearest place [3] where a ray meets a visible geom that is no marker; None without one.

    Markers are mocap bodies; a goal must not be set on the goal.
    """
    met = meet_geom(model, data, origin, direction, np.zeros(model.ngeom, bool))
    return None if met is None else met[0]


def meet_geom(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    origin: np.ndarray,
    direction: np.ndarray,
    ignored: np.ndarray,
) -> tuple[np.ndarray, int] | None:
    """As `meet_model`, through the geoms that are `ignored` [ngeom] too; the place and the geom."""
    passes = (model.body_mocapid[model.geom_bodyid] >= 0) | ignored
    geom = np.array([-1], np.int32)
    groups = np.array([1, 1, 1, 0, 0, 0], np.uint8)
    start, travelled = np.array(origin, float), 0.0
    # Into each and out of it; what stands within it is met between the two
    for _ in range(2 * int(passes.sum()) + 1):
        distance = mujoco.mj_ray(model, data, start, direction, groups, 1, -1, geom)
        if distance < 0.0 or not math.isfinite(distance):
            return None
        travelled += distance
        if not passes[geom[0]]:
            return origin + travelled * direction, int(geom[0])
        travelled += _SKIN
        start = origin + travelled * direction
    return None
