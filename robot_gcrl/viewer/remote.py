"""A robot behind a policy server, for a window that must not wait.

`turn` takes in what came and sends what is due; nothing here waits for an answer.
"""

import numpy as np
import zmq

from robot_gcrl.bridge import messages as m
from robot_gcrl.bridge.endpoint import Endpoint
from robot_gcrl.bridge.exchange import Exchange
from robot_gcrl.bridge.feed import Feed, RobotState
from robot_gcrl.bridge.operator_link import OperatorLink
from robot_gcrl.bridge.security import ClientSecurity
from robot_gcrl.bridge.stops import EVERY
from robot_gcrl.contract import Contract
from robot_gcrl.contract.difference import differences
from robot_gcrl.errors import ContractError
from robot_gcrl.viewer.remote_orders import GONE, GoalAnswer, Goals, Orders

NAME = "viewer"
"""Of this operator, for people."""


class Remote:
    """One operator, and the robot that it looks at; not for several threads.

    Attributes:
      endpoint: of the server.
      link: to it.
      robot: id of the robot; None before one is there. It stays the same, also while it is gone.
      is_named: whether a person has named it.
      others: ids of the other robots that are there.
      state: the robot's newest, None while the server says nothing of it.
      contract: that goals are of; None before it is known.
      mismatch: how the server's contract differs from it, in words; empty if it does not.
      goals: on their way.
      orders: on their way.
      stop_reason: why the robot was stopped, as far as it was heard here.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        contract: Contract | None,
        robot: str | None = None,
        security: ClientSecurity | None = None,
    ) -> None:
        """Connects in the background.

        Args:
          endpoint: of the server.
          contract: of the policy file, or None to take the server's.
          robot: id; None or "*" takes the first that is there, and keeps it.
          security: keys, where the server has some.
        """
        self.endpoint = endpoint
        self._context = zmq.Context()
        # Without a contract, so that who has the wrong policy file can stop the robot still
        self.link = OperatorLink(self._context, endpoint, None, NAME, security)
        self._feed = Feed(self._context, endpoint, security)
        self._exchange = Exchange(self.link, self._feed, endpoint)
        self.is_named = robot not in (None, EVERY)
        self.robot = robot if self.is_named else None
        self.others: list[str] = []
        self.state: RobotState | None = None
        self.contract = contract
        self.mismatch = ""
        self.goals, self.orders = Goals(self.link), Orders(self.link)
        self.stop_reason = ""
        self._learned = ""
        self._stopped_every = False

    def turn(self) -> list[GoalAnswer]:
        """Does what is due and takes in what came; never waits."""
        messages = self._exchange.turn(0)
        self._learn()
        self._look()
        for message in messages:
            self.goals.take(message)
            answer = self.orders.take(message)
            if answer is not None and answer.code == m.Code.CLEARED:
                self.stop_reason, self._stopped_every = "", False
        self._send_goal()
        self.orders.turn()
        answers = list(self.goals.answers)
        self.goals.answers.clear()
        return answers

    def ask(self, goal: np.ndarray) -> None:
        """Sends a goal [G], SI, as soon as the one before is answered; `turn` has the answer."""
        self.goals.ask(goal)
        self._send_goal()

    def stop(self, reason: str) -> None:
        """Stops the robot until it is cleared; every robot, if none was seen yet."""
        self.goals.forget()
        self._stopped_every = self.robot is None
        self.orders.give(m.Stop(self.robot or EVERY, reason))
        self.orders.turn()

    def clear(self) -> None:
        """Ends the stop."""
        target = EVERY if self._stopped_every else self.robot
        self.orders.give(m.Clear(target or EVERY))
        self.orders.turn()

    def close(self) -> None:
        """Says bye and closes the sockets; a second time does nothing."""
        if self._context.closed:
            return
        self.link.close()
        self._feed.close()
        self._context.term()

    def _learn(self) -> None:
        """What the server serves, when it has said so or is another one."""
        text = "" if self.link.welcome is None else self.link.welcome.contract
        if text == self._learned:
            return
        self._learned = text
        try:
            served = Contract.from_json(text)
        except ContractError as error:
            self.mismatch = str(error)
            return
        self.contract = self.contract or served
        is_same = served.sha256 == self.contract.sha256
        rows = () if is_same else differences(self.contract, text)
        self.mismatch = "; ".join(f"{name}: here {a}, there {b}" for name, a, b in rows)

    def _look(self) -> None:
        """Which robot it is, its state, and what happened to it."""
        states = self._feed.states()
        # Chosen once: whoever looked at one robot would clear, and send, another one
        if self.robot is None and states:
            there = [robot for robot, state in states.items() if not state.lost]
            self.robot = (there or list(states))[0]
        self.others = [robot for robot in states if robot != self.robot]
        self.state = states.get(self.robot or "")
        for event in self._feed.events:
            if event.robot not in (self.robot, EVERY):
                continue
            if event.code == m.Code.STOPPED:
                self.stop_reason = event.text
            elif event.code == m.Code.CLEARED:
                self.stop_reason = ""
        self._feed.events.clear()
        self.link.notes.clear()  # the state of the connection says it

    def _send_goal(self) -> None:
        self.goals.turn(self.robot or "", self._obstacle())

    def _obstacle(self) -> str:
        """Why no goal can be sent; empty if one can."""
        if not self.link.session:
            return GONE
        if self.mismatch:
            return "the server serves another contract: it was not sent"
        return "" if self.robot else "no robot is there: it was not sent"
