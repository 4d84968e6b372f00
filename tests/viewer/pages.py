"""The viewer's page in a real browser, and what a person does there."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import mujoco
import numpy as np
import pytest

from robot_gcrl.viewer.goals import make_markers
from robot_gcrl.viewer.ground import Ground
from robot_gcrl.viewer.rays import make_view, project
from robot_gcrl.viewer.scene import Show
from tests.viewer.watched import PATIENCE, Watched

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright on this machine")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("no Chromium on this machine", allow_module_level=True)

# Drawn by the processor, which is enough for a test
FLAGS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)
WIDTH, HEIGHT = 1000, 600
PICTURE = HEIGHT - 32  # above the page's own bar
DRAWN = "First remote draw frame applied"
# Input is read once a frame, and frames are rare without a graphics card [ms]
HELD = 800


class Page:
    """The viewer's page, and the viewer behind it."""

    def __init__(self, page: Any, viewer: Watched, show: Show) -> None:
        self.page, self.viewer, self.show = page, viewer, show

    def after(self, deed: Callable[[], object]) -> dict[str, Any]:
        """What the viewer tells once a deed has asked for a goal."""
        before = self.viewer.now["asked"]
        deed()
        return self.viewer.wait(lambda now: now["asked"] > before, 3 * PATIENCE)

    def pixel(self, goal: np.ndarray) -> tuple[float, float]:
        """Where the first marker of a goal [G] is on the page [px]."""
        marker = make_markers(self.show.contract)[0]
        return self.pixel_of(Ground(self.show.compile()).place(marker, goal))

    def pixel_of(self, place: np.ndarray) -> tuple[float, float]:
        """Where a place [3] of the world is on the page, by the scene's camera [px]."""
        model = self.show.compile()
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        camera = mujoco.MjvCamera()
        camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        camera.fixedcamid = model.camera(self.show.camera).id
        seen = project(make_view(model, data, camera, WIDTH / PICTURE), place)
        assert seen is not None
        return seen[0] * WIDTH, seen[1] * PICTURE

    def press(
        self,
        start: tuple[float, float],
        *keys: str,
        end: tuple[float, float] | None = None,
        until: Callable[[dict[str, Any]], bool] = lambda now: True,
    ) -> dict[str, Any]:
        """Presses the mouse and lets go only when what it asks for was heard; what is told then.

        Args:
          start: where it is pressed [px]; it must ask for another goal than there is.
          keys: that are held meanwhile.
          end: where it is dragged to [px], once the first goal was heard.
          until: what the viewer tells must meet this.
        """
        for key in keys:
            self.page.keyboard.down(key)
        self.page.mouse.move(*start)
        self.page.wait_for_timeout(HELD)
        self.after(self.page.mouse.down)
        if end is not None:
            self.page.mouse.move(*end, steps=2)
        now = self.viewer.wait(until, 3 * PATIENCE)
        self.page.mouse.up()
        for key in keys:
            self.page.keyboard.up(key)
        self.page.wait_for_timeout(HELD)
        return now


@contextlib.contextmanager
def opened(viewer: Watched, show: Show) -> Iterator[Page]:
    """The page of a viewer that shows this, once it is drawn."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        with page.expect_console_message(lambda m: DRAWN in m.text, timeout=4000 * PATIENCE):
            page.goto(viewer.now["url"])
        page.wait_for_timeout(3 * HELD)
        yield Page(page, viewer, show)
        browser.close()
