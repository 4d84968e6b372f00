"""What a person sees of a running server: one line, renewed each second. On stderr."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType

import numpy as np

from robot_gcrl.bridge.record import Recorder
from robot_gcrl.bridge.server import PolicyServer
from robot_gcrl.bridge.sessions import Session

_INTERVAL = 1.0  # [s]
_PLAIN_INTERVAL = 10.0  # where stderr is no terminal [s]


class LiveLine:
    """Commands per second, round trips, ages, drops and clips of a server."""

    def __init__(self, server: PolicyServer, recorder: Recorder | None) -> None:
        """Shows nothing yet."""
        self._server, self._recorder = server, recorder
        self._tty = sys.stderr.isatty()
        self._interval = _INTERVAL if self._tty else _PLAIN_INTERVAL
        self._shown = time.monotonic()
        self._commands = 0
        self._told_of_recorder = False

    def __enter__(self) -> "LiveLine":
        """The line."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves the last line standing."""
        self._write(self.line(time.monotonic() - self._shown), end="\n")

    def update(self) -> bool:
        """Shows the line when it is time to; always True, so that a loop can ask by it."""
        now = time.monotonic()
        if now - self._shown >= self._interval:
            for complaint in self._server.complaints():
                sys.stderr.write(f"\n{complaint}\n")
            self._write(self.line(now - self._shown), end="" if self._tty else "\n")
            self._shown = now
        return True

    def line(self, seconds: float) -> str:
        """The line for what happened in the last `seconds`."""
        core = self._server.core
        robots = list(core.sessions.robots.values())
        now = time.monotonic_ns()
        lost = sum(core.sessions.is_lost(session, now) for session in robots)
        commands = sum(session.counters.commands for session in robots)
        rate = max(commands - self._commands, 0) / max(seconds, 1e-9)
        self._commands = commands
        parts = [f"{len(robots)} robots" + (f" ({lost} lost)" if lost else "")]
        parts.append(f"{rate:.0f} commands/s")
        parts += _spread("round trip", [s.round_trips_ns for s in robots])
        parts += _spread("age", [s.ages_ns for s in robots])
        parts.append(f"{_dropped(robots)} dropped")
        parts.append(f"{sum(s.counters.clipped for s in robots)} clipped")
        refused = sum(core.refused.values())
        parts += [f"{refused} refused"] * bool(refused)
        parts += [f"{self._server.overloads} overloads"] * bool(self._server.overloads)
        settings = self._server.settings
        parts += [f"scale {settings.scale:g}"] * (settings.scale != 1.0)
        parts += ["DRY RUN"] * settings.dry_run
        return ", ".join(parts)

    def tell_of_recorder(self) -> None:
        """Says once that the recording ended before the server did, if it has."""
        if self._recorder is not None and self._recorder.failed and not self._told_of_recorder:
            self._told_of_recorder = True
            sys.stderr.write(f"\nThe recording ended: {self._recorder.failed}\n")

    def _write(self, line: str, *, end: str) -> None:
        self.tell_of_recorder()
        # \x1b[K: what is left of a longer line before
        sys.stderr.write(f"\r{line}\x1b[K{end}" if self._tty else f"{line}\n")
        sys.stderr.flush()


def _dropped(robots: Sequence[Session]) -> int:
    return sum(
        s.counters.superseded + s.counters.stale + s.counters.bad + s.counters.unsent
        for s in robots
    )


def _spread(name: str, samples: Sequence[Sequence[int]]) -> list[str]:
    values = np.array([value for some in samples for value in some])
    if not values.size:
        return []
    median, high = np.percentile(values, (50, 99)) / 1e6
    return [f"{name} {median:.2f} ms (p99 {high:.2f})"]
