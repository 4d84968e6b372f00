"""Counting what a recording says of each robot.

A robot's numbers come from its own reports (ages, clips, holds) and from what the server answered
(drops); a report is answered by the message whose `ref_seq` is its `seq`.
"""

from array import array
from dataclasses import dataclass, field

from robot_gcrl.bridge import messages as m
from robot_gcrl.bridge.record import Entry
from robot_gcrl.bridge.stops import EVERY
from robot_gcrl.bridge.wire import WireError, decode, is_newer

SPANS = {"holds": m.Flag.HOLD, "link_stops": m.Flag.LINK_STOP, "latched_stops": m.Flag.LATCHED_STOP}
"""What a robot can be in for a while, and the bit of its reports that says so."""


@dataclass(kw_only=True, eq=False)
class Tally:
    """What was counted of one robot; times in ns.

    Attributes:
      sessions: handshakes granted.
      reports: in a session and readable.
      commands: sent, or in a dry run computed.
      served_ns: time within sessions, from the first report to the last.
      intervals: between two reports of a session.
      counts: by name of `COUNTS`: drops and answers without a command by cause, clips, goals.
      ages: of the commands that it wrote, from report to motors.
      round_trips: on the way alone.
      spans: durations by name of `SPANS`.
    """

    sessions: int = 0
    reports: int = 0
    commands: int = 0
    served_ns: int = 0
    intervals: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    ages: array = field(default_factory=lambda: array("q"))
    round_trips: array = field(default_factory=lambda: array("q"))
    spans: dict[str, array] = field(default_factory=lambda: {name: array("q") for name in SPANS})


COUNTS = (
    "superseded", "stale", "bad", "fenced", "missing",
    "no_goal", "stopped", "dry",
    "clipped_by_robot", "reports_with_clips", "clipped_by_server",
    "goals", "goals_refused",
)  # fmt: skip


@dataclass(kw_only=True, eq=False)
class _Session:
    """One session while it is read: last numbers, the report that waits, spans that are open."""

    number: int
    robot: str
    seq: int
    stamp: int | None = None
    waiting: int | None = None
    open: dict[str, int] = field(default_factory=dict)


class Tallies:
    """Counts entry by entry; `by_robot` is complete after `finish`."""

    def __init__(self) -> None:
        """Nothing was read yet."""
        self.by_robot: dict[str, Tally] = {}
        self._hellos: dict[tuple[bytes, int], m.Hello] = {}
        self._sessions: dict[int, _Session] = {}
        self._current: dict[str, int] = {}
        self._by_identity: dict[bytes, int] = {}

    def add(self, entry: Entry) -> None:
        """Counts one entry."""
        try:
            header, body = decode(entry.frame)
        except WireError:
            if entry.robot in self.by_robot:
                self.by_robot[entry.robot].counts["bad"] += 1
            return
        if entry.kind == "in":
            self._heard(entry, header, body)
        else:
            self._said(entry, header, body)

    def finish(self) -> None:
        """Closes what is open at the end of the recording."""
        for number in list(self._current.values()):
            self._close(number)

    def _heard(self, entry: Entry, header: m.Header, body: m.Body) -> None:
        if isinstance(body, m.Hello):
            self._hellos[entry.identity, header.seq] = body
            return
        session = self._sessions.get(header.session)
        if session is None:
            return
        tally = self.by_robot[session.robot]
        if self._current.get(session.robot) != header.session:
            tally.counts["fenced"] += 1
            return
        if not is_newer(header.seq, session.seq):
            tally.counts["bad"] += 1
            return
        tally.counts["missing"] += (header.seq - session.seq) % m.SEQUENCES - 1
        session.seq = header.seq
        if isinstance(body, m.Report):
            self._report(entry.at_ns, session, tally, header, body)
        elif isinstance(body, m.Bye):
            self._close(session.number)

    def _report(
        self, at_ns: int, session: _Session, tally: Tally, header: m.Header, body: m.Report
    ) -> None:
        tally.reports += 1
        if session.stamp is not None:
            tally.intervals += 1
            tally.served_ns += header.stamp_ns - session.stamp
        tally.counts["superseded"] += session.waiting is not None
        session.stamp, session.waiting = header.stamp_ns, header.seq
        if body.age_ns:
            tally.ages.append(body.age_ns)
        if header.echo_ns:
            tally.round_trips.append(max(at_ns - header.echo_ns, 0))
        tally.counts["clipped_by_robot"] += body.clipped
        tally.counts["reports_with_clips"] += body.clipped > 0
        for name, flag in SPANS.items():
            if body.flags & flag:
                session.open.setdefault(name, header.stamp_ns)
            elif name in session.open:
                tally.spans[name].append(header.stamp_ns - session.open.pop(name))

    def _said(self, entry: Entry, header: m.Header, body: m.Body) -> None:
        if isinstance(body, m.Welcome):
            self._welcomed(entry.identity, header)
        elif isinstance(body, m.Reject):
            self._hellos.pop((entry.identity, header.ref_seq), None)
        elif isinstance(body, m.GoalAck):
            name = "goals" if body.code == m.Code.OK else "goals_refused"
            for robot, tally in self.by_robot.items():
                tally.counts[name] += body.robot in (robot, EVERY)
        number = header.session or self._by_identity.get(entry.identity, 0)
        session = self._sessions.get(number)
        if session is None or session.waiting != header.ref_seq:
            return
        tally = self.by_robot[session.robot]
        if isinstance(body, m.Command):
            tally.commands += 1
            tally.counts["dry"] += entry.kind == "dry"
            tally.counts["clipped_by_server"] += body.clipped
            session.waiting = None
        elif isinstance(body, m.Status):
            session.waiting = None
            cause = _CAUSES.get(body.code)
            if cause is not None:
                tally.counts[cause] += 1

    def _welcomed(self, identity: bytes, header: m.Header) -> None:
        hello = self._hellos.pop((identity, header.ref_seq), None)
        if hello is None or hello.role != "robot":
            return
        before = self._current.get(hello.robot)
        if before is not None:
            self._close(before)
        session = _Session(number=header.session, robot=hello.robot, seq=header.ref_seq)
        self._sessions[session.number] = session
        self._current[hello.robot] = self._by_identity[identity] = session.number
        self.by_robot.setdefault(hello.robot, Tally()).sessions += 1

    def _close(self, number: int) -> None:
        session = self._sessions[number]
        self._current.pop(session.robot, None)
        for name, began in session.open.items():
            if session.stamp is not None:
                self.by_robot[session.robot].spans[name].append(session.stamp - began)
        session.open.clear()


_CAUSES: dict[int, str] = {
    m.Code.STALE_REPORT: "stale",
    m.Code.BAD_REPORT: "bad",
    m.Code.NO_GOAL: "no_goal",
    m.Code.STOPPED: "stopped",
}
