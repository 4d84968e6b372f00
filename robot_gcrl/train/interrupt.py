"""Ctrl-C, SIGTERM and SIGHUP: the first asks the run to save and end, the second ends it at once.

SIGUSR1 and SIGUSR2 are a scheduler's notice of what will follow: they ask to save and end, and do
not count as the first.

A hangup comes when the terminal is closed or the connection to it is lost, by shell and kernel one
each, so it is never a second one; where it is ignored (nohup) it stays ignored. The terminal is
gone then: what is said afterwards goes nowhere, instead of failing where the run is saved. What
stops a whole service or job (systemd, Slurm) tells every process of it, and one that waits for the
run hands the signal on: a SIGTERM right after another one is its echo.

A Python signal handler waits until the call that is running returns, and a compilation takes up to
minutes. So the C-level handler writes each signal to a socket, which a thread reads: that is how
the second one ends the process, whatever the main thread is doing.
"""

import contextlib
import os
import signal
import socket
import stat
import sys
import threading
import time
from types import FrameType, TracebackType

from robot_gcrl.signals import ENDING, NOTICES, ending_signals

# For so long after a SIGTERM another one is its echo [s]
_ECHO = 5.0
_SHOW_CURSOR = b"\x1b[?25h"


class Interrupted(SystemExit):
    """The run was interrupted and everything is saved; `code` is 128 + the signal's number.

    130 is Ctrl-C, 143 SIGTERM, 129 a hangup, 138 and 140 a notice.
    """


class Interrupt:
    """Within `with Interrupt() as interrupt:` signals are noted; to be entered by the main thread.

    Handlers that were installed before are back afterwards.
    """

    def __init__(self) -> None:
        """Installs nothing yet."""
        self._signal: int | None = None

    @property
    def is_set(self) -> bool:
        """Whether a signal came."""
        return self._signal is not None

    def raise_if_set(self) -> None:
        """Ends the process with the signal's exit code, if one came.

        Raises:
          Interrupted: one came.
        """
        if self._signal is not None:
            raise Interrupted(128 + self._signal)

    def __enter__(self) -> "Interrupt":
        """Installs the handlers."""
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        noted = *ending_signals(), *NOTICES
        self._before = {number: signal.signal(number, self._note) for number in noted}
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._watch, daemon=True, name="interrupt")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Restores what was installed before."""
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._writer.close()  # the thread reads the end of the stream
        self._thread.join()
        self._reader.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        if number == signal.SIGHUP:
            _leave_terminal()

    def _watch(self) -> None:
        seen, term = 0, -_ECHO
        while received := self._reader.recv(1):
            number = received[0]
            if number not in ENDING and number not in NOTICES:
                continue
            self._signal = number
            if number in NOTICES:
                _say("Told that this machine is taken away: saving, then ending.\n")
                continue
            if number == signal.SIGTERM:
                before, term = term, time.monotonic()
                if term - before < _ECHO:
                    continue
            seen += number != signal.SIGHUP
            if number == signal.SIGHUP:
                _leave_terminal()
            elif seen == 1:
                _say("Interrupted: saving, then ending. Once more ends at once, without saving.\n")
            else:
                _end(number)


def _leave_terminal() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _say(text: str) -> None:
    # Not through sys.stderr, whose lock the main thread may hold
    with contextlib.suppress(OSError):
        os.write(2, text.encode())


def _end(number: int) -> None:
    if sys.__stderr__ is not None and sys.__stderr__.isatty():
        os.write(2, _SHOW_CURSOR)
    os._exit(128 + number)
