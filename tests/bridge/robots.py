"""Robots and operators for tests of what stands between them."""

import contextlib
import threading
from collections.abc import Iterator

import numpy as np
import zmq

from robot_gcrl.bridge.endpoint import Endpoint
from robot_gcrl.bridge.messages import (
    Bye,
    Clear,
    Code,
    Header,
    Status,
    Stop,
    Welcome,
)
from robot_gcrl.bridge.operator import OperatorClient
from tests.bridge.fakes import cart_contract
from tests.bridge.loopback import PATIENCE, Heard, Peer


@contextlib.contextmanager
def operating(endpoint: Endpoint, **arguments) -> Iterator[OperatorClient]:
    fields = {"contract": cart_contract(), "name": "ada"} | arguments
    with OperatorClient(endpoint, **fields) as operator:
        operator.connect(PATIENCE)
        yield operator


class Robot:
    """A robot in a thread that reports, and confirms what it is told unless it is deaf."""

    def __init__(self, endpoint: Endpoint, name: str = "cart0", *, goal: np.ndarray | None = None):
        self._endpoint, self._name, self._goal = endpoint, name, goal
        self.is_deaf = False
        self.told: list[Heard] = []
        self._ready, self._ends = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Robot":
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(self, *_) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        with Peer(self._endpoint) as peer:
            goal = b"" if self._goal is None else self._goal.tobytes()
            assert isinstance(peer.hello(self._name, goal=goal), Welcome)
            while not self._ends.is_set():
                peer.step((0.5, 0.0, 0.0, 0.0))
                self._ready.set()
                for message in peer.heard:
                    self._confirm(peer, *message)
                self.told += peer.heard
                peer.heard.clear()
                self._ends.wait(0.005)
            peer.send(Bye("the test ends"))
            peer.socket.setsockopt(zmq.LINGER, 1000)

    def _confirm(self, peer: Peer, header: Header, body) -> None:
        if isinstance(body, Stop | Clear) and not self.is_deaf:
            is_stop = isinstance(body, Stop)
            code, text = (Code.STOPPED, body.reason) if is_stop else (Code.CLEARED, "cleared")
            peer.send(Status("", code, text), ref_seq=header.seq)
