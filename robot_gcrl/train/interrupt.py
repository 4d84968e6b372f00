"""Ctrl-C and SIGTERM: the first asks the run to save and end, the second ends it at once.

A Python signal handler waits until the call that is running returns, and a compilation takes up to
minutes. So the C-level handler writes each signal to a socket, which a thread reads: that is how
the second one ends the process, whatever the main thread is doing.
"""

import os
import signal
import socket
import sys
import threading
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h"


class Interrupted(SystemExit):
    """The run was interrupted and everything is saved; `code` is 130 (Ctrl-C) or 143 (SIGTERM)."""


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
        self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
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

    def _watch(self) -> None:
        seen = 0
        while received := self._reader.recv(1):
            number = received[0]
            if number not in SIGNALS:
                continue
            self._signal = number
            seen += 1
            if seen == 1:
                _say("Interrupted: saving, then ending. Once more ends at once, without saving.\n")
            else:
                _end(number)


def _say(text: str) -> None:
    # Not through sys.stderr, whose lock the main thread may hold
    os.write(2, text.encode())


def _end(number: int) -> None:
    if sys.__stderr__ is not None and sys.__stderr__.isatty():
        os.write(2, _SHOW_CURSOR)
    os._exit(128 + number)
