"""A real browser: what it draws, and that every gesture changes the goal that Python reads.

The robot is a reacher, trained here for half a minute, so that a click moves it.
"""

import io
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from robot_gcrl.viewer.scene import show_policy
from tests.viewer.pages import HEIGHT, HELD, WIDTH, Page, opened
from tests.viewer.watched import watched

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


@pytest.fixture(scope="module")
def page(policy, tmp_path_factory):
    with (
        watched(str(policy), tmp_path_factory.mktemp("home")) as viewer,
        opened(viewer, show_policy(policy)) as page,
    ):
        yield page


def start(page: Page) -> dict[str, Any]:
    """The goal A, whatever it was before."""
    if np.allclose(page.viewer.now["goal"], A, atol=CLOSE):
        return page.viewer.now
    return page.press(
        page.pixel(A), "Shift", until=lambda now: np.allclose(now["goal"], A, atol=CLOSE)
    )


def test_the_page_draws_scene_and_panels(page):
    picture = Image.open(io.BytesIO(page.page.screenshot())).convert("RGB")
    pixels = np.asarray(picture, float)
    scene, panel = pixels[100:500, 330:680], pixels[75:250, 15:310]
    assert scene.std() > 10  # robot, floor and goal, not one color
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 200
    assert np.ptp(panel) > 120  # text on a panel, light or dark


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's table of memory")
def test_a_page_that_is_looked_at_takes_no_memory(page):
    # Seen to fail: with fonts that count as drawn by the viewer itself, 15 MiB/s
    statm = Path(f"/proc/{page.viewer.process.pid}/statm")
    before = int(statm.read_text().split()[1])
    time.sleep(4.0)
    assert (int(statm.read_text().split()[1]) - before) * resource.getpagesize() < 20 * 2**20


def test_shift_and_click_sets_the_goal_and_the_robot_goes_there(page):
    now = start(page)
    assert (now["state"], now["active"]) == ("active", now["goal"])
    assert page.viewer.wait(lambda now: now["reached"], 30.0)["goal"] == now["goal"]


def test_control_and_drag_slides_it(page):
    start(page)
    x, y = page.pixel(A)
    page.press(
        (x + 4, y),
        "Control",
        end=page.pixel(B),
        until=lambda now: np.allclose(now["goal"], B, atol=CLOSE),
    )


@pytest.mark.parametrize("key", ["ArrowRight", "ArrowUp"])
def test_an_arrow_nudges_it_in_the_picture(page, key):
    before = np.array(start(page)["goal"])
    page.page.mouse.move(WIDTH - 5, HEIGHT - 100)
    origin = np.array(page.pixel(before))

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
    in_picture = np.array(page.pixel(np.array(now["goal"]))) - origin
    assert in_picture[0] > 0 if key == "ArrowRight" else in_picture[1] < 0


def test_a_slider_changes_one_number(page):
    before = start(page)["goal"]
    now = page.press((150, 113))
    assert now["goal"][0] != before[0]
    assert now["goal"][1] == before[1]


def test_a_goal_out_of_bounds_is_refused_and_the_one_before_pursued(page):
    active = start(page)["active"]
    now = page.press(page.pixel(np.array([0.21, -0.15])), "Shift")
    assert (now["state"], now["active"]) == ("refused", active)


def test_g_takes_a_goal_of_the_evaluation(page):
    start(page)
    now = page.after(lambda: page.page.keyboard.press("g", delay=HELD))
    goals = page.show.scenarios.goal
    assert np.abs(goals - np.array(now["goal"], np.float32)).max(-1).min() < 1e-6


def test_space_pauses_and_a_goal_can_be_set_all_the_same(page):
    page.page.mouse.move(WIDTH - 5, HEIGHT - 100)
    page.page.keyboard.press(" ", delay=HELD)
    page.viewer.wait(lambda now: now["paused"])
    start(page)
    assert page.viewer.now["state"] == "active"
    page.page.keyboard.press(" ", delay=HELD)
    page.viewer.wait(lambda now: not now["paused"])
