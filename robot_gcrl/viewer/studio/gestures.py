"""Mouse and keys that move the goal: read once a frame, as a browser tells them.

Shift+click sets the goal where the ray meets the ground, or an object where a tip shall go there;
Ctrl+drag slides the nearest marker on its plane, Ctrl+Alt+drag turns the heading to the mouse, and
8 and 9 do so by steps; arrows and PageUp, PageDown nudge it; G takes a random one. A plain drag is
the camera's. Double-click on the ball selects it, and Studio's own drag of a selected
body moves it too: that one is seen where the simulation runs, as the body is what moved.
"""

from collections.abc import Sequence

import numpy as np
from mujoco.studio import viewer_protocol
from mujoco.studio.dear_imgui import dear_imgui as imgui

from robot_gcrl.viewer.goals import Handle
from robot_gcrl.viewer.headings import TURN, Heading
from robot_gcrl.viewer.nudges import nudged
from robot_gcrl.viewer.pointing import Pointing
from robot_gcrl.viewer.rays import View, make_view, ray

_KEYS = (
    (imgui.Key.LeftArrow, 0, -1.0),
    (imgui.Key.RightArrow, 0, 1.0),
    (imgui.Key.DownArrow, 1, -1.0),
    (imgui.Key.UpArrow, 1, 1.0),
    (imgui.Key.PageDown, 2, -1.0),
    (imgui.Key.PageUp, 2, 1.0),
)
# Counterclockwise, clockwise: two of the few keys that MuJoCo's windows leave free
_TURNS = ((imgui.Key.N8, 1), (imgui.Key.N9, -1))


def wants_random_goal() -> bool:
    """Whether the key of it was pressed in this frame."""
    return not imgui.GetIO().WantCaptureKeyboard and imgui.IsKeyPressed(imgui.Key.G, False)


class Gestures:
    """Mouse and keys of one scene.

    Attributes:
      chosen: index of the handle that is moved.
    """

    def __init__(
        self, pointing: Pointing, handles: Sequence[Handle], headings: Sequence[Heading]
    ) -> None:
        """The first handle is moved, until another is chosen or grabbed."""
        self._pointing, self._handles, self._headings = pointing, handles, headings
        self.chosen = 0

    def read(self, viewer: viewer_protocol.Viewer, goal: np.ndarray) -> np.ndarray | None:
        """The goal [G] that mouse and keys of this frame ask for, None without a gesture.

        Args:
          viewer: with the camera and the state that is drawn.
          goal: [G], wanted so far.
        """
        if self._handles and (pointed := self._pointed(viewer, goal)) is not None:
            return pointed
        if imgui.GetIO().WantCaptureKeyboard:
            return None
        return self._nudged(viewer, goal)

    def _pointed(self, viewer: viewer_protocol.Viewer, goal: np.ndarray) -> np.ndarray | None:
        io = imgui.GetIO()
        if io.WantCaptureMouse or min(io.DisplaySize.x, io.DisplaySize.y) <= 0:
            return None
        begins = imgui.IsMouseClicked(imgui.MouseButton.Left)
        clicks = io.KeyShift and not io.KeyCtrl and begins
        # With a body selected, Studio turns or pushes that one
        drags = (
            io.KeyCtrl
            and not io.KeyShift
            and imgui.IsMouseDown(imgui.MouseButton.Left)
            and viewer.perturb.select <= 0
        )
        if not (clicks or drags):
            return None
        pixel = io.MousePos.x / io.DisplaySize.x, io.MousePos.y / io.DisplaySize.y
        view = _view(viewer, io.DisplaySize.x / io.DisplaySize.y)
        direction = ray(view, *pixel)
        pointing, eye = self._pointing, view.position
        if drags and io.KeyAlt:
            if not self._headings:
                return None
            handle = self._handles[0]  # where the arrow is drawn
            return pointing.turned(handle, self._headings[0], goal, eye, direction)
        if drags and begins:
            self.chosen = pointing.nearest(view, self._handles, self.chosen, goal, pixel)
        handle = self._handles[self.chosen]
        if clicks:
            return pointing.at(viewer.data, handle, goal, eye, direction)
        return pointing.slid(handle, goal, eye, direction)

    def _nudged(self, viewer: viewer_protocol.Viewer, goal: np.ndarray) -> np.ndarray | None:
        steps, turns = np.zeros(3), 0
        for key, axis, sign in _KEYS:
            if imgui.IsKeyPressed(key):
                steps[axis] += sign
        for key, sign in _TURNS:
            turns += sign * imgui.IsKeyPressed(key)
        changed = None
        if steps.any() and self._handles:
            changed = goal = nudged(_view(viewer, 1.0), self._handles[self.chosen], goal, steps)
        if turns and self._headings:
            heading = self._headings[0]
            changed = heading.turned(goal, heading.angle(goal) + turns * TURN)
        return changed


def _view(viewer: viewer_protocol.Viewer, aspect: float) -> View:
    return make_view(viewer.model, viewer.data, viewer.camera, aspect)
