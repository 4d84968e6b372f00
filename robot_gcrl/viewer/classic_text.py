"""The texts of the classic window: goal, robot, and what the keys do."""

import math
import textwrap
import threading
from typing import Any

import mujoco

from robot_gcrl.viewer.goal_text import distance_text, goal_text
from robot_gcrl.viewer.headings import make_headings
from robot_gcrl.viewer.stage import Stage

Text = tuple[int, int, str, str]
"""Font, place in the window, left column, right column."""

_WORDS = {
    "none": "no goal yet",
    "pending": "asked for",
    "active": "pursued",
    "refused": "REFUSED",
}
# [characters]: of a line, and of a column, for which MuJoCo has 500
_WIDTH = 70
_COLUMN = 480
_KEYS = "arrows, PageUp, PageDown\nG\ndouble-click, Ctrl+right drag\nEnd"
_DEEDS = "move the goal\nrandom goal\ndrag the goal\nstart or end the tour"
_OWN = ("Space", "pause")
_LIVE = ("Enter\nHome", "STOP the robot\nclear the stop")


class Teller:
    """A thread that hands texts over, as this takes the window a whole frame."""

    def __init__(self, handle: Any) -> None:
        """Nothing is told yet.

        Args:
          handle: of the window.
        """
        self._handle = handle
        self._texts: list[Text] = []
        self._told: list[Text] = []
        self._wakes, self._ends = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def tell(self, texts: list[Text]) -> None:
        """Texts for the next frame that is free; never waits."""
        self._texts = texts
        self._wakes.set()

    def close(self) -> None:
        """Ends the thread; call it when the window is closed."""
        self._ends.set()
        self._wakes.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._wakes.wait()
            self._wakes.clear()
            if self._ends.is_set() or not self._handle.is_running():
                return
            texts = self._texts
            if texts != self._told:
                self._handle.set_texts(texts)
                self._told = texts


def make_texts(stage: Stage, *, paused: bool) -> list[Text]:
    """The texts of a stage: status on the left above, keys on the left below."""
    names, values = _columns(_rows(stage, paused=paused))
    keys, deeds = _LIVE if stage.is_live else _OWN
    if make_headings(stage.contract):
        keys, deeds = f"8, 9\n{keys}", f"turn the heading\n{deeds}"
    font = mujoco.mjtFontScale.mjFONTSCALE_100.value
    return [
        (font, mujoco.mjtGridPos.mjGRID_TOPLEFT.value, names, values),
        (font, mujoco.mjtGridPos.mjGRID_BOTTOMLEFT.value, f"{_KEYS}\n{keys}", f"{_DEEDS}\n{deeds}"),
    ]


def _rows(stage: Stage, *, paused: bool) -> list[tuple[str, str]]:
    status, desk, contract = stage.status(), stage.desk, stage.contract
    rows = [
        ("goal", goal_text(contract, desk.wanted)),
        ("", f"{_WORDS[desk.verdict.state]} {desk.verdict.text}".strip()),
    ]
    for group, distance in zip(contract.success, status.distances, strict=True):
        rows.append(("distance", distance_text(contract, group, float(distance))[1]))
    rows.append(("reached", "yes" if status.success else "no"))
    rows.append(("time at goal", f"{100 * status.time_at_goal:.0f}%"))
    rows.append(("episode", f"{status.seconds:.1f} s" + ", FELL" * status.fell))
    age = status.action_age
    rows.append(("policy", f"{status.policy_hz:.1f} Hz"))
    rows.append(("action age", f"{1000 * age:.0f} ms" if math.isfinite(age) else "none yet"))
    rows.append(("engine", status.engine))
    if status.link:
        rows.append(("link", status.link))
    if stage.tour.goals:
        at = f"at {stage.tour.index + 1}" if stage.tour.running else "stands"
        rows.append(("tour", f"{len(stage.tour.goals)} goals, {at}"))
    return [*rows, ("PAUSED", "")] if paused else rows


def _columns(rows: list[tuple[str, str]]) -> tuple[str, str]:
    """Both columns, with long values on several lines; the window's font knows ASCII alone."""
    names, values = [], []
    for name, value in rows:
        for i, line in enumerate(textwrap.wrap(value, _WIDTH) or [""]):
            names.append(name if i == 0 else "")
            values.append(line.encode("ascii", "replace").decode())
    return "\n".join(names)[:_COLUMN], "\n".join(values)[:_COLUMN]
