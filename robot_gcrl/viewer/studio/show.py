"""A stage in a browser: MuJoCo Studio with the panels and gestures of a goal."""

import contextlib
import shutil
import socket
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mujoco.studio import endpoints, launch_thread, plugin, viewer_handle, viewer_protocol
from mujoco.studio.app import plugins as app

from robot_gcrl.errors import ViewerError
from robot_gcrl.viewer.stage import Stage
from robot_gcrl.viewer.studio.panels import Panels
from robot_gcrl.viewer.studio.server import LOOPBACK, ClosedServer
from robot_gcrl.viewer.studio.stepper import Stepper

_BROWSERS = ("chromium", "google-chrome", "chromium-browser", "microsoft-edge", "brave-browser")
# For the viewer's thread to listen, or to fail [s]
_PATIENCE = 20.0


@dataclass(frozen=True, kw_only=True)
class Window:
    """How a stage is shown.

    Attributes:
      host: address that the page is served on.
      port: 0 takes the first free one from 8080 on.
      opens: whether a browser is opened, where there is a screen.
      is_app: whether as a window of its own, without the browser's frame.
      tour: file of the tour.
    """

    host: str = LOOPBACK
    port: int = 0
    opens: bool = True
    is_app: bool = False
    tour: Path = Path("tour.json")


class StudioViewer:
    """A stage that is served; `run` it, then `close` it.

    Attributes:
      stage: what is shown.
      server: where.
      stepper: the simulation's side.
      panels: the viewer's side.
    """

    def __init__(self, stage: Stage, window: Window) -> None:
        """Starts the server.

        Raises:
          ViewerError: it cannot listen, or this version of Studio cannot be closed to others.
        """
        self.stage, self._window = stage, window
        self.server = ClosedServer(window.host, window.port)
        self.stepper = Stepper(stage, tour=window.tour)
        self.panels = Panels(stage)
        config = viewer_protocol.ViewerConfig(title=f"robot-gcrl: {stage.title}", gfx="web")
        shows = app.Config(show_options=False, show_inspector=False, show_toolbar=True)
        ready = threading.Event()
        self._failed: BaseException | None = None

        def target(endpoint: endpoints.ViewerEndpoint) -> None:
            try:
                viewer = _make_viewer(config, endpoint, [app.App(shows), self.panels])
            except BaseException as error:
                self._failed = error
                raise
            finally:
                ready.set()
            viewer_protocol.run_viewer_loop(viewer)

        self.handle: viewer_handle.ViewerHandle = launch_thread.launch_thread(
            target, sim_plugins=[self.stepper]
        )
        ready.wait(_PATIENCE)
        if self._failed is not None or not self.server.port:
            with contextlib.suppress(BaseException):
                self.handle.close()
            if isinstance(self._failed, ViewerError):
                raise self._failed
            raise ViewerError(
                f"The viewer did not start: {self._failed or 'nothing was heard of it'}. Expected "
                "MuJoCo Studio to listen. Try --viewer classic."
            )
        self.handle.set_model(stage.model, data=stage.data)

    def run(self, goes_on: Callable[[], bool]) -> None:
        """Shows and steps until the page says so or `goes_on` is false."""
        while self.handle.is_running() and goes_on():
            self.handle.sync()

    def close(self) -> None:
        """Ends the viewer's threads and frees its port; the stage is its owner's to close."""
        self.handle.close()

    def open(self) -> str:
        """Opens a browser, if it is wanted and there is one; what a person is told."""
        url = self.server.url
        lines = [f"{self.stage.title} is shown at {url} (Ctrl-C ends)"]
        if self._window.host == LOOPBACK:
            port = self.server.port
            lines.append(
                f"  from another machine: ssh -L {port}:localhost:{port} {socket.gethostname()}, "
                f"then the same address there"
            )
        else:
            lines.append("  other machines can reach it, and move what is shown: there are no keys")
        if self._window.is_app:
            browser = next((b for b in map(shutil.which, _BROWSERS) if b), None)
            if browser is None:
                lines.append("  no Chromium or Chrome was found for a window: open the address")
            else:
                subprocess.Popen(
                    [browser, f"--app={url}", "--window-size=1280,800"],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
        elif self._window.opens and not webbrowser.open(url, new=2):
            lines.append("  no browser could be opened: open the address in one")
        return "\n".join(lines)


def _make_viewer(
    config: viewer_protocol.ViewerConfig,
    endpoint: endpoints.ViewerEndpoint,
    plugins: list[plugin.Plugin],
) -> viewer_protocol.Viewer:
    # Not with the module: it loads what an environment without Studio's web server lacks
    from mujoco.studio import web_viewer

    # Its banner names every interface, and the rest is not for who looks at a robot
    web_viewer.WebViewer.__init__.__globals__["print"] = lambda *words, **named: None
    viewer = web_viewer.WebViewer(config, endpoint, plugins=plugins)
    # A page that is gone before a frame was drawn for it leaves MuJoCo 4.0.0 to draw one with the
    # fonts locked, which without any of them baked is a null pointer. The flag lasts until the
    # first page; with it always there, every frame left a copy of the fonts' texture in memory
    imgui = web_viewer.imgui
    imgui.GetIO().BackendFlags |= int(imgui.BackendFlags.RendererHasTextures)
    return viewer


def show(stage: Stage, window: Window, goes_on: Callable[[], bool]) -> None:
    """Serves a stage until it is ended.

    Raises:
      ViewerError: see `StudioViewer`.
    """
    viewer = StudioViewer(stage, window)
    try:
        sys.stderr.write(viewer.open() + "\n")
        viewer.run(goes_on)
    finally:
        viewer.close()
