"""A recording as fake robots: the server's session logic, goals and inference, without sockets.

The recorded frames go in at the recorded times and are answered in the recorded batches (a row of a
batched product may depend on its batch in the last bit), so that the same runtime on the same
machine gives the same commands bit for bit. Hellos that were rejected and orders that came too late
stay refused, since keys and pauses are not recorded; the numbers of sessions are translated.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from robot_gcrl.bridge import messages as m
from robot_gcrl.bridge.core import Core, Work
from robot_gcrl.bridge.cycle import hear
from robot_gcrl.bridge.inference import Inference
from robot_gcrl.bridge.record import Entry
from robot_gcrl.bridge.server import MOST_AT_ONCE
from robot_gcrl.bridge.sessions import Session
from robot_gcrl.bridge.settings import Settings
from robot_gcrl.bridge.state import farthest
from robot_gcrl.bridge.stops import StopBook
from robot_gcrl.bridge.wire import WireError, decode, encode, pack_floats
from robot_gcrl.contract import Contract
from robot_gcrl.policy.runtime import Runtime

# Answers to reports that command nothing; the server says them as it looks for work
_WITHOUT = (m.Code.STALE_REPORT, m.Code.NO_GOAL, m.Code.STOPPED)


class Said(NamedTuple):
    """A recorded message of the server, and who was told."""

    entry: Entry
    header: m.Header
    body: m.Body


def cycles(entries: Iterable[Entry]) -> Iterator[tuple[list[Entry], list[Said]]]:
    """What the server heard and then said, cycle by cycle.

    A refusal outside of any session, or of a report, is said while the server still listens, and so
    is the answer to a heartbeat: they end no cycle.
    """
    heard: list[Entry] = []
    said: list[Said] = []
    has_answered = False
    for entry in entries:
        if entry.kind != "in":
            one = Said(entry, *decode(entry.frame))
            said.append(one)
            has_answered = has_answered or not _is_said_while_listening(one)
            continue
        if has_answered:
            yield heard, said
            heard, said, has_answered = [], [], False
        heard.append(entry)
    yield heard, said


class Player:
    """Hears what was recorded, and compares what it says with what was recorded.

    Attributes:
      commands: compared.
      different: of these, by more than the tolerance.
      worst: greatest difference of a ctrl, in its unit.
      missing: commands that were recorded and are not given.
      extra: commands that are given and were not recorded.
      first: the first difference, in words; empty without one.
    """

    def __init__(
        self,
        contract: Contract,
        runtime: Runtime,
        settings: Settings,
        stops: StopBook,
        tolerance: float,
    ) -> None:
        """A server that has heard nothing.

        Args:
          contract: of the recording.
          runtime: that computes its policy.
          settings: of the recording.
          stops: empty.
          tolerance: allowed difference of a ctrl, in its unit.
        """
        self._contract, self._tolerance = contract, tolerance
        self._core = Core(contract, settings, stops, self)
        self._inference = Inference(contract, runtime, scale=settings.scale)
        self._granted: dict[tuple[bytes, int], int] = {}
        self._numbers: dict[int, int] = {}
        self._began: int | None = None
        self.commands = self.different = self.missing = self.extra = 0
        self.worst, self.first = 0.0, ""

    def send(self, session: Session, body: m.Body, answers: m.Header | None = None) -> int:
        """See `Mouth`; nobody listens."""
        if isinstance(body, m.Welcome) and answers is not None:
            self._granted[session.identity, answers.seq] = session.number
        session.sent = (session.sent + 1) % m.SEQUENCES
        return session.sent

    def send_unknown(self, identity: bytes, body: m.Body, answers: m.Header) -> None:
        """See `Mouth`; nobody listens."""

    def event(self, robot: str, code: m.Code, text: str) -> None:
        """See `Mouth`; nobody listens."""

    def play(self, heard: list[Entry], said: list[Said]) -> None:
        """One cycle of the server."""
        if not heard:
            return
        self._began = heard[0].at_ns if self._began is None else self._began
        self._core.keep_house(heard[0].at_ns)
        self._hear(heard, said)
        for one in said:
            if isinstance(one.body, m.Welcome):
                key = one.entry.identity, one.header.ref_seq
                self._numbers[one.header.session] = self._granted.pop(key, 0)
        now = heard[-1].at_ns
        for turn in _turns(said):
            # What is said while looking for work has the time; else it was soon after
            now = min(
                (one.header.stamp_ns for one in turn if isinstance(one.body, m.Status)), default=now
            )
            self._answer(turn, self._core.work(now))

    def _hear(self, heard: list[Entry], said: list[Said]) -> None:
        refused = {
            (one.entry.identity, one.header.ref_seq)
            for one in said
            if isinstance(one.body, m.Reject)
            or (isinstance(one.body, m.GoalAck | m.Status) and one.body.code == m.Code.OVERLOAD)
        }
        frames = ((e, *self._translated(e)) for e in heard)
        hear(
            self._core,
            (
                (entry.identity, frame, entry.at_ns, None)
                for entry, frame, asked in frames
                if (entry.identity, asked) not in refused
            ),
        )

    def _translated(self, entry: Entry) -> tuple[bytes, int]:
        """The frame with this server's number of the session; its own, if it may be refused."""
        try:
            header, body = decode(entry.frame)
        except WireError:
            return entry.frame, -1
        number = self._numbers.get(header.session, header.session)
        frame = encode(header._replace(session=number), body)
        return frame, header.seq if isinstance(body, m.Hello | m.Goal | m.Clear) else -1

    def _answer(self, turn: list[Said], work: list[Work]) -> None:
        ready = {(entry[0].number, entry[1].header.seq): entry for entry in work}
        batch: list[tuple[Said, Work]] = []
        commands = [one for one in turn if isinstance(one.body, m.Command)]
        for one in commands:
            number = self._numbers.get(one.header.session, 0)
            entry = ready.pop((number, one.header.ref_seq), None)
            if entry is None:
                self.missing += 1
                self._note(one.entry, one.header.ref_seq, "there is no such command now")
            else:
                batch.append((one, entry))
        if len(commands) < MOST_AT_ONCE:  # else the server had not come to the others yet
            self._count_extra(list(ready.values()))
        if batch:
            self._compare(batch)

    def _compare(self, batch: list[tuple[Said, Work]]) -> None:
        work = [entry for _, entry in batch]
        ctrl, _ = self._inference.run(work)
        distances = farthest(self._contract, work)
        for i, (one, (session, _, goal)) in enumerate(batch):
            assert isinstance(one.body, m.Command)
            session.pending = None
            self.commands += 1
            was = np.frombuffer(one.body.chunk, "<f4")
            found = _difference(ctrl[i].reshape(-1), was)
            self.worst = max(self.worst, float(found.max(initial=0.0)))
            off = abs(float(distances[i]) - one.body.distance)
            if one.body.goal != pack_floats(goal):
                text = "it pursues another goal now"
            elif found.max(initial=0.0) > self._tolerance:
                text = self._in_words(int(found.argmax()), ctrl[i].reshape(-1), was)
            elif off > self._tolerance:
                text = f"the distance to the goal is another one, by {off:.3g}"
            else:
                continue
            self.different += 1
            self._note(one.entry, one.header.ref_seq, text)

    def _in_words(self, i: int, now: np.ndarray, was: np.ndarray) -> str:
        if now.shape != was.shape:
            return f"{now.size} numbers now, {was.size} then"
        names = self._contract.action.actuators
        return f"{names[i % len(names)]} is {now[i]:.7g} now and was {was[i]:.7g}"

    def _count_extra(self, left: list[Work]) -> None:
        for session, sample, _ in left:
            session.pending = None
            self.extra += 1
            text = "there is a command now, and none was recorded"
            self._note_at(session.robot, sample.header.seq, sample.arrived_ns, text)

    def _note(self, entry: Entry, seq: int, text: str) -> None:
        self._note_at(entry.robot, seq, entry.at_ns, text)

    def _note_at(self, robot: str, seq: int, at_ns: int, text: str) -> None:
        if not self.first:
            seconds = (at_ns - (self._began or 0)) / 1e9
            self.first = f"{robot}, report {seq}, {seconds:.3f} s after the start: {text}"


def _turns(said: list[Said]) -> Iterator[list[Said]]:
    """What was said in each look for work: whom it does not command, then one batch of commands.

    Without a word there was one look all the same.
    """
    turn: list[Said] = []
    commands = 0
    for one in said:
        is_command = isinstance(one.body, m.Command)
        if not is_command and not _is_without(one):
            continue
        if commands == MOST_AT_ONCE or (commands and not is_command):
            yield turn
            turn, commands = [], 0
        turn.append(one)
        commands += is_command
    yield turn


def _is_said_while_listening(one: Said) -> bool:
    is_bad = isinstance(one.body, m.Status) and one.body.code == m.Code.BAD_REPORT
    return one.header.session == 0 or is_bad or isinstance(one.body, m.Heartbeat)


def _is_without(one: Said) -> bool:
    return isinstance(one.body, m.Status) and one.body.code in _WITHOUT and one.header.session != 0


def _difference(now: np.ndarray, was: np.ndarray) -> np.ndarray:
    if now.shape != was.shape:
        return np.array([np.inf])
    # NaN is as far from anything as can be
    return np.nan_to_num(np.abs(now - was), nan=np.inf, posinf=np.inf)
