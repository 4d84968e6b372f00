"""Pictures and films: what is in them, and what is said where they cannot be drawn."""

import json
import sys
import types
from fractions import Fraction
from pathlib import Path

import av
import jax
import mujoco
import numpy as np
import pytest
from PIL import Image

from robot_gcrl import doctor
from robot_gcrl.errors import RenderingError
from robot_gcrl.task.registry import load_task
from robot_gcrl.train.record import Recorded
from robot_gcrl.viewer import canvas, film, markers, trail, video

SCENE = """
<mujoco>
  <worldbody>
    <light pos="0 0 5" dir="0 0 -1"/>
    <camera name="scene" pos="0 0 5"/>
    <body><joint type="slide" axis="1 0 0"/><geom size="0.5" rgba="1 0 0 1"/></body>
  </worldbody>
</mujoco>
"""
GREEN = canvas.Marker(
    mujoco.mjtGeom.mjGEOM_SPHERE, (1.5, 0.0, 0.0), (0.4, 0.4, 0.4), (0.0, 1.0, 0.0, 1.0)
)


def center(pixels: np.ndarray, channel: int) -> float:
    """Mean column of the pixels that are mostly of one colour."""
    others = np.delete(pixels.astype(int), channel, axis=-1).max(-1)
    return float(np.nonzero(pixels[..., channel] > others + 50)[1].mean())


def test_the_picture_shows_the_state_and_the_marker() -> None:
    # Seen to fail: with mj_kinematics left out of Canvas.draw the ball stayed in the middle
    model = mujoco.MjModel.from_xml_string(SCENE)
    with canvas.Canvas(model, width=160, height=120, shadows=False) as drawn:
        middle = drawn.draw(np.array([0.0]), [GREEN])
        left = drawn.draw(np.array([-1.0]), [GREEN])
    assert middle.shape == (120, 160, 3)
    assert center(middle, 0) == pytest.approx(79.5, abs=1.5)
    assert center(left, 0) < 60
    assert center(middle, 1) > 110
    assert center(left, 1) == center(middle, 1)


def test_drawing_does_not_touch_the_model() -> None:
    model = mujoco.MjModel.from_xml_string(SCENE)
    before = (model.vis.global_.offwidth, model.ngeom)
    with canvas.Canvas(model, width=1200, height=900, shadows=True) as drawn:
        drawn.draw(np.zeros(1))
    assert (model.vis.global_.offwidth, model.ngeom) == before


def test_a_film_has_every_frame_at_the_control_rate(tmp_path: Path) -> None:
    # Seen to fail: with the last `stream.encode(None)` left out, frames were missing
    task = load_task("reacher")
    still = np.zeros((11, task.model.nq))
    path = video.film(task, [Recorded(still, np.array([0.1, 0.1]))] * 2, tmp_path / "new" / "a.mp4")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == Fraction(20)
        assert sum(1 for _ in container.decode(stream)) == 22
    assert [p.name for p in path.parent.iterdir()] == ["a.mp4"]


def test_the_goal_is_brighter_where_it_is_reached() -> None:
    # Seen to fail: with the comparison of distance and radius turned round
    task = load_task("reacher")
    tip = np.array([0.21, 0.0])
    (achieved,) = trail.make_trail(task, np.zeros((1, 2))).achieved
    (there,) = markers.goal_markers(task, achieved, tip)
    (away,) = markers.goal_markers(task, achieved, -tip)
    assert there.rgba[3] > away.rgba[3]
    assert there.position[:2] == pytest.approx(tuple(tip))
    assert there.size[0] == pytest.approx(0.05)


def test_a_goal_in_space_is_a_ball_and_one_in_the_plane_a_disk() -> None:
    arm, ant = load_task("arm_reach"), load_task("ant")
    goal = np.array([0.1, 0.5, 0.3])
    (ball,) = markers.goal_markers(arm, goal, goal)
    (disk,) = markers.goal_markers(ant, np.zeros(2), np.array([3.0, 4.0]))
    assert (ball.shape, ball.position) == (mujoco.mjtGeom.mjGEOM_SPHERE, (0.1, 0.5, 0.3))
    assert (disk.shape, disk.position[:2]) == (mujoco.mjtGeom.mjGEOM_CYLINDER, (3.0, 4.0))


def test_goals_of_things_have_markers_too() -> None:
    # Seen to fail: with labels split at "_" alone, as "object.x"; and with disks on the floor
    pusher, arm = load_task("pusher_two"), load_task("arm_push")
    goal = np.array([0.5, -0.1, 0.6, 0.2])
    first, second = markers.goal_markers(pusher, goal, goal)
    assert first.position[:2] == pytest.approx((0.5, -0.1))
    assert second.position[:2] == pytest.approx((0.6, 0.2))
    assert first.position[2] == pytest.approx(0.3, abs=0.01)  # the table's top
    (ball,) = markers.goal_markers(arm, np.zeros(3), np.array([0.1, 0.5, 0.3]))
    assert ball.position == pytest.approx((0.1, 0.5, 0.3))


def test_a_heading_is_a_line_from_the_goal() -> None:
    # Seen to fail: with sine and cosine exchanged
    task, goal = load_task("quadruped"), np.array([1.0, 2.0, 0.0, 1.0])
    (line,) = markers.heading_arrows(task, goal)
    assert line.start[:2] == pytest.approx((1.0, 2.0))
    assert line.end[:2] == pytest.approx((1.0, 2.3))
    assert markers.heading_arrows(load_task("ant"), np.zeros(2)) == []


def test_every_task_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "task_names", lambda: ("reacher", "arm_reach"))
    monkeypatch.setattr(video, "PICTURE_SIZE", (320, 180))
    for path in film.draw_tasks(tmp_path / "pictures"):
        pixels = np.asarray(Image.open(path))
        assert pixels.shape == (180, 320, 3)
        assert pixels.std() > 10


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "a.avi",
            "Cannot write '{}'. Expected a file name that ends in .mp4 or .webp. Change the name.",
        ),
        (
            "file/a.mp4",
            "Cannot write '{}': File exists. Expected a folder that can be written to. Name "
            "another one.",
        ),
    ],
)
def test_a_film_that_cannot_be_written_is_one_line(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    task = load_task("reacher")
    recorded = Recorded(np.zeros((2, 2)), np.zeros(2))
    with pytest.raises(RenderingError) as raised:
        video.film(task, [recorded], tmp_path / name)
    assert str(raised.value) == message.format(tmp_path / name)


def test_a_missing_library_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    # Seen to fail: with AttributeError left out of the except clause. PyOpenGL's words were taken
    # from a machine whose libEGL.so.1 was hidden.
    class WithoutLibrary(types.ModuleType):
        def __getattr__(self, name: str) -> object:
            raise AttributeError("'NoneType' object has no attribute 'eglQueryString'")

    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(mujoco, "egl", WithoutLibrary("egl"), raising=False)
    model = mujoco.MjModel.from_xml_string(SCENE)
    with pytest.raises(RenderingError) as raised:
        canvas.Canvas(model, width=64, height=48, shadows=False)
    assert str(raised.value) == (
        "No picture can be drawn: OpenGL cannot be started with EGL ('NoneType' object has no "
        "attribute 'eglQueryString'). Expected an OpenGL library and its driver. On Debian or "
        "Ubuntu: apt-get install libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri; elsewhere install "
        "the package that brings libEGL.so.1 and a driver for it."
    )


def test_the_doctor_reports_what_works_and_what_the_trial_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Seen to fail: with the trial's exit code ignored
    monkeypatch.setattr(doctor, "ENGINES", ("native", "warp"))
    monkeypatch.setenv("MUJOCO_GL", "off")
    report = doctor.examine()
    json.dumps(report, allow_nan=False)
    assert report["ok"]
    assert report["engines"]["native"] == {"ok": True}
    assert report["engines"]["warp"]["problem"].startswith("Engine 'warp' is not available")
    assert not report["rendering"]["ok"]
    assert "MUJOCO_GL=off" in report["rendering"]["problem"]
    lines = doctor.format_report(report).splitlines()
    assert "  native     works" in lines


def test_the_doctor_says_that_jax_finds_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> list[object]:
        raise RuntimeError("Unable to initialize backend 'cuda'")

    monkeypatch.setattr(jax, "devices", nothing)
    monkeypatch.setattr(doctor, "_rendering", lambda: {"ok": True})
    report = doctor.examine()
    assert not report["ok"]
    assert "  Unable to initialize backend 'cuda'" in doctor.format_report(report).splitlines()
