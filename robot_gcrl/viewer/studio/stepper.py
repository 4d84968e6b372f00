"""The simulation's side: steps the stage in time, takes goals, says what there is to see."""

import copy
import time
from pathlib import Path

import numpy as np
from mujoco.studio import messages, plugin
from mujoco.studio._studio import sim

from robot_gcrl.errors import ViewerError
from robot_gcrl.viewer.pacing import Pace
from robot_gcrl.viewer.stage import Stage
from robot_gcrl.viewer.studio.words import AskGoal, EditTour, ShowBelief, Shown, StopRobot

# Between two looks at what is due [s]: three to a frame of 60 Hz
_REST = 0.005
# Between two messages to the panels [s]
_TELL = 0.05
# Over which the achieved speed is measured [s]
_SPEED = 1.0


class Stepper(plugin.SimPlugin):
    """Instead of Studio's own step control, which may take several steps between two actions.

    Attributes:
      pace: how many physics steps are due.
    """

    def __init__(self, stage: Stage, *, tour: Path) -> None:
        """Takes the stage over.

        Args:
          stage: what is shown.
          tour: the file of its tour.
        """
        self.stage = stage
        self.pace = Pace(float(stage.model.opt.timestep))
        self._option = copy.deepcopy(stage.model.opt)
        self._tour_file = tour
        self._note = ""
        self._told_at = 0.0
        self._speed = 0.0
        self._believes = False
        self._measured = (time.monotonic(), float(stage.data.time))

    @messages.handler(priority=messages.Priority.USER)
    def on_step(self, event: messages.StepEvent) -> bool:
        """Steps what is due."""
        del event
        now = time.monotonic()
        self.stage.take_dragged_goal()
        self.stage.step(self.pace.due(now))
        if now - self._told_at >= _TELL:
            self._told_at = now
            self.handle.send_to_viewer(self._shown())
        if now - self._measured[0] >= _SPEED:
            self._measure_speed(now)
        time.sleep(_REST)
        return True

    @messages.handler
    def on_goal(self, event: AskGoal) -> None:
        """A person's goal."""
        self.stage.tour.stop()
        if event.goal is None:
            self.stage.random_goal()
        else:
            self.stage.ask(event.goal)

    @messages.handler
    def on_tour(self, event: EditTour) -> None:
        """A person edits the tour."""
        tour = self.stage.tour
        try:
            if event.deed == "add":
                if self.stage.desk.verdict.state == "refused":
                    self._note = "a refused goal is not added"
                    return
                tour.add(self.stage.desk.wanted)
            elif event.deed == "remove" and 0 <= event.index < len(tour.goals):
                following = tour.remove(event.index)
                if following is not None:
                    self.stage.ask(following)
            elif event.deed == "start":
                first = tour.start()
                if first is not None:
                    self.stage.ask(first)
            elif event.deed == "stop":
                tour.stop()
            elif event.deed == "save":
                tour.save(self._tour_file)
                self._note = f"saved as {self._tour_file}"
                return
            elif event.deed == "load":
                tour.load(self._tour_file)
            self._note = ""
        except ViewerError as error:
            self._note = str(error)

    @messages.handler
    def on_stop(self, event: StopRobot) -> None:
        """A person stops a live robot."""
        if event.ends:
            self.stage.clear()
        else:
            self.stage.stop()

    @messages.handler
    def on_belief(self, event: ShowBelief) -> None:
        """The map of the critic's energy, on or off."""
        self._believes = event.on
        # A map comes half a second later, if there is a critic
        lacks = event.on and self.stage.show.belief is None
        self._note = "a map needs the critic: export --with-critic" if lacks else ""

    @messages.handler
    def on_reset(self, event: messages.ResetEvent) -> bool:
        """Another start; the goal stays. A live robot is not ours to place."""
        del event
        if not self.stage.is_live:
            self.stage.reset()
        return True

    @messages.handler
    def on_control(self, event: messages.StepControlSnapshot) -> bool:
        """Pause and speed."""
        self.pace.paused = event.pause_state != sim.PauseState.UNPAUSED
        self.pace.speed = max(event.speed, 0.0) / 100.0
        return True

    @messages.handler
    def on_pause(self, event: messages.RequestPauseEvent) -> bool:
        """Pause."""
        self.pace.paused = event.pause_state != sim.PauseState.UNPAUSED
        return True

    @messages.handler
    def on_single(self, event: messages.SingleStepEvent) -> bool:
        """One physics step."""
        del event
        self.pace.step_once()
        return True

    @messages.handler
    def on_load(self, event: messages.LoadModelEvent) -> bool:
        """A file that is dropped on the page is not loaded: the policy is of this scene."""
        if event.path:
            self._note = "another model cannot be shown: the policy is of this scene"
        return True

    @messages.handler
    def on_option(self, event: messages.MjOptionSnapshot) -> bool:
        """Physics stays that of the task."""
        del event
        self._note = "the physics is the task's"
        self.handle.send_to_viewer(messages.MjOptionSnapshot(opt=copy.deepcopy(self._option)))
        return True

    @messages.handler
    def on_perturb(self, event: messages.PerturbSnapshot) -> bool:
        """A push with the mouse; a live robot feels nothing of it."""
        del event
        return self.stage.is_live

    def _measure_speed(self, now: float) -> None:
        then, simulated = self._measured
        self._measured = now, float(self.stage.data.time)
        self._speed = max((self._measured[1] - simulated) / (now - then), 0.0)

    def _shown(self) -> Shown:
        stage = self.stage
        goals = stage.tour.goals
        return Shown(
            wanted=stage.desk.wanted.copy(),
            state=stage.desk.verdict.state,
            text=stage.desk.verdict.text,
            status=stage.status(),
            tour=np.array(goals) if goals else np.zeros((0, stage.contract.goal_size)),
            touring=stage.tour.index if stage.tour.running else -1,
            note=self._note,
            speed=self._speed,
            belief=self.stage.believe() if self._believes else None,
        )
