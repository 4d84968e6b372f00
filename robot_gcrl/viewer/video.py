"""Films and pictures of a task: its scene, and the goal as a marker that the model never contains.

A goal is drawn where its fields x, y, z put it, in the size of its success radius: a ball, or a
disk on the floor where the goal has no height. It is brighter while the goal is reached.
"""

import contextlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import mujoco
import numpy as np
from PIL import Image

from robot_gcrl.contract.observe import (
    Report,
    achieved_goal,
    goal_distances,
    make_layout,
    read_inputs,
)
from robot_gcrl.errors import RenderingError
from robot_gcrl.task.task import Task
from robot_gcrl.train.record import Recorded
from robot_gcrl.viewer.canvas import Canvas, Marker

PICTURE_SIZE = (960, 540)
# Small and without shadows: without a GPU a frame then takes 0.05 s of one core instead of 0.2 s
FILM_SIZE = (640, 360)

_AXES = "xyz"
_GREEN = (0.15, 0.75, 0.35)
_FAINT, _BRIGHT = 0.25, 0.55


def film(task: Task, episodes: Iterable[Recorded], path: Path) -> Path:
    """Writes episodes, one after the other in real time, to an .mp4 file; returns its path.

    Raises:
      RenderingError: this machine cannot draw, or the file cannot be written.
    """
    _require_suffix(path, ".mp4")
    rate = Fraction(1.0 / task.contract.control_dt).limit_denominator(1000)
    width, height = FILM_SIZE
    with Canvas(
        task.model, width=width, height=height, shadows=False, camera=task.camera
    ) as canvas:
        frames = (
            canvas.draw(qpos, goal_markers(task, qpos, episode.goal))
            for episode in episodes
            for qpos in episode.qpos
        )
        return write_video(frames, path, width=width, height=height, rate=rate)


def draw_task(task: Task, episode: Recorded, path: Path) -> Path:
    """Writes a picture of an episode's start with its goal to a .png file; returns its path.

    Raises:
      RenderingError: this machine cannot draw, or the file cannot be written.
    """
    _require_suffix(path, ".png")
    qpos = episode.qpos[0]
    width, height = PICTURE_SIZE
    with Canvas(task.model, width=width, height=height, shadows=True, camera=task.camera) as canvas:
        pixels = canvas.draw(qpos, goal_markers(task, qpos, episode.goal))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def write_video(
    frames: Iterable[np.ndarray], path: Path, *, width: int, height: int, rate: Fraction
) -> Path:
    """Writes frames, uint8 [height, width, 3] of even sides, at `rate` [1/s] as H.264 in MP4.

    The film is written beside `path` and moved there when it is complete.

    Raises:
      RenderingError: the file cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(unfinished), "w", format="mp4") as container:
            stream = cast("av.VideoStream", container.add_stream(_codec(), rate=rate))
            stream.pix_fmt = "yuv420p"
            stream.width, stream.height = width, height
            for packet in _packets(frames, stream):
                container.mux(packet)
        unfinished.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):  # its folder may be missing
            unfinished.unlink()
    return path


def goal_markers(task: Task, qpos: np.ndarray, goal: np.ndarray) -> list[Marker]:
    """The markers of a goal [G] (SI) for a robot at qpos [nq].

    A success group without a coordinate x, y or z (an angle, a gap) has no marker.
    """
    contract, model = task.contract, task.model
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_forward(model, data)
    report = Report(data.qpos, data.qvel, data.sensordata)
    achieved = achieved_goal(contract, read_inputs(make_layout(contract, model), report))
    distances = goal_distances(contract, achieved, goal)
    labels = [field.label for field in contract.goal]
    markers: list[Marker] = []
    for group, distance in zip(contract.success, distances, strict=True):
        place: dict[int, float] = {}
        for label in group.labels:
            axis = label.rsplit("_", 1)[-1]
            if axis in _AXES:
                place[_AXES.index(axis)] = float(goal[labels.index(label)])
        if place:
            alpha = _BRIGHT if distance <= group.radius else _FAINT
            markers.append(_marker(place, group.radius, alpha))
    return markers


def _marker(place: dict[int, float], radius: float, alpha: float) -> Marker:
    x, y, z = (place.get(axis, 0.0) for axis in range(3))
    rgba = (*_GREEN, alpha)
    if 2 in place:
        return Marker(mujoco.mjtGeom.mjGEOM_SPHERE, (x, y, z), (radius, radius, radius), rgba)
    thickness = 0.02 * radius
    return Marker(
        mujoco.mjtGeom.mjGEOM_CYLINDER, (x, y, 2 * thickness), (radius, thickness, 0.0), rgba
    )


def _codec() -> str:
    # Builds of FFmpeg without x264 still have MPEG-4
    return "libx264" if "libx264" in av.codecs_available else "mpeg4"


def _packets(frames: Iterable[np.ndarray], stream: av.VideoStream) -> Iterator[av.Packet]:
    for pixels in frames:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _require_suffix(path: Path, suffix: str) -> None:
    if path.suffix != suffix:
        raise RenderingError(
            f"Cannot write {str(path)!r}. Expected a file name that ends in {suffix}. Change the "
            "name."
        )


def _unwritable(path: Path, error: OSError) -> RenderingError:
    return RenderingError(
        f"Cannot write {str(path)!r}: {error.strerror or error}. Expected a folder that can be "
        "written to. Name another one."
    )
