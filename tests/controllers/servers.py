"""A policy server in a thread, that can be slow and can be started anew."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from robot_gcrl.bridge.endpoint import parse_endpoint
from robot_gcrl.bridge.security import ServerSecurity
from robot_gcrl.bridge.server import PolicyServer
from robot_gcrl.bridge.settings import Settings
from robot_gcrl.bridge.stops import StopBook
from robot_gcrl.policy.runtime import PolicyFile, PolicyOutput, make_runtime


class Slow:
    """A runtime that takes its time for each third step, as on a busy machine."""

    name = "slow"

    def __init__(self, file: PolicyFile, seconds: float):
        self._runtime, self._seconds, self._steps = make_runtime(file), seconds, 0

    def warm_up(self, batch_size: int) -> None:
        pass

    def __call__(self, inputs, goal, previous_action, previous_ctrl, queue=None) -> PolicyOutput:
        self._steps += 1
        if self._steps % 3 == 0:
            time.sleep(self._seconds)
        return self._runtime(inputs, goal, previous_action, previous_ctrl, queue)


class Server:
    """Serves a file at `endpoint` from `start` to `stop`."""

    def __init__(
        self,
        file: PolicyFile,
        folder: Path,
        slowness: float = 0.0,
        keys: Path | None = None,
    ):
        self._file, self._folder, self._slowness, self._keys = file, folder, slowness, keys
        self.endpoint = parse_endpoint(f"ipc://{folder / 's'}")
        self.start()

    def start(self) -> None:
        file = self._file
        runtime = Slow(file, self._slowness) if self._slowness else make_runtime(file)
        self.server = PolicyServer(
            file.contract,
            runtime,
            Settings(policy="test"),
            StopBook(self._folder / "stops.json"),
            endpoint=self.endpoint,
            security=None if self._keys is None else ServerSecurity(self._keys),
        )
        self._ends = threading.Event()
        run, ends = self.server.run, self._ends
        self._thread = threading.Thread(target=lambda: run(lambda: not ends.is_set()))
        self._thread.start()

    def stop(self, *, says_bye: bool = True) -> None:
        self._ends.set()
        self._thread.join()
        if not says_bye:  # as one that was killed
            for session in self.server.core.sessions.all:
                self.server.core.sessions.end(session)
        self.server.close()

    @property
    def robots(self) -> set[str]:
        return set(self.server.core.sessions.robots)


@contextlib.contextmanager
def serving(file: PolicyFile, folder: Path, **options) -> Iterator[Server]:
    server = Server(file, folder, **options)
    try:
        yield server
    finally:
        server.stop()
