"""The robot in C MuJoCo, commanded by a policy: what a viewer shows without a server.

Exactly `substeps` physics steps pass between two actions, however the viewer counts them: paused,
one by one, or at another speed.
"""

import collections
import math
import time
from typing import NamedTuple

import mujoco
import numpy as np

from robot_gcrl.contract.actuate import initial_ctrl
from robot_gcrl.contract.observe import (
    Report,
    achieved_goal,
    goal_distances,
    is_healthy,
    is_success,
    read_inputs,
    remembered,
)
from robot_gcrl.contract.reality import Command
from robot_gcrl.physics.variants import apply_variant
from robot_gcrl.policy.departure import Departure
from robot_gcrl.viewer.energy import EnergyMap
from robot_gcrl.viewer.goals import GoalDesk, make_markers
from robot_gcrl.viewer.ground import Ground
from robot_gcrl.viewer.scene import Act, PlacedMarkers, Show
from robot_gcrl.viewer.tour import Tour

# Pieces of the path that is drawn, and the control steps in a piece
TRACE = 50
_TRACE_EVERY = 2
# Where the goal says nothing of it [m]
_TRACE_HEIGHT = 0.02
# Actions whose rate is shown
_RATES = 20
_DIVERGED = (
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
)


class Status(NamedTuple):
    """What a person is told, of one instant.

    Attributes:
      achieved: float32 [G].
      distances: float32 [S], of each success group from the goal that is pursued, SI.
      success: whether every group is within its radius.
      time_at_goal: share of the control steps since the goal or the episode began.
      seconds: of the simulation since the episode began.
      policy_hz: actions per second of the clock.
      action_age: seconds of the clock since the last action, infinite before the first.
      engine: what steps and what commands.
      link: of a server, in words; empty without one.
      fell: whether the robot is in a state that ends an episode.
      trace: float [K, 3], where it was, the newest last; empty where the goal is no place.
    """

    achieved: np.ndarray
    distances: np.ndarray
    success: bool
    time_at_goal: float
    seconds: float
    policy_hz: float
    action_age: float
    engine: str
    link: str
    fell: bool
    trace: np.ndarray


class World:
    """One robot, its goal and its policy; see `Stage`.

    Attributes:
      show: what is shown.
      actions: that were taken since the start.
      ctrl: float32 [A] in force, in contract order.
    """

    is_live = False

    def __init__(self, show: Show, *, seed: int = 0) -> None:
        """The robot at a start of the evaluation, with a goal of it.

        Args:
          show: what is shown.
          seed: of starts and random goals.
        """
        self.show, self.title, self.contract = show, show.name, show.contract
        self._policy, self._engine = show.act, show.engine
        self.model = show.compile()
        self.data = mujoco.MjData(self.model)
        self.desk = GoalDesk(show.contract)
        self.tour = Tour(show.contract)
        self.markers = make_markers(show.contract)
        self._ground = Ground(self.model)
        self._placed = PlacedMarkers(self.model, self.data, self.markers)
        self._rng = np.random.default_rng(seed)
        self.actions = 0
        self._times: collections.deque[float] = collections.deque(maxlen=_RATES)
        self._trace: collections.deque[np.ndarray] = collections.deque(maxlen=TRACE + 1)
        self.reset()
        self.random_goal()

    def reset(self) -> None:
        """Another start; the goal stays."""
        starts, show = self.show.scenarios, self.show
        row = int(self._rng.integers(len(starts.qpos)))
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:], self.data.qvel[:] = starts.qpos[row], starts.qvel[row]
        if show.departure is not None:
            self._depart(show.departure)
        self._measure()
        inputs = self._true()
        if show.departure is not None:
            show.departure.begin(inputs)
            inputs = show.departure.shown
        self.ctrl = initial_ctrl(show.contract, inputs[None])[0]
        self._previous = np.zeros(show.contract.previous_action_size, np.float32)
        self._queue: tuple[np.ndarray, ...] = ()  # of a policy with chunks of actions, once begun
        self._command: Command | None = None
        self._substep = self._steps = self._at_goal = self._asked_steps = 0
        self._trace.clear()
        self.tour.restart()
        self.show_goal()

    def random_goal(self) -> None:
        """One of the goals of the evaluation."""
        goals = self.show.scenarios.goal
        self.ask(goals[int(self._rng.integers(len(goals)))])

    def ask(self, goal: np.ndarray) -> bool:
        """A person's goal [G], pursued from the next action on; whether it is within bounds."""
        is_within = self.desk.ask(goal)
        if is_within:
            self.desk.confirm(self.desk.wanted)
            self._at_goal = self._asked_steps = 0
        self.show_goal()
        return is_within

    def show_goal(self) -> None:
        """Puts the markers where the wanted goal is."""
        self._placed.show(self.desk.wanted)

    def take_dragged_goal(self) -> None:
        """Asks for the goal that a person has dragged a marker to, if one was moved."""
        goal = self._placed.dragged(self.desk.wanted)
        if goal is not None:
            self.tour.stop()
            self.ask(goal)
        self.show_goal()  # also where it was lifted, and the goal says nothing of the height

    def step(self, count: int) -> None:
        """`count` physics steps, with an action where one is due."""
        for _ in range(count):
            if self._substep == 0:
                self._act()
            if self._command is not None and self._substep == self._command.substeps:
                self.data.ctrl[self.show.layout.actuators] = self._command.ctrl
            mujoco.mj_step(self.model, self.data)
            # MuJoCo has put a robot and markers to where the model has them
            if any(self.data.warning[kind].number for kind in _DIVERGED):
                self.reset()
                continue
            self._substep = (self._substep + 1) % self.show.substeps
            if self._substep == 0:
                self._finish_control_step()

    def take_policy(self, act: Act, engine: str) -> None:
        """Goes on with another policy for the same robot.

        Args:
          act: see `Show`.
          engine: what it is, in words.
        """
        self._policy, self._engine = act, f"C MuJoCo, {engine}"
        self._queue = ()

    def stop(self) -> None:
        """A simulated robot is paused instead."""

    def clear(self) -> None:
        """See `stop`."""

    def believe(self) -> EnergyMap | None:
        """See `Stage`."""
        belief = self.show.belief
        if belief is None:
            return None
        return belief.ask(self._true(), self._previous, self.desk.wanted)

    def close(self) -> None:
        """Ends what is under way."""
        if self.show.belief is not None:
            self.show.belief.close()

    def status(self) -> Status:
        """What a person is told now."""
        contract, report = self.show.contract, self._report()
        achieved = achieved_goal(contract, read_inputs(self.show.layout, report))
        distances = goal_distances(contract, achieved, self.desk.pursued)
        now, times = time.monotonic(), self._times
        spread = times[-1] - times[0] if len(times) > 1 else 0.0
        return Status(
            achieved=achieved,
            distances=distances,
            success=bool(is_success(contract, distances)),
            time_at_goal=self._at_goal / max(self._asked_steps, 1),
            seconds=self._steps * contract.control_dt,
            policy_hz=(len(times) - 1) / spread if spread > 0.0 else 0.0,
            action_age=now - times[-1] if times else math.inf,
            engine=self._engine,
            link="",
            fell=not bool(is_healthy(contract, self.show.layout, report)),
            trace=np.array(self._trace) if self._trace else np.zeros((0, 3)),
        )

    def _act(self) -> None:
        show, goal = self.show, self.desk.active
        if goal is None:
            self._queue = ()
            return
        self._times.append(time.monotonic())
        inputs, departure = self._true(), show.departure
        if departure is not None:
            inputs, goal = departure.shown, departure.told(goal)
        given = (inputs[None], goal[None], self._previous[None], self.ctrl[None])
        output = self._policy(*given, *self._queue)
        if np.isfinite(output.action).all() and np.isfinite(output.ctrl).all():
            self._previous = remembered(show.contract, output.action[0], self._previous)
            self.ctrl = output.ctrl[0]
            self._queue = () if output.queue is None else (output.queue,)
        self.data.ctrl[show.layout.actuators] = self.ctrl
        if departure is not None:
            self._command = departure.send(self.ctrl)
            self.data.ctrl[show.layout.actuators] = self._command.held
            self.data.qvel[:] = departure.kick(self.data.qvel)
        self.actions += 1

    def _depart(self, departure: Departure) -> None:
        """Another robot of the same kind: other masses, another pose."""
        departure.draw((int(self._rng.integers(2**32)),))
        self.data.qpos[:] = departure.place(self.data.qpos)
        apply_variant(self.model, self.data, departure.fields)

    def _finish_control_step(self) -> None:
        self._measure()
        if self.show.departure is not None and self._command is not None:
            self.show.departure.see(self._true())
        self._steps += 1
        self._asked_steps += 1
        contract = self.show.contract
        achieved = achieved_goal(contract, read_inputs(self.show.layout, self._report()))
        if not np.isfinite(achieved).all():
            self.reset()  # the simulation diverged
            return
        reached = bool(is_success(contract, goal_distances(contract, achieved, self.desk.pursued)))
        self._at_goal += reached
        if self._steps % _TRACE_EVERY == 0 and self.markers:
            self._trace.append(self._ground.place(self.markers[0], achieved, _TRACE_HEIGHT))
        following = self.tour.advance(reached, contract.control_dt)
        if following is not None:
            self.ask(following)

    def _measure(self) -> None:
        """Positions and sensors of this instant, held as float32 as where the policy was trained.

        Not mj_forward, which would solve for accelerations that nobody asks for.
        """
        data = self.data
        data.qpos[:], data.qvel[:] = data.qpos.astype(np.float32), data.qvel.astype(np.float32)
        mujoco.mj_fwdPosition(self.model, data)
        mujoco.mj_sensorPos(self.model, data)
        mujoco.mj_fwdVelocity(self.model, data)
        mujoco.mj_sensorVel(self.model, data)

    def _true(self) -> np.ndarray:
        """Float32 [I]: what is true now."""
        return read_inputs(self.show.layout, self._report())

    def _report(self) -> Report:
        data = self.data
        return Report(
            *(value.astype(np.float32) for value in (data.qpos, data.qvel, data.sensordata))
        )
