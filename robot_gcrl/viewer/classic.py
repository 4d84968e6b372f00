"""A stage in MuJoCo's classic window, on the same goal core as the browser.

The window has its own copy of model and data: what a person changes in its panels is not the task's
physics. Three things come back from it: a marker that was dragged, a push, and Reset. Double-click
on the ball selects it, Ctrl+right drag moves it up and down, Ctrl+Shift+right drag along the floor.
"""

import collections
import copy
import threading
import time
from collections.abc import Callable

import mujoco
import numpy as np

from robot_gcrl.viewer.classic_screen import require_window
from robot_gcrl.viewer.classic_text import Teller, make_texts
from robot_gcrl.viewer.goals import make_handles
from robot_gcrl.viewer.ground import Ground
from robot_gcrl.viewer.headings import TURN, make_headings
from robot_gcrl.viewer.nudges import nudged
from robot_gcrl.viewer.overlay import make_overlay
from robot_gcrl.viewer.pacing import Pace
from robot_gcrl.viewer.rays import make_view
from robot_gcrl.viewer.stage import Stage

# Between two looks at what is due, and between two texts [s]
_REST = 0.01
_TELL = 0.1
# For the window's thread to end [s]
_GOODBYE = 10.0
# GLFW's numbers of keys: nudges to the right, away, upwards
_NUDGES = {
    262: (1, 0, 0),
    263: (-1, 0, 0),
    264: (0, -1, 0),
    265: (0, 1, 0),
    266: (0, 0, 1),
    267: (0, 0, -1),
}
_TURNS = {ord("8"): 1, ord("9"): -1}
_SPACE, _RANDOM, _NEXT, _STOP, _CLEAR, _TOUR = 32, ord("G"), 260, 257, 268, 269
# Reset sets the time to 0, which can then be told from a time before the first step [s]
_EARLIEST = 1e-9


def show_classic(stage: Stage, goes_on: Callable[[], bool]) -> None:
    """Shows a stage in the classic window until it is closed or `goes_on` is false.

    Args:
      stage: what is shown; its owner closes it.
      goes_on: asked a hundred times a second.

    Raises:
      ViewerError: there is no screen, or no window can be opened on it.
    """
    window = ClassicWindow(stage)
    try:
        while window.handle.is_running() and goes_on():
            window.turn()
            time.sleep(_REST)
    finally:
        window.close()


class ClassicWindow:
    """The window of a stage; `turn` it until it is closed.

    Attributes:
      stage: what is shown.
      handle: of the window.
      model: the window's own.
      data: the window's own.
      pace: how many physics steps are due.
      handle_index: of what keys move.
    """

    def __init__(self, stage: Stage) -> None:
        """Opens the window.

        Raises:
          ViewerError: there is no screen, or no window can be opened on it.
        """
        library = require_window()
        self.stage = stage
        self.pace = Pace(float(stage.model.opt.timestep))
        self.handle_index = 0
        self._handles, self._headings = make_handles(stage.contract), make_headings(stage.contract)
        self._ground = Ground(stage.model)
        self.model = copy.copy(stage.model)
        self.data = mujoco.MjData(self.model)
        self._keys: collections.deque[int] = collections.deque()
        others = set(threading.enumerate())
        self._copy()
        self.handle = library.launch_passive(
            self.model,
            self.data,
            key_callback=self._keys.append,
            show_left_ui=False,
            show_right_ui=False,
        )
        self._threads = [thread for thread in threading.enumerate() if thread not in others]
        _look_as_the_scene_does(self.model, self.data, self.handle.cam)
        self._teller = Teller(self.handle)
        self._told_at = 0.0

    def turn(self) -> None:
        """Keys, physics and picture of one moment."""
        stage, now = self.stage, time.monotonic()
        while self._keys:
            self.press(self._keys.popleft())
        stage.step(self.pace.due(now))
        self._copy()
        self._draw()
        self._sync()
        if now - self._told_at >= _TELL:
            self._told_at = now
            self._teller.tell(make_texts(stage, paused=self.pace.paused))

    def press(self, key: int) -> None:
        """Does what a key (GLFW's number) stands for; nothing if it is none of ours."""
        stage = self.stage
        if key in _NUDGES and self._handles:
            view = make_view(self.model, self.data, self.handle.cam, 1.0)
            steps = np.array(_NUDGES[key], float)
            self._ask(nudged(view, self._handles[self.handle_index], stage.desk.wanted, steps))
        elif key in _TURNS and self._headings:
            heading, goal = self._headings[0], stage.desk.wanted
            self._ask(heading.turned(goal, heading.angle(goal) + _TURNS[key] * TURN))
        elif key == _RANDOM:
            stage.tour.stop()
            stage.random_goal()
        elif key == _NEXT and self._handles:
            self.handle_index = (self.handle_index + 1) % len(self._handles)
        elif key == _TOUR:
            self._toggle_tour()
        elif stage.is_live and key == _STOP:
            stage.stop()
        elif stage.is_live and key == _CLEAR:
            stage.clear()
        elif key == _SPACE and not stage.is_live:
            self.pace.paused = not self.pace.paused

    def close(self) -> None:
        """Closes the window and waits for its thread: a process that ends before it crashes."""
        self.handle.close()
        for thread in self._threads:
            thread.join(_GOODBYE)
        self._teller.close()

    def _ask(self, goal: np.ndarray) -> None:
        if not np.array_equal(goal, self.stage.desk.wanted):
            self.stage.tour.stop()
            self.stage.ask(goal)

    def _toggle_tour(self) -> None:
        tour = self.stage.tour
        if tour.running:
            tour.stop()
        elif (first := tour.start()) is not None:
            self.stage.ask(first)

    def _copy(self) -> None:
        """The stage as it is now, also a marker that was put elsewhere while physics is paused."""
        mujoco.mj_copyData(self.data, self.model, self.stage.data)
        mujoco.mj_fwdPosition(self.model, self.data)
        self.data.time = max(self.data.time, _EARLIEST)

    def _draw(self) -> None:
        stage, scene = self.stage, self.handle.user_scn
        geoms = make_overlay(
            stage.markers,
            stage.desk.bounds,
            wanted=stage.desk.wanted,
            state=stage.desk.verdict.state,
            tour=stage.tour.goals,
            trace=stage.status().trace,
            ground=self._ground,
            headings=self._headings,
            chosen=self._handles[self.handle_index].markers if self._handles else (),
        )
        scene.ngeom = min(len(geoms), scene.maxgeom)
        for place, geom in zip(scene.geoms[: scene.ngeom], geoms, strict=False):
            _copy_geom(place, geom)
        scene.flags[mujoco.mjtRndFlag.mjRND_FOG] = 0  # G is the window's own key for fog

    def _sync(self) -> None:
        """Hands the picture over, and takes what a person did with the mouse."""
        stage, shown, before = self.stage, self.data, self.data.mocap_pos.copy()
        moment = shown.time
        self.handle.sync()
        if shown.time != moment:
            stage.reset()
            return
        if not np.array_equal(shown.mocap_pos, before):
            stage.data.mocap_pos[:] = shown.mocap_pos
            stage.take_dragged_goal()
        if not stage.is_live:
            stage.data.xfrc_applied[:] = shown.xfrc_applied


def _copy_geom(place: mujoco.MjvGeom, geom: mujoco.MjvGeom) -> None:
    nothing = np.zeros(3)
    mujoco.mjv_initGeom(place, geom.type, nothing, geom.pos, geom.mat.ravel(), geom.rgba)
    place.size[:] = geom.size  # as it is: that of a line is not what mjv_initGeom takes
    place.category = geom.category


def _look_as_the_scene_does(
    model: mujoco.MjModel, data: mujoco.MjData, camera: mujoco.MjvCamera
) -> None:
    """Puts the free camera to where the scene's is: that one could not be moved with the mouse."""
    number = model.vis.global_.cameraid
    mujoco.mjv_defaultFreeCamera(model, camera)
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    if number < 0:
        return
    fixed = mujoco.MjvCamera()
    fixed.type, fixed.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, number
    view = make_view(model, data, fixed, 1.0)
    x, y, z = view.forward
    # At the floor, or as far as the scene's middle where it does not look down
    reach = -view.position[2] / z if z < -0.1 else 0.0
    if reach <= 0.0:
        reach = float(np.linalg.norm(view.position - model.stat.center))
    camera.lookat[:] = view.position + reach * view.forward
    camera.distance = reach
    camera.azimuth = np.degrees(np.arctan2(y, x))
    camera.elevation = np.degrees(np.arcsin(np.clip(z, -1.0, 1.0)))
    model.vis.global_.fovy = float(np.degrees(2.0 * np.arctan(view.tangent)))
