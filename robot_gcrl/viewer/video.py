"""Films and pictures of a task: its scene, the goal, and on request the path of the robot.

Goal and path are drawn over the scene; the model never contains them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from robot_gcrl.errors import ConfigError, RenderingError
from robot_gcrl.task.task import Task
from robot_gcrl.train.record import Recorded
from robot_gcrl.viewer.cameras import View, calm, make_view, require_camera
from robot_gcrl.viewer.canvas import Canvas, Marker, Segment
from robot_gcrl.viewer.encode import VIDEO_SUFFIXES, require_suffix, unwritable, write_video
from robot_gcrl.viewer.grid import arrange, shape_of, tile_size
from robot_gcrl.viewer.markers import goal_markers, heading_arrows, path_knots, path_segments
from robot_gcrl.viewer.trail import Trail, in_world, make_trail, point

PICTURE_SIZE = (960, 540)
# Small and without shadows: without a GPU a frame then takes 0.05 s of one core instead of 0.2 s
FILM_SIZE = (640, 360)
MOST_SIDE_BY_SIDE = 16

# Radius of the line of a path, at the distance of what the camera looks at [px]
_LINE = 1.4


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a film of episodes looks like."""

    camera: str | None = None
    """A camera of the scene, or `track` or `top`; None is the task's own."""
    path: bool = False
    """Whether the path that the robot took is drawn."""
    side_by_side: int = 1
    """Episodes shown at once, in a grid; with 1 one after the other."""

    def __post_init__(self) -> None:
        if not 1 <= self.side_by_side <= MOST_SIDE_BY_SIDE:
            raise ConfigError(
                f"side_by_side is {self.side_by_side}. Expected 1 to {MOST_SIDE_BY_SIDE} episodes. "
                "Change --side-by-side."
            )


def require_film(task: Task, path: Path, look: Look) -> None:
    """Refuses a film that cannot be made of this task, before anything is recorded.

    Raises:
      RenderingError: the file's suffix, or a path where the goal is no point.
      UnknownNameError: no such camera.
    """
    require_suffix(path, VIDEO_SUFFIXES)
    if look.camera is not None:
        require_camera(task, look.camera)
    if look.path and point(task.contract) is None:
        labels = ", ".join(field.label for field in task.contract.goal)
        raise RenderingError(
            f"The goal of task {task.name!r} has no path: its fields are {labels}. Expected x and "
            "y in one success group. Leave out --path."
        )


def film(task: Task, episodes: Sequence[Recorded], path: Path, *, look: Look | None = None) -> Path:
    """Writes episodes in real time to an .mp4 or .webp file; returns its path.

    `look.side_by_side` of them are shown at once; those that end earlier stand still until the
    last of them ends, then come the next.

    Args:
      task: whose episodes they are.
      episodes: at least one.
      path: the file.
      look: None is the task's camera, no path, one episode after the other.

    Raises:
      RenderingError: this machine cannot draw, the file cannot be written, or the task's goal is
        no point and a path is wanted.
      UnknownNameError: no such camera.
    """
    look = look or Look()
    require_film(task, path, look)
    rate = Fraction(1.0 / task.contract.control_dt).limit_denominator(1000)
    shape = shape_of(look.side_by_side)
    size = FILM_SIZE if look.side_by_side == 1 else tile_size(PICTURE_SIZE, shape)
    trails = [make_trail(task, episode.qpos) for episode in episodes]
    view = make_view(task, look.camera, episodes, trails, aspect=size[0] / size[1])
    shots = [
        _Shot(task, episode, trail, path=look.path, view=view)
        for episode, trail in zip(episodes, trails, strict=True)
    ]
    with Canvas(
        task.model, width=size[0], height=size[1], shadows=False, camera=view.camera
    ) as canvas:
        tiles = _tiles(canvas, shots, look.side_by_side)
        frames = (arrange(page, shape, size) for page in tiles)
        width, height = arrange([], shape, size).shape[1::-1]
        return write_video(frames, path, width=width, height=height, rate=rate)


def draw_task(task: Task, episode: Recorded, path: Path) -> Path:
    """Writes a picture of an episode's start with its goal to a .png file; returns its path.

    Raises:
      RenderingError: this machine cannot draw, or the file cannot be written.
    """
    require_suffix(path, (".png",))
    start = make_trail(task, episode.qpos[:1])
    width, height = PICTURE_SIZE
    with Canvas(task.model, width=width, height=height, shadows=True, camera=task.camera) as canvas:
        markers = [
            *goal_markers(task, start.achieved[0], episode.goal),
            *heading_arrows(task, episode.goal),
        ]
        pixels = canvas.draw(episode.qpos[0], markers)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    except OSError as error:
        raise unwritable(path, error) from error
    return path


class _Shot:
    """An episode, ready to be drawn at any of its instants."""

    def __init__(
        self, task: Task, episode: Recorded, trail: Trail, *, path: bool, view: View
    ) -> None:
        self._task, self._episode, self._achieved = task, episode, trail.achieved
        self._lookat = calm(trail.body, task.contract.control_dt) if view.follows else None
        self._span = view.span
        place = point(task.contract) if path else None
        self._points = None if place is None else in_world(place, trail.achieved)
        self._knots = [] if self._points is None else path_knots(self._points)

    def __len__(self) -> int:
        return len(self._episode.qpos)

    def draw(self, canvas: Canvas, instant: int) -> np.ndarray:
        """The picture at an instant; after the end that of the end."""
        i = min(instant, len(self) - 1)
        markers: list[Marker | Segment] = [
            *goal_markers(self._task, self._achieved[i], self._episode.goal),
            *heading_arrows(self._task, self._episode.goal),
        ]
        if self._points is not None:
            radius = _LINE * self._span / canvas.height
            markers += path_segments(self._points, self._knots, i, radius=radius)
        lookat = None if self._lookat is None else self._lookat[i]
        return canvas.draw(self._episode.qpos[i], markers, lookat=lookat)


def _tiles(canvas: Canvas, shots: Sequence[_Shot], at_once: int) -> Iterator[list[np.ndarray]]:
    """The pictures of each frame, one for each of the episodes that are shown at once."""
    for first in range(0, len(shots), at_once):
        page = shots[first : first + at_once]
        for instant in range(max(map(len, page))):
            yield [shot.draw(canvas, instant) for shot in page]
