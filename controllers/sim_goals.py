"""The operator in the simulation: sets goals before the robots' first reports of an episode."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from robot_gcrl.bridge.client import RobotClient
from robot_gcrl.bridge.endpoint import Endpoint
from robot_gcrl.bridge.messages import Code, Heartbeat
from robot_gcrl.bridge.operator import OperatorClient
from robot_gcrl.bridge.security import ClientSecurity
from robot_gcrl.contract import Contract
from robot_gcrl.errors import BridgeError

from .sim_exchange import PATIENCE_NS, Report, connect

_ANSWER = 5.0  # longest wait for one acknowledgement [s]
_TURN_NS = 5_000_000  # in which the robot hears what the server says [ns]
# What ends by the robot being heard again
_PASSING = (Code.ROBOT_LOST, Code.UNKNOWN_ROBOT, Code.UNKNOWN_SESSION)


class Order(NamedTuple):
    """Where a robot shall go.

    Attributes:
      client: of the robot.
      report: by which it says hello, if it has no session.
      goal: float32 [G], SI.
    """

    client: RobotClient
    report: Report
    goal: np.ndarray


class Goals:
    """Sets goals, as an operator would.

    A connection is kept only while it is used: an operator is told of everything all the time, and
    libzmq 4.3.5 ends a process that does not take it in for some seconds (its issue 3937).
    """

    def __init__(
        self, endpoint: Endpoint, contract: Contract, security: ClientSecurity | None
    ) -> None:
        """Connects to nobody yet."""
        self._endpoint, self._contract, self._security = endpoint, contract, security

    def set(self, orders: Sequence[Order], goes_on: Callable[[], bool]) -> bool:
        """Sets the goals of robots; False if it was told not to go on.

        Raises:
          BridgeError: the server refuses a goal, or does not answer.
        """
        if not orders:
            return True
        arguments = self._endpoint, self._contract, "simulation", self._security
        with OperatorClient(*arguments) as operator:
            return all(_set(operator, order, goes_on) for order in orders)


def _set(operator: OperatorClient, order: Order, goes_on: Callable[[], bool]) -> bool:
    client, report, goal = order
    robot, end = client.link.robot, time.monotonic_ns() + PATIENCE_NS
    while goes_on():
        if not connect([client], [report], goes_on):
            return False
        # A robot that was silent for a while counts as lost, and gets no goal
        client.link.send(Heartbeat(), 0)
        try:
            answer = operator.goal(robot, goal, _ANSWER)
        except BridgeError:  # nobody answers: a server that is started anew just now
            if time.monotonic_ns() > end:
                raise
            continue
        if answer.code == Code.OK:
            return True
        if answer.code not in _PASSING or time.monotonic_ns() > end:
            raise BridgeError(
                f"The server refuses the goal {np.round(goal, 3).tolist()} of {robot!r}: "
                f"{answer.text or Code(answer.code).name}. Expected it to be accepted. Serve the "
                "policy that --policy names."
            )
        client.receive(0, _TURN_NS)
    return False
