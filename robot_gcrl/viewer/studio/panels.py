"""The viewer's side: gestures, the panels Goal and Status, what is drawn around the scene."""

import math

import mujoco
import numpy as np
from mujoco.studio import messages, plugin
from mujoco.studio.dear_imgui import dear_imgui as imgui

from robot_gcrl.viewer.energy import EnergyMap
from robot_gcrl.viewer.goal_text import distance_text
from robot_gcrl.viewer.goals import make_handles
from robot_gcrl.viewer.headings import make_headings, middle_goal
from robot_gcrl.viewer.overlay import COLORS, energy_geoms, make_overlay
from robot_gcrl.viewer.pointing import Pointing
from robot_gcrl.viewer.stage import Stage
from robot_gcrl.viewer.studio.gestures import Gestures, wants_random_goal
from robot_gcrl.viewer.studio.words import AskGoal, EditTour, ShowBelief, Shown, StopRobot

_WIDTH = 300.0
# Of the windows from the edges of the page: Goal on the left, Status on the right
_EDGE, _GOAL_TOP, _STATUS_TOP = 12.0, 70.0, 190.0
_WORDS = {
    "none": "no goal yet",
    "pending": "asked for",
    "active": "pursued",
    "refused": "REFUSED",
}


class Panels(plugin.ViewerPlugin):
    """Goal and status of one robot.

    Attributes:
      frames: that were drawn.
    """

    def __init__(self, stage: Stage) -> None:
        """Shows nothing until the simulation tells something.

        Args:
          stage: that is shown; of it, what does not change.
        """
        contract = stage.contract
        self._contract, self._markers, self._is_live = contract, stage.markers, stage.is_live
        self._low, self._high = contract.goal_bounds
        self.frames = 0
        self._shown: Shown | None = None
        self._goal = middle_goal(contract)
        self._handles, self._headings = make_handles(contract), make_headings(contract)
        pointing = Pointing(stage.show, stage.model)
        self._ground = pointing.ground
        self._gestures = Gestures(pointing, self._handles, self._headings)
        self._page_width = 0.0
        self._believes = False
        self._believed: EnergyMap | None = None
        self._plates: list[mujoco.MjvGeom] = []

    @messages.handler
    def on_shown(self, snapshot: Shown) -> None:
        """News of the simulation."""
        self._shown = snapshot
        # What is asked for here and not known there yet stays
        self._goal = snapshot.wanted.copy()
        viewer = self.viewer
        if snapshot.belief is not self._believed:  # new twice a second, and many geoms
            self._believed = snapshot.belief
            self._plates = [] if snapshot.belief is None else energy_geoms(snapshot.belief)
        around = make_overlay(
            self._markers,
            (self._low, self._high),
            wanted=snapshot.wanted,
            state=snapshot.state,
            tour=snapshot.tour,
            trace=snapshot.status.trace,
            ground=self._ground,
            headings=self._headings,
            chosen=self._handles[self._gestures.chosen].markers if self._handles else (),
        )
        viewer.extra_geoms[:] = around + self._plates

    @messages.handler
    def on_update(self, event: messages.UpdateEvent) -> None:
        """Mouse and keys of a frame."""
        del event
        self.frames += 1
        if wants_random_goal():
            self._ask(None)
        goal = self._gestures.read(self.viewer, self._goal)
        if goal is not None and not np.array_equal(goal, self._goal):
            self._ask(goal)

    @messages.handler
    def on_gui(self, event: messages.BuildGuiEvent) -> None:
        """The panels of a frame."""
        del event
        self._begin("Goal", _EDGE, _GOAL_TOP, pivot=0.0)
        self._goal_panel()
        imgui.End()
        # The page's size is known after some frames, and changes
        width = imgui.GetIO().DisplaySize.x
        moves, self._page_width = width != self._page_width, width
        self._begin("Status", width - _EDGE, _STATUS_TOP, pivot=1.0, moves=moves)
        self._status_panel()
        imgui.End()

    def _begin(
        self, name: str, left: float, top: float, *, pivot: float, moves: bool = False
    ) -> None:
        once = int(imgui.Cond.FirstUseEver)
        when = int(imgui.Cond.Always) if moves else once
        imgui.SetNextWindowPos(imgui.Vec2(left, top), when, imgui.Vec2(pivot, 0.0))
        imgui.SetNextWindowSize(imgui.Vec2(_WIDTH, 0.0), once)
        imgui.Begin(name, True)

    def _goal_panel(self) -> None:
        if len(self._handles) > 1:
            names = [handle.name for handle in self._handles]
            _, self._gestures.chosen = imgui.Combo("moves", self._gestures.chosen, names)
        self._sliders()
        if imgui.Button("random goal (G)"):
            self._ask(None)
        shown = self._shown
        if shown is not None:
            color = COLORS[shown.state]
            imgui.TextColored(imgui.Vec4(*color[:3], 1.0), _WORDS[shown.state])
            if shown.text:
                imgui.TextWrapped(shown.text)
        if self._markers:
            imgui.TextDisabled("Shift+click, Ctrl+drag, arrows")
        if self._headings:
            imgui.TextDisabled("heading: Ctrl+Alt+drag, 8 and 9")
        imgui.SeparatorText("Tour")
        self._tour_panel()
        if not self._is_live:
            switched, self._believes = imgui.Checkbox("what the critic believes", self._believes)
            if switched:
                self.viewer.send_to_sim(ShowBelief(self._believes))
        if self._is_live:
            imgui.SeparatorText("Robot")
            if imgui.Button("STOP"):
                self.viewer.send_to_sim(StopRobot())
            imgui.SameLine()
            if imgui.Button("clear"):
                self.viewer.send_to_sim(StopRobot(ends=True))

    def _sliders(self) -> None:
        """One for each number of the goal; one for the angle of each heading, instead of two."""
        of_heading = {heading.sin: None for heading in self._headings}
        of_heading |= {heading.cos: heading for heading in self._headings}
        for i, field in enumerate(self._contract.goal):
            heading = of_heading.get(i)
            if heading is not None:
                label, angle = f"{heading.name} [deg]", math.degrees(heading.angle(self._goal))
                changed, value = imgui.SliderFloat(label, angle, -180.0, 180.0, "%.0f")
                if changed:
                    self._ask(heading.turned(self._goal, math.radians(value)))
            elif i not in of_heading:
                label, value = f"{field.label} [{field.unit}]", float(self._goal[i])
                changed, value = imgui.SliderFloat(label, value, field.low, field.high)
                if changed:
                    goal = self._goal.copy()
                    goal[i] = value
                    self._ask(goal)

    def _tour_panel(self) -> None:
        shown = self._shown
        if shown is None:
            return
        for i, goal in enumerate(shown.tour):
            imgui.TextUnformatted(">" if i == shown.touring else " ")
            imgui.SameLine()
            if imgui.SmallButton(f"{', '.join(f'{x:.2f}' for x in goal)}##{i}"):
                self._ask(goal)
            imgui.SameLine()
            if imgui.SmallButton(f"remove##{i}"):
                self.viewer.send_to_sim(EditTour("remove", i))
        for deed in ("add", "start" if shown.touring < 0 else "stop", "save", "load"):
            if imgui.Button(deed):
                self.viewer.send_to_sim(EditTour(deed))
            imgui.SameLine()
        imgui.TextUnformatted("")
        if shown.note:
            imgui.TextWrapped(shown.note)

    def _status_panel(self) -> None:
        shown = self._shown
        if shown is None:
            imgui.TextUnformatted("waiting for the simulation")
            return
        status = shown.status
        for group, distance in zip(self._contract.success, status.distances, strict=True):
            _row(*distance_text(self._contract, group, float(distance)))
        _row("reached", "yes" if status.success else "no")
        _row("time at goal", f"{100 * status.time_at_goal:.0f}%")
        _row("episode", f"{status.seconds:.1f} s" + (", FELL" if status.fell else ""))
        _row("policy", f"{status.policy_hz:.1f} Hz")
        age = status.action_age
        _row("action age", f"{1000 * age:.0f} ms" if math.isfinite(age) else "none yet")
        if not self._is_live:
            _row("real time", f"x {shown.speed:.2f}")
        _row("engine", status.engine)
        if shown.belief is not None:
            for ranks in filter(None, (shown.belief.over_maze, shown.belief.over_grid)):
                path = "" if ranks.path is None else f"{ranks.path:.2f} with the path, "
                line = f"{ranks.straight:.2f} with the line"
                _row("energy's rank", f"{path}{line} ({ranks.places} cells)")
        if status.link:
            _row("link", status.link)

    def _ask(self, goal: np.ndarray | None) -> None:
        if goal is not None:
            self._goal = np.array(goal, np.float32)
        self.viewer.send_to_sim(AskGoal(goal))


def _row(name: str, value: str) -> None:
    imgui.TextDisabled(name)
    imgui.SameLine(110.0)
    imgui.TextWrapped(value)
