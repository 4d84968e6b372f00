"""Goals, stops and clears: what operators say, and what robots are told of it.

A goal is answered at once. A stop or clear is passed on to the robot, which owns its latched stop;
the operator is answered when the robot has confirmed, or at once where no robot can.
"""

import numpy as np

from robot_gcrl.bridge.messages import (
    Clear,
    Code,
    Goal,
    GoalAck,
    Header,
    Hello,
    Status,
    Stop,
    cut,
    known_code,
)
from robot_gcrl.bridge.mouth import Mouth
from robot_gcrl.bridge.sessions import Session, Sessions
from robot_gcrl.bridge.stops import EVERY, StopBook
from robot_gcrl.bridge.wire import WireError, floats, pack_floats
from robot_gcrl.contract import Contract

# Stops and clears whose confirmation is awaited, at most
_AWAITED = 1024
_ALL_STOPPED = "every robot was stopped: clear every robot (*) first"
# Of a robot's name where it is quoted
_NAME = 64


class Operators:
    """Goals and stops of all robots.

    Attributes:
      goals: float32 [G] by robot id; they outlive sessions.
    """

    def __init__(
        self, contract: Contract, sessions: Sessions, stops: StopBook, mouth: Mouth
    ) -> None:
        """No goals yet; the stops that the book holds."""
        self.goals: dict[str, np.ndarray] = {}
        self._contract = contract
        self._sessions = sessions
        self._stops = stops
        self._mouth = mouth
        self._awaited: dict[tuple[int, int], tuple[Session, Header]] = {}

    def holds(self, robot: str) -> bool:
        """Whether the book says that a robot is stopped."""
        return self._stops.reason(robot) is not None

    def robot_connected(self, session: Session, hello: Hello) -> None:
        """Stops a robot whose stop is in the book; goes on with the goal that it brings along."""
        if hello.stop:
            self.robot_stands(session, hello.stop)
        reason = self._stops.reason(session.robot)
        if reason is not None:
            self._mouth.send(session, Stop(session.robot, reason))
        if hello.goal and session.robot not in self.goals:
            try:
                goal = self._read_goal(hello.goal)
            except WireError:
                return  # of another server's bounds: the robot is told that it has no goal
            if self._in_bounds(goal):
                self.goals[session.robot] = goal

    def robot_stands(self, session: Session, reason: str) -> None:
        """A robot says itself that it is latched: in the book, that outlives its program too.

        Not while it has yet to confirm a clear: what it said before that, the clear has ended.
        """
        if session.is_clearing:
            return
        trouble = self._keep(Stop(session.robot, reason), reason)
        self._mouth.event(session.robot, Code.STOPPED, trouble or reason)

    def robot_said(self, session: Session, header: Header, status: Status) -> None:
        """A robot's confirmation of a stop or clear goes to the operator who asked for it."""
        if status.code == Code.STOPPED and not header.ref_seq:
            self.robot_stands(session, status.text)
            return
        if status.code == Code.CLEARED:
            session.is_clearing = False
        self._mouth.event(session.robot, known_code(status.code), status.text)
        operator, asked = self._awaited.pop((session.number, header.ref_seq), (None, None))
        if operator is not None:
            self._mouth.send(operator, status._replace(robot=session.robot), asked)

    def operator_said(
        self, operator: Session, header: Header, body: Goal | Stop | Clear, now: int
    ) -> None:
        """Deals with what an operator wants.

        Raises:
          WireError: a goal of another length, or not finite.
        """
        if isinstance(body, Goal):
            self._mouth.send(operator, self._goal(body, header, now), header)
            return
        text = body.reason if isinstance(body, Stop) else "cleared"
        body = body._replace(robot=cut(body.robot, _NAME))
        if isinstance(body, Clear) and self._stops.blocks(body.robot):
            self.refuse(operator, header, body, Code.STOPPED, _ALL_STOPPED)
            return
        trouble = self._keep(body, text)
        robots = self._addressed(body.robot)
        self._mouth.event(
            body.robot, Code.STOPPED if isinstance(body, Stop) else Code.CLEARED, text
        )
        for session in robots:
            told = body._replace(robot=session.robot)
            number = self._mouth.send(session, told, header)
            if len(self._awaited) >= _AWAITED:
                self._awaited.pop(next(iter(self._awaited)))
            self._awaited[session.number, number] = operator, header
            session.is_clearing |= isinstance(body, Clear)
        absent = not robots or any(self._sessions.is_lost(session, now) for session in robots)
        if trouble or absent:
            answer = trouble or (
                f"{body.robot!r} is not connected: it hears of this when it says hello"
                if isinstance(body, Stop)
                else f"{body.robot!r} is not connected: a stop of its own holds until it hears a "
                "clear"
            )
            self._mouth.send(operator, Status(body.robot, Code.ROBOT_LOST, answer), header)

    def refuse(
        self, operator: Session, header: Header, body: Goal | Clear, code: Code, text: str
    ) -> None:
        """Answers an order that is not carried out."""
        robot = cut(body.robot, _NAME)
        answer = (
            self._goal_answer(body, code, text)
            if isinstance(body, Goal)
            else Status(robot, code, text)
        )
        self._mouth.send(operator, answer, header)

    def _keep(self, body: Stop | Clear, reason: str) -> str:
        """Writes the book; returns what is to be said of it, if anything."""
        try:
            if isinstance(body, Stop):
                self._stops.add(body.robot, reason)
            else:
                self._stops.remove(body.robot)
        except OSError as error:
            return f"holds, but could not be written ({error.strerror}): a restart forgets it"
        return ""

    def _goal(self, body: Goal, header: Header, now: int) -> GoalAck:
        def answer(code: Code, text: str = "") -> GoalAck:
            return self._goal_answer(body, code, text)

        try:
            goal = self._read_goal(body.goal)
        except WireError as error:
            return answer(Code.BAD_GOAL, str(error))
        if not self._in_bounds(goal):
            return answer(Code.GOAL_OUT_OF_RANGE, "outside of the bounds")
        robots = self._addressed(body.robot)
        if not robots:
            name = cut(body.robot, _NAME)
            return answer(Code.UNKNOWN_ROBOT, f"no robot {name!r} is connected")
        if any(self._sessions.is_lost(session, now) for session in robots):
            return answer(Code.ROBOT_LOST, "no report any more")
        for session in robots:
            self.goals[session.robot] = goal
        self._mouth.event(body.robot, Code.OK, f"goal {np.round(goal, 3).tolist()}")
        return answer(Code.OK)

    def _goal_answer(self, body: Goal, code: Code, text: str) -> GoalAck:
        low, high = self._contract.goal_bounds
        return GoalAck(body.robot, code, body.goal, pack_floats(low), pack_floats(high), text)

    def _addressed(self, robot: str) -> list[Session]:
        robots = self._sessions.robots
        if robot == EVERY:
            return list(robots.values())
        return [robots[robot]] if robot in robots else []

    def _read_goal(self, field: bytes) -> np.ndarray:
        return floats(field, (self._contract.goal_size,), code=Code.BAD_GOAL, name="goal")

    def _in_bounds(self, goal: np.ndarray) -> bool:
        low, high = self._contract.goal_bounds
        return bool(((goal >= low) & (goal <= high)).all())
