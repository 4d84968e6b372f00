"""Pictures of a model drawn off screen, with markers that the model does not contain.

The OpenGL context is made here and not by `mujoco.Renderer`: that one obeys MUJOCO_GL as it was
when mujoco was first imported, and `MUJOCO_GL=egl` on a machine without EGL makes the import of
mujoco itself fail. So on Linux EGL, which needs no display, is tried when a picture is wanted, and
its absence is an error that names the package. A MUJOCO_GL of the user's is obeyed.
"""

import copy
import os
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Any, NamedTuple

import mujoco
import numpy as np

from robot_gcrl.errors import RenderingError

_MOST_GEOMS = 10_000
_GET_EGL = (
    "On Debian or Ubuntu: apt-get install libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri; elsewhere "
    "install the package that brings libEGL.so.1 and a driver for it."
)


class Marker(NamedTuple):
    """A shape that is drawn and collides with nothing.

    Attributes:
      shape: sphere or cylinder (upright).
      position: center x, y, z in the world [m].
      size: radius, radius, radius of a sphere; radius, half height, 0 of a cylinder [m].
      rgba: in [0, 1].
    """

    shape: mujoco.mjtGeom
    position: tuple[float, float, float]
    size: tuple[float, float, float]
    rgba: tuple[float, float, float, float]


class Segment(NamedTuple):
    """A straight piece of a line, round, that collides with nothing.

    Attributes:
      start: of its middle line: x, y, z in the world [m].
      end: likewise [m].
      radius: [m].
      rgba: in [0, 1].
    """

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float
    rgba: tuple[float, float, float, float]


class Canvas:
    """Draws states of one model; a context manager that owns an OpenGL context.

    Args:
      model: what is drawn.
      width: of the pictures [px].
      height: of the pictures [px].
      shadows: whether lights cast them; a picture takes two to four times as long.
      camera: a camera of the model by name, where it has none of that name, the whole model is
        shown; or a camera that is not the model's.

    Raises:
      RenderingError: this machine cannot draw.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        *,
        width: int,
        height: int,
        shadows: bool,
        camera: str | mujoco.MjvCamera = "scene",
    ) -> None:
        self._model = copy.copy(model)
        self._model.vis.global_.offwidth = width
        self._model.vis.global_.offheight = height
        self._data = mujoco.MjData(self._model)
        self._gl, self._mjr = _contexts(self._model, width, height)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._mjr)
        self._scene = mujoco.MjvScene(self._model, maxgeom=_MOST_GEOMS)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW.value] = shadows
        self._rect = mujoco.MjrRect(0, 0, width, height)
        self._camera = camera if not isinstance(camera, str) else _camera(self._model, camera)

    @property
    def height(self) -> int:
        """Of the pictures [px]."""
        return self._rect.height

    def draw(
        self,
        qpos: np.ndarray,
        markers: Iterable[Marker | Segment] = (),
        *,
        lookat: np.ndarray | None = None,
    ) -> np.ndarray:
        """The picture, uint8 [height, width, 3], of the model.

        Args:
          qpos: [nq].
          markers: drawn into the scene.
          lookat: [3], point in the world that a free camera turns to from now on [m]; None leaves
            it where it is.
        """
        if lookat is not None:
            self._camera.lookat[:] = lookat
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        self._gl.make_current()
        mujoco.mjv_updateScene(
            self._model,
            self._data,
            mujoco.MjvOption(),
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL.value,
            self._scene,
        )
        for marker in markers:
            self._add(marker)
        pixels = np.empty((self._rect.height, self._rect.width, 3), np.uint8)
        mujoco.mjr_render(self._rect, self._scene, self._mjr)
        mujoco.mjr_readPixels(pixels, None, self._rect, self._mjr)
        return pixels[::-1]

    def close(self) -> None:
        """Frees the OpenGL context."""
        self._gl.make_current()
        self._mjr.free()
        self._gl.free()

    def __enter__(self) -> "Canvas":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _add(self, marker: Marker | Segment) -> None:
        geom, rgba = self._scene.geoms[self._scene.ngeom], np.array(marker.rgba, np.float32)
        if isinstance(marker, Marker):
            size, position = np.array(marker.size), np.array(marker.position)
            mujoco.mjv_initGeom(geom, marker.shape, size, position, np.eye(3).ravel(), rgba)
        else:
            shape = mujoco.mjtGeom.mjGEOM_CAPSULE.value
            mujoco.mjv_initGeom(geom, shape, np.zeros(3), np.zeros(3), np.eye(3).ravel(), rgba)
            start, end = np.array(marker.start), np.array(marker.end)
            mujoco.mjv_connector(geom, shape, marker.radius, start, end)
        self._scene.ngeom += 1


def _contexts(model: mujoco.MjModel, width: int, height: int) -> tuple[Any, mujoco.MjrContext]:
    """An OpenGL context, made current, and MuJoCo's in it."""
    chosen = os.environ.get("MUJOCO_GL", "")
    use_egl = sys.platform == "linux" and chosen in ("", "egl")
    try:
        if use_egl:
            from mujoco import egl

            context = egl.GLContext(width, height)
        else:
            context = mujoco.GLContext(width, height)
        context.make_current()
        return context, mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_150.value)
    # PyOpenGL without its library raises AttributeError; EGL without a driver ImportError or
    # GLError (a RuntimeError); MuJoCo without a context FatalError
    except (ImportError, AttributeError, OSError, RuntimeError, mujoco.FatalError) as error:
        means = f"MUJOCO_GL={chosen}" if chosen else "EGL" if use_egl else "the system's OpenGL"
        raise RenderingError(
            f"No picture can be drawn: OpenGL cannot be started with {means} "
            f"({' '.join(str(error).split())}). Expected an OpenGL library and its driver. "
            f"{_GET_EGL}"
        ) from error


def _camera(model: mujoco.MjModel, name: str) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    number = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA.value, name)
    if number < 0:
        mujoco.mjv_defaultFreeCamera(model, camera)
    else:
        camera.type = mujoco.mjtCamera.mjCAMERA_FIXED.value
        camera.fixedcamid = number
    return camera
