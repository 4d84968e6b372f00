"""The guard: what stands between a command and a motor, on the robot's side."""

from typing import NamedTuple

import numpy as np

from robot_gcrl.bridge.guard.events import Command, Counters, State, Stop, Verdict
from robot_gcrl.bridge.guard.limits import Limits
from robot_gcrl.bridge.guard.measurement import Measured, read, require_no_velocity
from robot_gcrl.bridge.guard.motion import Clips, Motion
from robot_gcrl.bridge.guard.watchdog import Watchdog
from robot_gcrl.errors import RobotError


class Tick(NamedTuple):
    """What is to be written now, and why.

    Attributes:
      ctrl: float64 [A], finite and within the bounds; the caller's to keep.
      state: of the robot.
      ramp: how far motion is faded in, from 0 to 1.
      clips: where which limit changed the command.
      report_ns: stamp of the report that the command being run answers, or None [ns].
      stop: why the robot stands: the latched stop, else the link stop, else None.
    """

    ctrl: np.ndarray
    state: State
    ramp: float
    clips: Clips
    report_ns: int | None
    stop: Stop | None


class Guard:
    """A state machine with explicit time, run by the loop that writes the motors.

    It reads no clock and never raises after it was made. Every call takes the time, monotonic
    nanoseconds on the clock that also stamps the reports. Not for several threads.

    Attributes:
      state: as of the last tick.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        now_ns: int,
        position: np.ndarray,
        velocity: np.ndarray | None = None,
        tick_ns: int | None = None,
    ) -> None:
        """At rest where the robot is, without a session.

        Args:
          limits: of `fit`.
          now_ns: the time [ns].
          position: [A], measured, of the actuated joints; anything where there is none.
          velocity: [A] likewise, or None if this robot never measures it.
          tick_ns: period of the loop [ns]; None is the control period.

        Raises:
          RobotError: a stop rule needs a velocity that is not measured, the measurement is not
            finite or outside the joints' limits, or the period is none.
        """
        self._limits = limits
        self._tick_ns = limits.period_ns if tick_ns is None else tick_ns
        if self._tick_ns <= 0:
            raise RobotError(
                f"The guard's loop has a period of {tick_ns} ns. Expected a number above 0."
            )
        self._needs_velocity = velocity is not None
        if velocity is None:
            require_no_velocity(limits)
        measured, fault = read(limits, position, velocity, needs_velocity=self._needs_velocity)
        if fault is not None:
            raise RobotError(
                f"The robot cannot start: {fault.reason}. Expected finite positions within the "
                "joints' limits. Mend the sensor or bring the joint back, then start again."
            )
        self._motion = Motion(limits, measured.position)
        self._watchdog = Watchdog(limits, now_ns)
        self._ticked_at = 0
        self._rests_since: int | None = 0
        self._is_damped = False
        self.state: State = "waiting"

    @property
    def latched(self) -> Stop | None:
        """The latched stop, which every hello reports, or None."""
        return self._watchdog.latched

    @property
    def link_stop(self) -> Stop | None:
        """The link stop, which the next session ends, or None."""
        return self._watchdog.lost

    @property
    def counters(self) -> Counters:
        """What happened so far; the guard's own object."""
        return self._watchdog.counters

    def begin_session(self, now_ns: int, *, scale: float = 1.0) -> None:
        """A server has accepted the hello; a link stop ends, a latched stop does not.

        Args:
          now_ns: the time; commands that answer an earlier report are old [ns].
          scale: multiplies all limits but those of positions, in (0, 1].

        Raises:
          RobotError: such a scale must not be; nothing has changed.
        """
        if not 0.0 < scale <= 1.0:
            raise RobotError(
                f"A session with scale {scale} is refused. Expected a number above 0 and at most "
                "1. Start the server with another --scale."
            )
        self._watchdog.advance(now_ns)
        self._watchdog.begin_session()
        self._motion.scale(scale)
        self._motion.fade_in()

    def lose_link(self, now_ns: int, reason: str) -> None:
        """The session is over (a bye, a closed socket): the link stop, at once."""
        self._watchdog.advance(now_ns)
        self._watchdog.lose(reason)

    def stop(self, now_ns: int, reason: str, *, is_fault: bool = False) -> None:
        """The latched stop: of an operator, or for a fault of the robot."""
        self._watchdog.advance(now_ns)
        self._watchdog.latch(Stop("robot" if is_fault else "operator", reason))

    def clear(self, now_ns: int) -> bool:
        """An operator ends the latched stop; whether there was one.

        Motion fades in again with the next command, which must be a new one. What made the robot
        stop latches it again if it lasts.
        """
        self._watchdog.advance(now_ns)
        was_latched = self._watchdog.clear()
        if was_latched:
            self._motion.fade_in()
        return was_latched

    def accept(self, now_ns: int, command: Command) -> Verdict:
        """Takes a command, or says (and counts) why not. The chunk is copied."""
        self._watchdog.advance(now_ns)
        return self._watchdog.accept(command)

    def idle(self, now_ns: int, report_ns: int) -> Verdict:
        """The server answers the report of `report_ns` and commands nothing: no goal, a dry run.

        The link is alive, the robot holds, and motion fades in with the next command.
        """
        self._watchdog.advance(now_ns)
        verdict = self._watchdog.accept_idleness(report_ns)
        if verdict == "accepted":
            self._motion.fade_in()
        return verdict

    def place(self, now_ns: int, position: np.ndarray, velocity: np.ndarray | None = None) -> None:
        """A simulated reset: the robot is elsewhere, time may begin anew, motion does not fade in.

        Commands that answer an earlier report are old. Stops stay. A measurement that `tick` would
        not take latches a stop, and the robot is not moved to it.
        """
        measured, fault = read(
            self._limits, position, velocity, needs_velocity=self._needs_velocity
        )
        self._watchdog.forget(now_ns)
        # The first tick may come at the same instant, and writes for a whole period
        self._ticked_at = self._watchdog.elapsed_ns - self._tick_ns
        if fault is not None:
            self._watchdog.latch(fault)
        else:
            self._motion.place(measured.position)

    def tick(self, now_ns: int, position: np.ndarray, velocity: np.ndarray | None = None) -> Tick:
        """What to write to the motors now.

        Args:
          now_ns: the time; not later than that of the measurement by more than a tick [ns].
          position: [A], measured, as at the construction.
          velocity: [A] likewise; None only if it was None there.
        """
        watchdog = self._watchdog
        watchdog.advance(now_ns)
        measured, fault = read(
            self._limits, position, velocity, needs_velocity=self._needs_velocity
        )
        # A fault that lasts is one stop, not one in each tick
        if fault is not None and watchdog.latched is None:
            watchdog.latch(fault)
        passed = watchdog.elapsed_ns - self._ticked_at
        self._ticked_at = watchdog.elapsed_ns
        # A tick that comes late moves no farther than one in time; two at once hardly at all
        dt_ns = max(min(passed, self._tick_ns), 1)
        if passed > dt_ns:
            self._motion.coast(passed - dt_ns)
        clips, is_commanded = self._move(measured, dt_ns)
        return Tick(
            ctrl=self._motion.ctrl,
            state=self.state,
            ramp=self._motion.ramp,
            clips=clips,
            report_ns=watchdog.report_ns if is_commanded else None,
            stop=watchdog.latched or watchdog.lost,
        )

    def _move(self, measured: Measured, dt_ns: int) -> tuple[Clips, bool]:
        watchdog, motion, before = self._watchdog, self._motion, self._motion.ctrl
        state, row = watchdog.state_and_row()
        if state == "hold" and self.state == "run":
            self.counters.holds += 1
        self.state = state
        if row is not None:
            self._rests_since, self._is_damped = None, False
            clips = motion.follow(row, measured, dt_ns)
            self._count(clips)
        else:
            clips = self._rest(measured, dt_ns)
        if not np.isfinite(motion.ctrl).all():
            watchdog.latch(Stop("robot", "the guard computed a ctrl that is not finite"))
            self.state = "latched"
            motion.freeze(before)
            return clips, False
        return clips, row is not None

    def _rest(self, measured: Measured, dt_ns: int) -> Clips:
        elapsed = self._watchdog.elapsed_ns
        if self._rests_since is None:
            self._rests_since = elapsed
        # The link stop comes after a hold, a latched stop out of the run. Once damped, a legged
        # robot lies, and stays damped until it is commanded
        has_held = elapsed - self._rests_since >= self._limits.hold_ns
        self._is_damped |= self.state == "stop" or (self.state == "latched" and has_held)
        is_stopped = self.state not in ("run", "hold")
        return self._motion.rest(measured, dt_ns, stopped=is_stopped, damped=self._is_damped)

    def _count(self, clips: Clips) -> None:
        for name, changed in clips._asdict().items():
            if changed.any():
                setattr(self.counters, name, getattr(self.counters, name) + 1)
