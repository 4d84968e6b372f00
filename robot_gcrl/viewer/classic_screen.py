"""Whether this machine can show MuJoCo's classic window."""

import contextlib
import importlib
import os
import sys
import warnings
from typing import Any

from robot_gcrl.errors import ViewerError


def require_window() -> Any:
    """The module `mujoco.viewer`, after a window was tried: in its own thread it fails in silence.

    Raises:
      ViewerError: what is missing.
    """
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        raise _no_window("this machine has no screen (neither DISPLAY nor WAYLAND_DISPLAY is set)")
    try:
        library = importlib.import_module("mujoco.viewer")
        glfw = importlib.import_module("glfw")
    except (ImportError, RuntimeError) as error:
        raise _no_window(f"{error}") from error
    if sys.platform == "darwin":
        if library._MJPYTHON is None:
            raise _no_window("macOS shows it only to programs that run under mjpython")
        return library
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        is_possible = _try_window(glfw)
    if not is_possible:
        said = f"{caught[-1].message}" if caught else "no window of OpenGL could be made"
        raise _no_window(said.replace("\n", " "))
    return library


def _try_window(glfw: Any) -> bool:
    if not glfw.init():
        return False
    with contextlib.ExitStack() as stack:
        stack.callback(glfw.terminate)
        glfw.window_hint(glfw.VISIBLE, glfw.FALSE)
        return bool(glfw.create_window(64, 64, "robot-gcrl", None, None))


def _no_window(reason: str) -> ViewerError:
    return ViewerError(
        f"The classic window cannot be opened: {reason.strip().rstrip('.')}. Expected a screen "
        "with OpenGL. Leave --viewer classic out to look with a browser, also from another machine."
    )
