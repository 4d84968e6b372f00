"""What the server does with messages: sessions, reports, and what robots still have to be answered.

No sockets and no clock: frames come in with the time, answers go out through `Mouth`. Whatever does
not fit is counted, answered with a code and otherwise ignored.
"""

from collections import Counter

import numpy as np

from robot_gcrl.bridge.messages import (
    Bye,
    Clear,
    Code,
    Flag,
    Goal,
    Header,
    Heartbeat,
    Hello,
    Message,
    Reject,
    Report,
    Status,
    Stop,
    Welcome,
)
from robot_gcrl.bridge.mouth import Mouth
from robot_gcrl.bridge.operators import Operators
from robot_gcrl.bridge.rules import DEAF, SECOND_NS, deadlines
from robot_gcrl.bridge.sessions import Peer, Sample, Session, Sessions, sample_of
from robot_gcrl.bridge.settings import Settings
from robot_gcrl.bridge.stops import StopBook
from robot_gcrl.bridge.wire import WireError, decode
from robot_gcrl.contract import Contract

# An operator's client sends a heartbeat each second
_SILENT_OPERATOR = 10 * SECOND_NS
_STOOD_STILL = "the server stood still, and this may be an old order: give it again"
_BY_ITSELF = "the robot stopped by itself"

Work = tuple[Session, Sample, np.ndarray]


class Core:
    """The state of one server.

    Attributes:
      sessions: who is connected.
      operators: goals and stops.
      refused: how often each code answered a frame that was not acted on.
    """

    def __init__(
        self, contract: Contract, settings: Settings, stops: StopBook, mouth: Mouth
    ) -> None:
        """No session yet."""
        self.contract = contract
        self.settings = settings
        self.deadlines = deadlines(contract.control_dt)
        self.sessions = Sessions(contract, lost_after_ns=self.deadlines.lost)
        self.operators = Operators(contract, self.sessions, stops, mouth)
        self.refused: Counter[Code] = Counter()
        self._mouth = mouth
        self._lost: set[int] = set()
        self._deaf_until = 0

    def receive(self, identity: bytes, frame: bytes, now: int) -> Message | None:
        """Takes in a frame. A report is dealt with; any other message is returned, for `handle`."""
        try:
            message = decode(frame)
            if not isinstance(message.body, Report):
                return message
            self._report(identity, message.header, message.body, now)
        except WireError as error:
            self._refuse(identity, error)
        return None

    def handle(self, identity: bytes, message: Message, now: int, peer: Peer | None) -> None:
        """Deals with a message that `receive` returned.

        Args:
          identity: of the connection.
          message: what came.
          now: [ns].
          peer: what the connection's key allows; None without keys.
        """
        try:
            if isinstance(message.body, Hello):
                self._hello(identity, message.header, message.body, now, peer)
                return
            session = self.sessions.find(identity, message.header)
            session.heard_ns = now
            self._in_session(session, message, now)
        except WireError as error:
            self._refuse(identity, error)

    def work(self, now: int) -> list[Work]:
        """Robots to be answered, with report and goal, those first that have waited longest.

        Reports that waited too long are dropped; a robot that has no goal, or is stopped until it
        is cleared, by its own word or by the book, is told so instead. A chunk of actions does not
        go on after that: it was decided on for what came next.
        """
        ready: list[Work] = []
        for session in self.sessions.robots.values():
            sample = session.pending
            if sample is None:
                continue
            if now - sample.arrived_ns > self.deadlines.report_age:
                session.pending = session.queue = None
                session.counters.stale += 1
                self._tell(session, sample, Code.STALE_REPORT)
                continue
            goal = self.operators.goals.get(session.robot)
            # Also by the book: a controller that makes nothing of a stop is sent no commands
            is_stopped = sample.flags & Flag.LATCHED_STOP or self.operators.holds(session.robot)
            if goal is None or is_stopped:
                session.pending = session.queue = None
                self._tell(session, sample, Code.STOPPED if is_stopped else Code.NO_GOAL)
                continue
            ready.append((session, sample, goal))
        ready.sort(key=lambda entry: entry[0].served_ns)
        return ready

    def stood_still(self, now: int) -> None:
        """Refuses goals and clears for a while, for the process did not run.

        Who gave an order then was not answered and has gone on: a robot that is cleared now may
        have a person beside it. A stop is obeyed however late it is.
        """
        self._deaf_until = now + DEAF

    def keep_house(self, now: int) -> None:
        """Notes who was lost and who came back; forgets operators that are gone."""
        for session in self.sessions.robots.values():
            lost = self.sessions.is_lost(session, now)
            if lost and session.number not in self._lost:
                self._lost.add(session.number)
                self._mouth.event(session.robot, Code.ROBOT_LOST, "no report any more")
            elif not lost and session.number in self._lost:
                self._lost.discard(session.number)
                self._mouth.event(session.robot, Code.OK, "reports again")
        self.sessions.forget_silent_operators(now, _SILENT_OPERATOR)

    def _report(self, identity: bytes, header: Header, report: Report, now: int) -> None:
        session = self.sessions.find(identity, header)
        if session.role != "robot":
            raise WireError(Code.BAD_ROLE, "only robots report", header)
        try:
            sample = sample_of(self.contract, session, header, report, now)
        except WireError as error:
            # In the session, with the report's number: its author is to read why
            session.counters.bad += 1
            self.refused[error.code] += 1
            self._mouth.send(session, Status(session.robot, error.code, str(error)), header)
            return
        session.heard_ns = now
        session.counters.reports += 1
        session.counters.clipped += sample.clipped
        if session.pending is not None:
            session.counters.superseded += 1
            if session.pending.flags & Flag.RESET:
                # The episode still begins for the policy, though its first report was too late
                sample = sample.restarted()
        if header.echo_ns:
            session.round_trips_ns.append(max(now - header.echo_ns, 0))
        if sample.age_ns:
            session.ages_ns.append(sample.age_ns)
        session.pending = session.report = sample
        if sample.flags & Flag.LATCHED_STOP and not self.operators.holds(session.robot):
            self.operators.robot_stands(session, _BY_ITSELF)

    def _hello(
        self, identity: bytes, header: Header, hello: Hello, now: int, peer: Peer | None
    ) -> None:
        admitted = self.sessions.admit(identity, hello, now, peer)
        if isinstance(admitted, Reject):
            self.refused[Code(admitted.code)] += 1
            self._mouth.send_unknown(identity, admitted, header)
            self._mouth.event(hello.robot[:64], Code(admitted.code), admitted.text)
            return
        admitted.received = header.seq
        welcome = Welcome(
            policy=self.settings.policy,
            contract=self.contract.canonical_json,
            control_dt=self.contract.control_dt,
            command_age_ns=self.deadlines.command_age,
            lost_after_ns=self.deadlines.lost,
            scale=self.settings.scale,
            dry_run=self.settings.dry_run,
        )
        self._mouth.send(admitted, welcome, header)
        if hello.role == "robot":
            self._mouth.event(hello.robot, Code.OK, "connected")
            self.operators.robot_connected(admitted, hello)

    def _in_session(self, session: Session, message: Message, now: int) -> None:
        header, body = message
        if isinstance(body, Heartbeat):
            self._mouth.send(session, Heartbeat(), header)
        elif isinstance(body, Bye):
            self.sessions.end(session)
            if session.role == "robot":
                self._mouth.event(session.robot, Code.OK, f"said bye: {body.reason}")
        elif session.role == "robot" and isinstance(body, Status):
            self.operators.robot_said(session, header, body)
        elif session.role == "operator" and isinstance(body, Goal | Stop | Clear):
            if now < self._deaf_until and not isinstance(body, Stop):
                self.refused[Code.OVERLOAD] += 1
                self.operators.refuse(session, header, body, Code.OVERLOAD, _STOOD_STILL)
                return
            self.operators.operator_said(session, header, body, now)
        else:
            raise WireError(
                Code.BAD_ROLE, f"{type(body).__name__} is not for a {session.role}", header
            )

    def _tell(self, session: Session, sample: Sample, code: Code) -> None:
        self._mouth.send(session, Status(session.robot, code, ""), sample.header)

    def _refuse(self, identity: bytes, error: WireError) -> None:
        self.refused[error.code] += 1
        self._mouth.send_unknown(identity, Status("", error.code, str(error)), error.header)
