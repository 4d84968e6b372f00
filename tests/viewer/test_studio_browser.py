"""A real browser: what it draws, and that every gesture changes the goal that Python reads.

The robot is a reacher, trained here for half a minute, so that a click moves it.
"""

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from PIL import Image

from robot_gcrl.viewer.goals import make_markers
from robot_gcrl.viewer.rays import View, make_view, project
from robot_gcrl.viewer.scene import Show, show_policy
from tests.viewer.watched import PATIENCE, Watched, watched

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
TRAINING = ("--task", "reacher", "--steps", "100000", "--evaluations", "2")
# Panels cover the left; the goals of the tests lie on the right
A, B = np.array([0.12, 0.05]), np.array([0.08, -0.12])
RADIUS = 0.05
# Two pixels, in metres
CLOSE = 0.01


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    run, file = folder / "run", folder / "reacher.policy"
    for words in (("train", *TRAINING, "--run", run), ("export", run, "--out", file)):
        subprocess.run(
            [sys.executable, "-m", "robot_gcrl.cli", *map(str, words)],
            check=True,
            capture_output=True,
        )
    return file


class Page:
    """The viewer's page, and the viewer behind it."""

    def __init__(self, page: Any, viewer: Watched, show: Show) -> None:
        self.page, self.viewer, self.show = page, viewer, show

    def after(self, deed: Callable[[], object]) -> dict[str, Any]:
        """What the viewer tells once a deed has asked for a goal."""
        before = self.viewer.now["asked"]
        deed()
        return self.viewer.wait(lambda now: now["asked"] > before)

    def start(self) -> dict[str, Any]:
        """The goal A, whatever it was before."""
        self.click(*self.pixel(A), "Shift")
        return self.viewer.wait(lambda now: np.allclose(now["goal"], A, atol=CLOSE))

    def pixel(self, goal: np.ndarray) -> tuple[float, float]:
        model = self.show.compile()
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        camera = mujoco.MjvCamera()
        camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        camera.fixedcamid = model.camera(self.show.camera).id
        view: View = make_view(model, data, camera, WIDTH / PICTURE)
        place = project(view, make_markers(self.show.contract)[0].position(goal, 0.0))
        assert place is not None
        return place[0] * WIDTH, place[1] * PICTURE

    def click(self, x: float, y: float, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.down(key)
        self.page.mouse.move(x, y)
        self.page.wait_for_timeout(HELD)
        self.page.mouse.down()
        self.page.wait_for_timeout(HELD)
        self.page.mouse.up()
        for key in keys:
            self.page.keyboard.up(key)
        self.page.wait_for_timeout(HELD)


@pytest.fixture(scope="module")
def page(policy, tmp_path_factory):
    with (
        watched(policy, tmp_path_factory.mktemp("home")) as viewer,
        playwright.sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        with page.expect_console_message(lambda m: DRAWN in m.text, timeout=1000 * PATIENCE):
            page.goto(viewer.now["url"])
        page.wait_for_timeout(3 * HELD)
        yield Page(page, viewer, show_policy(policy))
        browser.close()


def test_the_page_draws_scene_and_panels(page):
    picture = Image.open(io.BytesIO(page.page.screenshot())).convert("RGB")
    pixels = np.asarray(picture, float)
    scene, panel = pixels[100:500, 330:680], pixels[75:250, 15:310]
    assert scene.std() > 10  # robot, floor and goal, not one color
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 200
    assert np.ptp(panel) > 120  # text on a panel, light or dark


def test_shift_and_click_sets_the_goal_and_the_robot_goes_there(page):
    now = page.start()
    assert (now["state"], now["active"]) == ("active", now["goal"])
    assert page.viewer.wait(lambda now: now["reached"], 30.0)["goal"] == now["goal"]


def test_control_and_drag_slides_it(page):
    page.start()
    page.page.keyboard.down("Control")
    page.page.mouse.move(*page.pixel(A))
    page.page.wait_for_timeout(HELD)
    page.page.mouse.down()
    page.page.wait_for_timeout(HELD)
    page.page.mouse.move(*page.pixel(B), steps=4)
    page.page.wait_for_timeout(HELD)
    page.page.mouse.up()
    page.page.keyboard.up("Control")
    page.viewer.wait(lambda now: np.allclose(now["goal"], B, atol=CLOSE))


@pytest.mark.parametrize("key", ["ArrowRight", "ArrowUp"])
def test_an_arrow_nudges_it_in_the_picture(page, key):
    before = np.array(page.start()["goal"])
    page.page.mouse.move(WIDTH - 5, HEIGHT - 100)
    start = np.array(page.pixel(before))

    def press() -> None:
        page.page.keyboard.down(key)
        page.page.wait_for_timeout(HELD)
        page.page.keyboard.up(key)

    now = page.after(press)
    page.page.wait_for_timeout(HELD)
    moved = np.array(page.viewer.now["goal"]) - before
    steps = np.abs(moved).max() / (RADIUS / 2)
    assert np.count_nonzero(np.abs(moved) > 1e-6) == 1
    assert steps == pytest.approx(round(steps), abs=1e-3)
    in_picture = np.array(page.pixel(np.array(now["goal"]))) - start
    assert in_picture[0] > 0 if key == "ArrowRight" else in_picture[1] < 0


def test_a_slider_changes_one_number(page):
    before = page.start()["goal"]
    now = page.after(lambda: page.click(150, 113))
    assert now["goal"][0] != before[0]
    assert now["goal"][1] == before[1]


def test_a_goal_out_of_bounds_is_refused_and_the_one_before_pursued(page):
    active = page.start()["active"]
    now = page.after(lambda: page.click(*page.pixel(np.array([0.21, -0.15])), "Shift"))
    assert (now["state"], now["active"]) == ("refused", active)


def test_g_takes_a_goal_of_the_evaluation(page):
    page.start()
    now = page.after(lambda: page.page.keyboard.press("g", delay=HELD))
    goals = page.show.scenarios.goal
    assert np.abs(goals - np.array(now["goal"], np.float32)).max(-1).min() < 1e-6


def test_space_pauses_and_a_goal_can_be_set_all_the_same(page):
    page.page.mouse.move(WIDTH - 5, HEIGHT - 100)
    page.page.keyboard.press(" ", delay=HELD)
    page.viewer.wait(lambda now: now["paused"])
    page.start()
    assert page.viewer.now["state"] == "active"
    page.page.keyboard.press(" ", delay=HELD)
    page.viewer.wait(lambda now: not now["paused"])
