"""An operator's end of the bridge: goals, stops and clears with their answers, and what robots do.

    with OperatorClient(find_server(None), None, "ada") as operator:
        operator.connect(2.0)
        operator.goal("arm0", goal, 2.0)

Every wait has a timeout. `states` and `events` never wait: a viewer calls them in each frame, and
they keep the session alive. An operator without a contract may watch, stop and clear, and learns
the contract from the server.
"""

import time
from types import TracebackType

import numpy as np
import zmq

from robot_gcrl.bridge import messages as m
from robot_gcrl.bridge.endpoint import Endpoint
from robot_gcrl.bridge.exchange import Exchange
from robot_gcrl.bridge.feed import Event, Feed, RobotState
from robot_gcrl.bridge.operator_link import LinkState, OperatorLink
from robot_gcrl.bridge.rules import SECOND_NS
from robot_gcrl.bridge.security import ClientSecurity
from robot_gcrl.bridge.stops import EVERY
from robot_gcrl.bridge.wire import pack_floats
from robot_gcrl.contract import Contract

_SILENT = "The server may be stopped or overloaded: look at it."
_STOP_IT = "Do not rely on it: stop the robot by its own means, and look at the server."
_KEEP_AWAY = "The robot may have heard it and move: keep away from it, and look at the server."


class OperatorClient:
    """One operator on one server; not for several threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        contract: Contract | None,
        name: str,
        security: ClientSecurity | None = None,
    ) -> None:
        """Connects in the background; `connect` waits for it.

        Args:
          endpoint: of the server.
          contract: that the server must have, or None to take what it has.
          name: of the operator, for people.
          security: keys, where the server has some.
        """
        self.endpoint = endpoint
        self._context = zmq.Context()
        self._link = OperatorLink(self._context, endpoint, contract, name, security)
        self._feed = Feed(self._context, endpoint, security)
        self._exchange = Exchange(self._link, self._feed, endpoint)
        self._contract = contract
        self._learned = ""

    def __enter__(self) -> "OperatorClient":
        """The client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Says bye."""
        self.close()

    @property
    def contract(self) -> Contract | None:
        """What the server serves, or what was given; None before either is known."""
        text = "" if self._link.welcome is None else self._link.welcome.contract
        if text != self._learned:
            self._contract, self._learned = Contract.from_json(text), text
        return self._contract

    @property
    def welcome(self) -> m.Welcome | None:
        """What the server said of itself, None before the first session."""
        return self._link.welcome

    @property
    def state(self) -> LinkState:
        """Of the connection: "connecting", "connected", or "silent"."""
        return self._link.state

    @property
    def trouble(self) -> str:
        """Why there is no connection, as far as keys are the reason; else empty."""
        return self._link.trouble

    def connect(self, timeout: float) -> None:
        """Waits for a session and for what the server tells of its robots.

        Args:
          timeout: [s].

        Raises:
          BridgeError: nobody answers in time, a key is wrong, or the server refuses.
        """
        self._exchange.connect(timeout)

    def goal(self, robot: str, goal: np.ndarray, timeout: float) -> m.GoalAck:
        """Sets a robot's goal, or with "*" that of every robot; what the server answers.

        Args:
          robot: id.
          goal: [G], SI.
          timeout: [s].

        Raises:
          BridgeError: no answer in time, or no server. The goal may still be taken.
        """
        body = m.Goal(robot, pack_floats(goal))
        what, advice = f"The goal of {robot!r}", "It may have been taken: look at the robot."
        answer = self._exchange.ask(body, m.GoalAck, timeout, what, advice)
        assert isinstance(answer, m.GoalAck)
        return answer

    def stop(self, robot: str, reason: str, timeout: float) -> m.Status:
        """Stops a robot until it is cleared; what it answers.

        Args:
          robot: id, or "*" for every robot: the answer then names them all.
          reason: for people; what is longer than a text may be is cut.
          timeout: [s].

        Returns:
          STOPPED, or ROBOT_LOST if the robot (of all robots: one of them) is not connected, or is
          lost before it confirms: it hears of the stop when it is back.

        Raises:
          BridgeError: the robot did not confirm in time, or no server.
        """
        body = m.Stop(robot, m.cut(reason))
        return self._tell(body, timeout, f"The stop of {robot!r}", _STOP_IT)

    def clear(self, robot: str, timeout: float) -> m.Status:
        """Ends a robot's latched stop; what it answers.

        Args:
          robot: id, or "*" for every robot.
          timeout: [s].

        Returns:
          CLEARED, or ROBOT_LOST as for `stop`.

        Raises:
          BridgeError: the robot did not confirm in time, or no server.
        """
        return self._tell(m.Clear(robot), timeout, f"The clear of {robot!r}", _KEEP_AWAY)

    def ping(self, count: int, timeout: float = 1.0) -> list[int]:
        """Round trips to the server and back [ns].

        Args:
          count: how many, one after the other.
          timeout: of each [s].

        Raises:
          BridgeError: no answer in time.
        """
        trips = []
        for _ in range(count):
            began = time.monotonic_ns()
            self._exchange.ask(m.Heartbeat(), m.Heartbeat, timeout, "A heartbeat", _SILENT)
            trips.append(time.monotonic_ns() - began)
        return trips

    def states(self) -> dict[str, RobotState]:
        """The newest state of each robot; never waits."""
        self._exchange.turn(0)
        return self._feed.states()

    def events(self) -> list[Event]:
        """What happened since the last call, at the server and to the connection; never waits."""
        self._exchange.turn(0)
        found = [Event("", code, text) for code, text in self._link.notes]
        found += self._feed.events
        self._link.notes.clear()
        self._feed.events.clear()
        return found

    def wait(self, seconds: float) -> None:
        """Keeps the session alive for so long [s], for who has nothing else to do."""
        end = time.monotonic_ns() + round(seconds * SECOND_NS)
        while (left := end - time.monotonic_ns()) > 0:
            self._exchange.turn(left)

    def close(self) -> None:
        """Says bye and closes the sockets."""
        self._link.close()
        self._feed.close()
        self._context.term()

    def _tell(self, body: m.Stop | m.Clear, timeout: float, what: str, advice: str) -> m.Status:
        if body.robot == EVERY:
            return self._exchange.tell_all(body, timeout, what, advice)
        answer = self._exchange.ask(body, m.Status, timeout, what, advice)
        assert isinstance(answer, m.Status)
        return answer
