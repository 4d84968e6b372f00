"""What an operator sees of a server: the newest state of each robot, and what happened.

The channel may lose messages; a state that is not renewed is forgotten.
"""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import zmq

from robot_gcrl.bridge.endpoint import Endpoint
from robot_gcrl.bridge.rules import SECOND_NS
from robot_gcrl.bridge.security import ClientSecurity, connect
from robot_gcrl.bridge.sockets import make_subscriber
from robot_gcrl.bridge.telemetry import CONTRACT, EVENT, robot_topic, unpack_topic

# The server tells of each robot 20 times a second
_GONE = 2 * SECOND_NS
_EVENTS = 1024
# Messages of one turn: a flood must not keep a viewer from drawing
_DRAIN = 4096


class Event(NamedTuple):
    """Something that happened.

    Attributes:
      robot: its id, "*" for the server and empty for this client's own connection.
      code: of `messages.Code`.
      text: for a person.
    """

    robot: str
    code: int
    text: str


@dataclass(frozen=True, kw_only=True, eq=False)
class RobotState:
    """A robot as the server saw it last; see `robot_gcrl.bridge.state.robot_state`.

    Attributes:
      robot: id.
      lost: whether its reports ceased.
      stamp_ns: of its newest report, on the robot's clock; 0 before the first [ns].
      flags: of that report, of `messages.Flag`.
      inputs: float32 [I], SI; empty before the first report.
      pose: float32 [nq], empty if it sends none.
      ctrl: float32 [A] that it wrote last, empty if not known.
      achieved: float32 [G], SI; empty before the first report.
      goal: float32 [G], SI; empty without one.
      distances: of each success group, in its unit; empty without a goal.
      age_ns: of its commands, from report to motors: the median of the newest [ns].
      round_trip_ns: likewise, on the way alone [ns].
      counters: what happened in its session, by name.
      heard_ns: when this was heard, on this process's monotonic clock [ns].
    """

    robot: str
    lost: bool
    stamp_ns: int
    flags: int
    inputs: np.ndarray
    pose: np.ndarray
    ctrl: np.ndarray
    achieved: np.ndarray
    goal: np.ndarray
    distances: tuple[float, ...]
    age_ns: int
    round_trip_ns: int
    counters: Mapping[str, int]
    heard_ns: int


class Feed:
    """The telemetry channel of an operator.

    Attributes:
      served: content of the topic `contract`, None before it came.
      events: what happened and was not taken yet.
      heard_ns: when the last message came; 0 before the first [ns].
      bad: messages that could not be read.
    """

    def __init__(
        self, context: zmq.Context, endpoint: Endpoint, security: ClientSecurity | None
    ) -> None:
        """Subscribes to everything, in the background."""
        self._socket = make_subscriber(context)
        self._socket.subscribe(b"")
        self._watch = connect(self._socket, endpoint.telemetry, security)
        self._states: dict[str, RobotState] = {}
        self.served: dict[str, Any] | None = None
        self.events: deque[Event] = deque(maxlen=_EVENTS)
        self.heard_ns = self.bad = 0

    def turn(self) -> None:
        """Takes in what has come; never waits."""
        self._watch.poll()  # dials again where libzmq gave up; the control channel tells why
        for _ in range(_DRAIN):
            try:
                frame = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                self._take(*unpack_topic(frame))
            except (ValueError, KeyError, TypeError):
                self.bad += 1

    def states(self) -> dict[str, RobotState]:
        """By robot id; without those of whom the server says no more."""
        return {
            robot: state
            for robot, state in sorted(self._states.items())
            if self.heard_ns - state.heard_ns <= _GONE
        }

    def forget(self) -> None:
        """The server is another one."""
        self._states.clear()

    def close(self) -> None:
        """Closes the socket."""
        self._watch.close()
        self._socket.close(linger=0)

    def _take(self, topic: str, content: dict[str, Any]) -> None:
        now = time.monotonic_ns()
        if topic == EVENT:
            self.events.append(Event(content["robot"], content["code"], content["text"]))
        elif topic == CONTRACT:
            self.served = content
        elif topic.startswith(robot_topic("")):
            state = _state(content, now)
            self._states[state.robot] = state
        self.heard_ns = now


_ARRAYS = ("inputs", "pose", "ctrl", "achieved", "goal")


def _state(content: Mapping[str, Any], now: int) -> RobotState:
    # A server may tell more than this version knows
    known = {name: content[name] for name in RobotState.__dataclass_fields__ if name != "heard_ns"}
    known |= {name: np.frombuffer(content[name], "<f4").astype(np.float32) for name in _ARRAYS}
    known["distances"] = tuple(content["distances"])
    return RobotState(heard_ns=now, **known)
