"""Goals, stops and clears on their way: sent when they can be, and given up when no answer comes.

A goal without a server is refused and not kept, as it would come when nobody expects it; of goals
that come faster than answers the newest is sent. A stop is sent again in a new session, until its
time is over.
"""

import time
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from robot_gcrl.bridge import messages as m
from robot_gcrl.bridge.operator_link import OperatorLink
from robot_gcrl.bridge.rules import SECOND_NS
from robot_gcrl.bridge.stops import EVERY
from robot_gcrl.bridge.wire import pack_floats

GONE = "the server is gone: it was not sent"
"""Why a goal is refused that could not be sent."""

# For the answer to a goal, and to a stop or clear, which the robot itself confirms
_GOAL_PATIENCE = SECOND_NS
_ORDER_PATIENCE = 2 * SECOND_NS
_UNSURE = "the server did not confirm it; it may have been taken"
_BY_OTHER_MEANS = "stop the robot by its own means"
_KEEP_AWAY = "the robot may have heard it and move: keep away from it"


class GoalAnswer(NamedTuple):
    """What became of a goal.

    Attributes:
      goal: float32 [G], SI.
      refusal: why it is not pursued; empty if it is.
    """

    goal: np.ndarray
    refusal: str


@dataclass(frozen=True, kw_only=True, eq=False)
class _Question:
    """A goal that was sent and not answered yet."""

    goal: np.ndarray
    number: int
    session: int
    until_ns: int


class Goals:
    """Goals for robots, one on its way at a time.

    Attributes:
      answers: to be taken by who asked.
    """

    def __init__(self, link: OperatorLink) -> None:
        """None yet."""
        self.answers: deque[GoalAnswer] = deque()
        self._link = link
        self._next: np.ndarray | None = None
        self._question: _Question | None = None

    def ask(self, goal: np.ndarray) -> None:
        """A goal [G] that is sent in the next `turn`, instead of one that was not sent yet."""
        self._next = np.array(goal, np.float32)

    def forget(self) -> None:
        """What was not sent yet will not be."""
        self._next = None

    def take(self, message: m.Message) -> None:
        """An answer of the server, if it is one to a goal."""
        question, body = self._question, message.body
        if question is None or message.header.ref_seq != question.number:
            return
        if isinstance(body, m.GoalAck | m.Status):
            is_taken = isinstance(body, m.GoalAck) and body.code == m.Code.OK
            refusal = "" if is_taken else body.text or m.known_code(body.code).name
            self._question = None
            self.answers.append(GoalAnswer(question.goal, refusal))

    def turn(self, robot: str, obstacle: str) -> None:
        """Sends what waits, and gives up what is not answered.

        Args:
          robot: id.
          obstacle: why no goal can be sent, empty if one can.
        """
        now, question = time.monotonic_ns(), self._question
        if question is not None:
            if question.session != self._link.session or now > question.until_ns:
                self._question = None
                self.answers.append(GoalAnswer(question.goal, _UNSURE))
            return
        if self._next is None:
            return
        goal, self._next = self._next, None
        number = 0 if obstacle else self._link.send(m.Goal(robot, pack_floats(goal)))
        if not number:
            self.answers.append(GoalAnswer(goal, obstacle or GONE))
            return
        self._question = _Question(
            goal=goal,
            number=number,
            session=self._link.session,
            until_ns=now + _GOAL_PATIENCE,
        )


class Orders:
    """A stop or a clear, until the robot confirms it.

    An order to every robot is given where none is seen, so nobody knows how many will confirm it:
    it takes answers until its time is over, and names who confirmed.

    Attributes:
      text: what became of it, unless the one robot simply obeyed.
    """

    def __init__(self, link: OperatorLink) -> None:
        """None yet."""
        self.text = ""
        self._link = link
        self._body: m.Stop | m.Clear | None = None
        self._until_ns = self._session = 0
        self._numbers: set[int] = set()
        self._confirmed: set[str] = set()

    def give(self, body: m.Stop | m.Clear) -> None:
        """An order that is sent in the next `turn`."""
        self._body, self._until_ns = body, time.monotonic_ns() + _ORDER_PATIENCE
        self._session = 0
        self._numbers.clear()
        self._confirmed.clear()
        self.text = f"{_deed(body)} is not confirmed yet"

    def take(self, message: m.Message) -> m.Status | None:
        """The answer of a robot or the server, if the message is one to the order."""
        order, body = self._body, message.body
        if order is None or message.header.ref_seq not in self._numbers:
            return None
        if not isinstance(body, m.Status):
            return None
        obeyed = m.Code.STOPPED if isinstance(order, m.Stop) else m.Code.CLEARED
        if body.code == obeyed and order.robot == EVERY:
            self._confirmed.add(body.robot)
            names = ", ".join(sorted(self._confirmed))
            self.text = f"{_deed(order)} is confirmed by {names}; of others nothing is known"
            return body
        self._body = None
        self.text = "" if body.code == obeyed else f"{_deed(order)}: {body.text}"
        return body

    def turn(self) -> None:
        """Sends what is due, and says so when nobody confirms it."""
        order = self._body
        if order is None:
            return
        session = self._link.session
        if session not in (0, self._session) and (number := self._link.send(order)):
            self._session = session
            self._numbers.add(number)
        if time.monotonic_ns() <= self._until_ns:
            return
        self._body = None
        if self._confirmed:
            return
        was_sent = bool(self._numbers)
        advice = "try again" if not was_sent else _KEEP_AWAY
        if isinstance(order, m.Stop):
            advice = _BY_OTHER_MEANS
        self.text = f"{_deed(order)} WAS NOT {'CONFIRMED' if was_sent else 'SENT'}: {advice}"


def _deed(body: m.Stop | m.Clear) -> str:
    return "STOP" if isinstance(body, m.Stop) else "CLEAR"
