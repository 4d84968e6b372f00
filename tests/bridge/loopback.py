"""A server on real sockets in a thread, and clients that say exactly what a test wants."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zmq

from robot_gcrl.bridge.endpoint import Endpoint, parse_endpoint
from robot_gcrl.bridge.messages import (
    Body,
    Command,
    Header,
    Hello,
    Reject,
    Status,
    Welcome,
)
from robot_gcrl.bridge.record import Recorder
from robot_gcrl.bridge.security import ClientSecurity, ServerSecurity
from robot_gcrl.bridge.server import PolicyServer
from robot_gcrl.bridge.settings import Settings
from robot_gcrl.bridge.sockets import make_dealer
from robot_gcrl.bridge.stops import StopBook
from robot_gcrl.bridge.wire import decode, encode
from robot_gcrl.contract import Contract
from robot_gcrl.policy.runtime import PolicyOutput
from tests.bridge.fakes import TowardsGoal, cart_contract, report

PATIENCE = 20.0
PATIENCE_MS = 20_000
ROOT = Path(__file__).resolve().parent.parent.parent


class Policy:
    """Moves towards the goal."""

    name = "towards the goal"

    def __init__(self):
        self.batches: list[int] = []
        self._step = TowardsGoal()

    def warm_up(self, batch_size: int) -> None:
        pass

    def __call__(self, inputs, goal, previous_action, previous_ctrl, queue=None) -> PolicyOutput:
        return PolicyOutput(*self._step(inputs, goal, previous_action, previous_ctrl))


class Heard(NamedTuple):
    """A message whose body the test knows."""

    header: Header
    body: Any


def wait_until(condition, *, turn=lambda: None):
    """What `condition` returns, once it is true; `turn` is done in between."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        turn()
        time.sleep(0.002)  # gives way to the server; nothing depends on how long
    raise AssertionError("did not happen in time")


def endpoint_in(folder: Path) -> Endpoint:
    return parse_endpoint(f"ipc://{folder / 's'}")


@contextlib.contextmanager
def serving(
    folder: Path,
    *,
    contract: Contract | None = None,
    keys: Path | None = None,
    record: Path | None = None,
    settings: Settings | None = None,
    endpoint: Endpoint | None = None,
    runtime: Policy | None = None,
) -> Iterator[PolicyServer]:
    """A server that runs in a thread until the block ends."""
    contract = contract or cart_contract()
    settings = settings or Settings(policy="cart 123")
    server = PolicyServer(
        contract,
        runtime or Policy(),
        settings,
        StopBook(folder / "stops.json"),
        endpoint=endpoint or endpoint_in(folder),
        security=None if keys is None else ServerSecurity(keys),
    )
    if record is not None:
        server.recorder = Recorder(
            record, header_of(contract, settings) | {"runtime": (runtime or Policy()).name}
        )
    ends = threading.Event()
    thread = threading.Thread(target=lambda: server.run(lambda: not ends.is_set()))
    thread.start()
    try:
        yield server
    finally:
        ends.set()
        thread.join()
        server.close()


def header_of(contract: Contract, settings: Settings) -> dict:
    return {
        "policy": settings.policy,
        "contract": contract.canonical_json,
        "sha256": contract.sha256,
        "scale": settings.scale,
        "dry_run": settings.dry_run,
    }


class Peer:
    """A client that sends what it is told and remembers what it hears."""

    def __init__(
        self, endpoint: Endpoint, *, security: ClientSecurity | None = None, is_robot: bool = True
    ):
        self._context = zmq.Context()
        self.socket = make_dealer(self._context, is_robot=is_robot)
        if security is not None:
            security.secure(self.socket)
        self.socket.connect(endpoint.control)
        self.session = self.seq = 0
        self.heard: list[Heard] = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self._context.term()

    def send(self, body: Body, **header) -> int:
        self.seq += 1
        fields = {"session": self.session, "seq": self.seq, "stamp_ns": time.monotonic_ns()}
        frame = encode(Header(**(fields | header)), body)
        wait_until(lambda: self._sent(frame))
        return self.seq

    def _sent(self, frame: bytes) -> bool:
        try:
            self.socket.send(frame, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def hear(self, *kinds: type, ref_seq: int | None = None) -> Heard:
        """The next message of these kinds that was not returned yet; others wait in `heard`."""
        end = time.monotonic() + PATIENCE
        while True:
            for i, message in enumerate(self.heard):
                wanted = ref_seq is None or message.header.ref_seq == ref_seq
                if isinstance(message.body, kinds) and wanted:
                    return self.heard.pop(i)
            assert self.socket.poll(max(round((end - time.monotonic()) * 1000), 0)), kinds
            self.heard.append(Heard(*decode(self.socket.recv())))

    def hello(
        self, name="cart0", *, role="robot", contract: Contract | None = None, **changes
    ) -> Any:
        """Says hello; the welcome or the reject."""
        contract = contract or cart_contract()
        body = Hello(
            role=role,
            robot=name,
            sha256=contract.sha256,
            contract=contract.canonical_json,
            control_dt=contract.control_dt,
            pose_size=0,
            goal=b"",
            stop="",
        )._replace(**changes)
        seq = self.send(body, session=0)
        answer = self.hear(Welcome, Reject, ref_seq=seq)
        self.session = answer.header.session
        return answer.body

    def report(self, inputs=(0.0, 0.0, 0.0, 0.0), *, echo_ns: int = 0, **changes) -> int:
        return self.send(report(inputs)._replace(**changes), echo_ns=echo_ns)

    def step(self, inputs=(0.0, 0.0, 0.0, 0.0), **changes) -> Heard:
        """Reports and waits for the answer to that report."""
        seq = self.report(inputs, **changes)
        return self.hear(Status, Command, ref_seq=seq)


def goal(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


def environment(folder: Path) -> dict[str, str]:
    return dict(os.environ) | {"XDG_RUNTIME_DIR": str(folder)}
