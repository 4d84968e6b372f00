"""Servers and robots as child processes: waited for with a limit, and ended in any case."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType

from robot_gcrl.errors import BridgeError
from robot_gcrl.signals import ending_signals

# Lines of what a child says on stderr that are kept, and that an error tells
_TAIL, _TOLD = 40, 3
# For a child that was asked to end [s]
_ENDING = 10.0
# Of /proc/PID/stat, counted from behind the name: user and system time (proc(5))
_CPU_FIELDS = slice(11, 13)


class Child:
    """A Python process whose stderr is read as it comes."""

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Starts it.

        Args:
          name: for messages.
          arguments: of the interpreter that runs this program.
          environment: variables beside those of this program.
        """
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=os.environ | dict(environment),
        )
        self._changed = threading.Condition()
        self._tail: deque[tuple[int, str]] = deque(maxlen=_TAIL)
        self._count = 0
        self._is_silent_for_good = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Child":
        """The process."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends it."""
        self.close()

    def close(self) -> None:
        """Ends it as a user would, or if it does not end then, as a crash."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING)
        self.kill()

    def kill(self) -> None:
        """Ends it as a crash would (SIGKILL)."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def wait_for(self, text: str, timeout: float) -> None:
        """Returns when the process has said `text`, or has ended well without saying it.

        Raises:
          BridgeError: it failed, or said nothing at all for `timeout` [s].
        """
        with self._changed:
            while self.heard_ns(text) is None and not self._is_silent_for_good:
                self._wait_for_line(timeout)
        if self.heard_ns(text) is None:
            self.wait(timeout)

    def wait(self, timeout: float) -> None:
        """Returns when the process has ended.

        Raises:
          BridgeError: it failed, or said nothing for `timeout` [s].
        """
        with self._changed:
            while not self._is_silent_for_good:
                self._wait_for_line(timeout)
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise self._failure(f"does not end for {timeout:g} s") from error
        if code:
            raise self._failure(f"failed with exit code {code}")

    def heard_ns(self, text: str) -> int | None:
        """When it said a line with `text`, among the newest; monotonic clock [ns]."""
        return next((at for at, line in list(self._tail) if text in line), None)

    def say(self) -> None:
        """Sends an empty line to its standard input."""
        assert self._process.stdin is not None, "its standard input is a pipe"
        with contextlib.suppress(BrokenPipeError):  # it has ended, as waiting for it will tell
            self._process.stdin.write("\n")
            self._process.stdin.flush()

    def cpu_seconds(self) -> float | None:
        """What it has computed since its start [s]; None where the system does not tell."""
        try:
            content = Path(f"/proc/{self._process.pid}/stat").read_text()
        except OSError:
            return None
        ticks = content.rpartition(")")[2].split()[_CPU_FIELDS]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    def _wait_for_line(self, timeout: float) -> None:
        seen = self._count

        def is_news() -> bool:
            return self._count > seen or self._is_silent_for_good

        if not self._changed.wait_for(is_news, timeout):
            raise self._failure(f"says nothing for {timeout:g} s")

    def _failure(self, what: str) -> BridgeError:
        lines = [line.strip() for _, line in self._tail if line.strip()]
        return BridgeError(
            f"The {self.name} {what}. It said last: {' | '.join(lines[-_TOLD:]) or 'nothing'}. "
            "Expected it to go on until its work is done. Run it by hand to see more."
        )

    def _read(self) -> None:
        assert self._process.stderr is not None, "its stderr is a pipe"
        for line in self._process.stderr:
            with self._changed:
                self._tail.append((time.monotonic_ns(), line))
                self._count += 1
                self._changed.notify_all()
        with self._changed:
            self._is_silent_for_good = True
            self._changed.notify_all()


@contextlib.contextmanager
def ending_on_signals() -> Iterator[None]:
    """Lets SIGTERM and a hangup end the program as Ctrl-C does, so that its children end too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {n: signal.signal(n, end) for n in ending_signals() if n != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve_command(policy: Path, endpoint: str, *, runtime: str = "auto") -> list[str]:
    """The arguments of a `Child` that serves a policy file; once it can be reached, it says so.

    Its last line is then one with `LISTENS`.
    """
    command = ["-m", "robot_gcrl.cli", "serve", str(policy), "--bind", endpoint]
    return [*command, "--runtime", runtime]


LISTENS = "listens"
