"""Mouse and keys that move the goal: read once a frame, as a browser tells them.

Shift+click sets the goal where the ray meets the ground, or an object where the goal is in space;
Ctrl+drag slides it on its plane; arrows and PageUp, PageDown nudge it; G takes a random one. A
plain drag is the camera's. Double-click on the ball selects it, and Studio's own drag of a selected
body moves it too: that one is seen where the simulation runs, as the body is what moved.
"""

import numpy as np
from mujoco.studio import viewer_protocol
from mujoco.studio.dear_imgui import dear_imgui as imgui

from robot_gcrl.viewer.goals import Marker
from robot_gcrl.viewer.nudges import nudged
from robot_gcrl.viewer.rays import make_view, meet_model, meet_plane, ray

_KEYS = (
    (imgui.Key.LeftArrow, 0, -1.0),
    (imgui.Key.RightArrow, 0, 1.0),
    (imgui.Key.DownArrow, 1, -1.0),
    (imgui.Key.UpArrow, 1, 1.0),
    (imgui.Key.PageDown, 2, -1.0),
    (imgui.Key.PageUp, 2, 1.0),
)


def wants_random_goal() -> bool:
    """Whether the key of it was pressed in this frame."""
    return not imgui.GetIO().WantCaptureKeyboard and imgui.IsKeyPressed(imgui.Key.G, False)


def gesture(viewer: viewer_protocol.Viewer, marker: Marker, goal: np.ndarray) -> np.ndarray | None:
    """The goal [G] that mouse and keys of this frame ask for, None without a gesture.

    Args:
      viewer: with the camera and the state that is drawn.
      marker: that is moved.
      goal: [G], wanted so far.
    """
    place = _pointed_at(viewer, marker, goal)
    return _nudged(viewer, marker, goal) if place is None else marker.moved(goal, place)


def _pointed_at(
    viewer: viewer_protocol.Viewer, marker: Marker, goal: np.ndarray
) -> np.ndarray | None:
    io = imgui.GetIO()
    if io.WantCaptureMouse or min(io.DisplaySize.x, io.DisplaySize.y) <= 0:
        return None
    clicks = io.KeyShift and not io.KeyCtrl and imgui.IsMouseClicked(imgui.MouseButton.Left)
    # With a body selected, Studio turns or pushes that one
    drags = (
        io.KeyCtrl
        and not io.KeyShift
        and imgui.IsMouseDown(imgui.MouseButton.Left)
        and viewer.perturb.select <= 0
    )
    if not (clicks or drags):
        return None
    x, y = io.MousePos.x / io.DisplaySize.x, io.MousePos.y / io.DisplaySize.y
    aspect = io.DisplaySize.x / io.DisplaySize.y
    view = make_view(viewer.model, viewer.data, viewer.camera, aspect)
    direction = ray(view, x, y)
    if clicks and not marker.is_planar:
        met = meet_model(viewer.model, viewer.data, view.position, direction)
        if met is not None:
            return met
    height = 0.0 if marker.is_planar else float(marker.position(goal, 0.0)[2])
    return meet_plane(view.position, direction, height)


def _nudged(viewer: viewer_protocol.Viewer, marker: Marker, goal: np.ndarray) -> np.ndarray | None:
    if imgui.GetIO().WantCaptureKeyboard:
        return None
    steps = np.zeros(3)
    for key, axis, sign in _KEYS:
        if imgui.IsKeyPressed(key):
            steps[axis] += sign
    if not steps.any():
        return None
    view = make_view(viewer.model, viewer.data, viewer.camera, 1.0)
    return nudged(view, marker, goal, steps)
