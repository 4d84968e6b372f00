"""Session, timers, stops and the command in force: in which state a robot is.

Time is what the caller passes, monotonic nanoseconds; durations are summed from call to call, so
that a clock that goes back ends no stop and prolongs no command. Two kinds of stop hold side by
side: the link stop (no fresh command, or the link lost) ends with the next session; the latched
stop ends with `clear` alone. A stop drops the command, and nothing accepted before it is run after.
"""

import numpy as np

from robot_gcrl.bridge.guard.events import Command, Counters, State, Stop, Verdict
from robot_gcrl.bridge.guard.limits import Limits


class Watchdog:
    """The state of a robot, as far as it follows from time and messages.

    Attributes:
      latched: the latched stop, or None.
      lost: the link stop, or None.
      elapsed_ns: what has passed since the start [ns].
      counters: of commands and stops.
    """

    def __init__(self, limits: Limits, now_ns: int) -> None:
        """Without a session."""
        self._limits = limits
        self._now = now_ns
        self._has_session = False
        self._command: Command | None = None
        self.elapsed_ns = 0
        self.latched: Stop | None = None
        self.lost: Stop | None = None
        self.counters = Counters()
        self.forget(now_ns)

    @property
    def report_ns(self) -> int | None:
        """The stamp of the report that the command in force answers, or None [ns]."""
        return None if self._command is None else self._command.report_ns

    def advance(self, now_ns: int) -> None:
        """Lets time pass; this is where the watchdog bites."""
        step = now_ns - self._now
        self._now = now_ns
        if step < 0:
            self.latch(Stop("robot", f"the clock went back by {-step} ns"))
        self.elapsed_ns += max(step, 0)
        is_watched = self._has_session and self.latched is None and self.lost is None
        if is_watched and self._silence() >= self._limits.stop_ns:
            self.lose(f"no fresh command for {self._silence() / 1e6:.0f} ms")

    def begin_session(self) -> None:
        """The link stop ends; commands that answer a report from now on may come."""
        self._has_session = True
        self.lost = None
        self.forget(self._now)

    def forget(self, now_ns: int) -> None:
        """Time is `now_ns`, be it earlier; what was reported or commanded before does not count."""
        self._now = now_ns
        self._since = now_ns
        self._answered: int | None = None
        self._fresh_at = self.elapsed_ns
        self._command = None

    def lose(self, reason: str) -> None:
        """The link stop; without a session there is no link to lose."""
        if not self._has_session:
            return
        self._command = None
        if self.lost is None:
            self.lost = Stop("link", reason)
            self.counters.link_stops += 1
        else:
            self.lost = self.lost._replace(times=self.lost.times + 1)

    def latch(self, stop: Stop) -> None:
        """The latched stop; of several reasons the first is kept."""
        self._command = None
        if self.latched is None:
            self.latched = stop
            self.counters.latched_stops += 1
        else:
            self.latched = self.latched._replace(times=self.latched.times + 1)

    def clear(self) -> bool:
        """Ends the latched stop; whether there was one."""
        if self.latched is None:
            return False
        self.latched = None
        # That a robot which stood was not commanded says nothing about the link
        self._fresh_at = self.elapsed_ns
        return True

    def accept(self, command: Command) -> Verdict:
        """Judges a command, counts it, and puts it in force if it is accepted."""
        verdict = self._judge(command.report_ns, command.valid_until_ns)
        if verdict == "accepted" and (problem := self._problem(command.chunk)) is not None:
            self.latch(Stop("command", problem))
            verdict = "refused"
        self._count(verdict)
        if verdict == "accepted":
            self._answered, self._fresh_at = command.report_ns, self.elapsed_ns
            self._command = command._replace(chunk=np.array(command.chunk, float))
        return verdict

    def accept_idleness(self, report_ns: int) -> Verdict:
        """The server answers a report and commands nothing: the link is alive, the robot holds."""
        verdict = self._judge(report_ns, self._now)
        self._count(verdict)
        if verdict == "accepted":
            self._answered, self._fresh_at = report_ns, self.elapsed_ns
            self._command = None
        return verdict

    def state_and_row(self) -> tuple[State, np.ndarray | None]:
        """The state now, and what is commanded [A], if anything is."""
        if self.latched is not None:
            return "latched", None
        if self.lost is not None:
            return "stop", None
        if not self._has_session:
            return "waiting", None
        if self._command is None:
            return "hold", None
        chunk, report_ns, valid_until_ns = self._command
        period = self._limits.period_ns
        row = (self._now - report_ns) // period
        last = min((valid_until_ns - report_ns) // period, len(chunk) - 1)
        if self._silence() < self._limits.hold_ns:
            return "run", chunk[min(row, last)]
        return "hold", chunk[row] if row <= last else None

    def _silence(self) -> int:
        return self.elapsed_ns - self._fresh_at

    def _judge(self, report_ns: int, valid_until_ns: int) -> Verdict:
        if not self._has_session:
            return "without_session"
        if self.latched is not None or self.lost is not None:
            return "while_stopped"
        if report_ns > self._now:
            return "unasked"
        is_old = self._now - report_ns > self._limits.command_age_ns
        if is_old or report_ns < self._since or self._now > valid_until_ns:
            return "old"
        if self._answered is not None and report_ns <= self._answered:
            return "repeated"
        return "accepted"

    def _problem(self, chunk: np.ndarray) -> str | None:
        """Why a chunk must not be run, in one clause."""
        if chunk.dtype.kind != "f":
            return f"a command of {chunk.dtype}, not of floating-point numbers"
        finite = np.isfinite(chunk)
        if not finite.all():
            i = int((~finite).argmax())
            return f"a command holds {chunk.flat[i]} (number {i})"
        if chunk.ndim != 2 or len(chunk) == 0 or chunk.shape[1] != len(self._limits.axes):
            return f"a command of shape {chunk.shape}, not (k, {len(self._limits.axes)})"
        return None

    def _count(self, verdict: Verdict) -> None:
        setattr(self.counters, verdict, getattr(self.counters, verdict) + 1)
