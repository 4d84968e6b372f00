"""A recording of `robot-gcrl serve --record` as rows of a dataset: what real robots did.

A report is a row; its action is the one whose ctrl was written to the motors before the next
report, which says so. Of a robot that does not know, it is that of the command that was sent.
An episode begins with a report that was answered by a command. It ends before a report that says
that an episode starts, that the robot holds or has stopped, after a report that was lost, where the
next one came late, and with the session.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from robot_gcrl import __version__
from robot_gcrl.bridge import messages as m
from robot_gcrl.bridge.record import Entry, read_recording
from robot_gcrl.bridge.wire import WireError, decode, floats, is_newer
from robot_gcrl.contract.actuate import inferred_action, initial_ctrl
from robot_gcrl.contract.contract import Contract
from robot_gcrl.contract.observe import observe
from robot_gcrl.errors import DatasetError
from robot_gcrl.train.dataset import previous_actions
from robot_gcrl.train.dataset_file import Rows

_PAUSED = m.Flag.HOLD | m.Flag.LINK_STOP | m.Flag.LATCHED_STOP
# Of control periods between two reports: beyond, one was not made
_LATE = 1.5


@dataclass(kw_only=True, eq=False)
class _Report:
    """A report that fits the contract.

    Attributes:
      seq: of the message.
      stamp_ns: on the robot's clock.
      flags: of `Flag`.
      follows: whether no message of the robot is missing before it.
      inputs: [I].
      ctrl: [A], last written to the motors, or None.
    """

    seq: int
    stamp_ns: int
    flags: int
    follows: bool
    inputs: np.ndarray
    ctrl: np.ndarray | None


@dataclass(kw_only=True, eq=False)
class _Session:
    """What a robot reported in one session, and the first ctrl [A] and goal [G] of each answer."""

    seq: int
    follows: bool = True
    reports: list[_Report] = field(default_factory=list)
    commands: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class _Episode:
    """Rows [T + 1] of one episode."""

    inputs: np.ndarray
    actions: np.ndarray
    goals: np.ndarray


def recording_rows(path: Path) -> Rows:
    """The episodes of all robots in a recording; without qpos and qvel, which robots do not have.

    Raises:
      RobotGcrlError: it is no recording, damaged, or holds no episode.
    """
    header, entries = read_recording(path)
    contract = Contract.from_json(str(header.get("contract")))
    sessions = _sessions(entries, contract)
    episodes = [episode for session in sessions for episode in _episodes(session, contract)]
    if not episodes:
        reports = sum(len(session.reports) for session in sessions)
        raise DatasetError(
            f"The recording {path} holds {reports} reports and no two in a row of which the first "
            "was answered by a command. Expected a robot that was driven. Record one that pursues "
            "a goal, not a dry run."
        )
    inputs, actions, goals = (
        np.concatenate([getattr(episode, name) for episode in episodes])
        for name in ("inputs", "actions", "goals")
    )
    terminals = np.zeros(len(inputs), bool)
    terminals[np.cumsum([len(episode.inputs) for episode in episodes]) - 1] = True
    rows = Rows(
        actions=actions,
        terminals=terminals,
        terminated=np.zeros_like(terminals),
        goals=goals,
        contract=contract.canonical_json,
        task=contract.name,
        summary={
            "source": str(path.resolve()),
            "policy": str(header.get("policy")),
            "recorded": str(header.get("started")),
            "episodes": len(episodes),
            "robot_gcrl": __version__,
        },
    )
    return rows._replace(observations=observe(contract, inputs, previous_actions(rows, contract)))


def _sessions(entries: Iterator[Entry], contract: Contract) -> list[_Session]:
    hellos: dict[tuple[bytes, int], m.Hello] = {}
    sessions: dict[int, _Session] = {}
    for entry in entries:
        try:
            header, body = decode(entry.frame)
        except WireError:
            continue
        if entry.kind == "in":
            if isinstance(body, m.Hello):
                hellos[entry.identity, header.seq] = body
            elif header.session in sessions:
                _hear(sessions[header.session], header, body, contract)
        elif isinstance(body, m.Welcome):
            hello = hellos.pop((entry.identity, header.ref_seq), None)
            if hello is not None and hello.role == "robot":
                sessions[header.session] = _Session(seq=header.ref_seq)
        elif entry.kind == "out" and isinstance(body, m.Command) and header.session in sessions:
            _answer(sessions[header.session], header, body, contract)
    return list(sessions.values())


def _hear(session: _Session, header: m.Header, body: m.Body, contract: Contract) -> None:
    if not is_newer(header.seq, session.seq):
        return
    session.follows &= (header.seq - session.seq) % m.SEQUENCES == 1
    session.seq = header.seq
    if not isinstance(body, m.Report):
        return
    try:
        inputs = floats(body.inputs, (len(contract.inputs),), code=m.Code.BAD_REPORT, name="inputs")
        ctrl = None
        if body.ctrl:
            size = (contract.action_size,)
            ctrl = floats(body.ctrl, size, code=m.Code.BAD_REPORT, name="ctrl")
    except WireError:
        session.follows = False
        return
    session.reports.append(
        _Report(
            seq=header.seq,
            stamp_ns=header.stamp_ns,
            flags=body.flags,
            follows=session.follows,
            inputs=inputs,
            ctrl=ctrl,
        )
    )
    session.follows = True


def _answer(session: _Session, header: m.Header, body: m.Command, contract: Contract) -> None:
    size = contract.action_size
    chunk, goal = np.frombuffer(body.chunk, "<f4"), np.frombuffer(body.goal, "<f4")
    if chunk.size >= size and goal.size == contract.goal_size and np.isfinite(chunk[:size]).all():
        session.commands[header.ref_seq] = chunk[:size], goal


def _episodes(session: _Session, contract: Contract) -> Iterator[_Episode]:
    """Runs of reports of which each follows the one before it within the same episode."""
    begun: list[_Report] = []
    for report in session.reports:
        if begun and not _continues(begun[-1], report, session, contract):
            yield from _episode(begun, session, contract)
            begun = []
        if begun or (report.seq in session.commands and not report.flags & _PAUSED):
            begun.append(report)
    yield from _episode(begun, session, contract)


def _continues(before: _Report, report: _Report, session: _Session, contract: Contract) -> bool:
    seconds = (report.stamp_ns - before.stamp_ns) * 1e-9
    return (
        report.follows
        and not report.flags & (_PAUSED | m.Flag.RESET)
        and 0.0 < seconds <= _LATE * contract.control_dt
        and (report.ctrl is not None or before.seq in session.commands)
    )


def _episode(reports: list[_Report], session: _Session, contract: Contract) -> Iterator[_Episode]:
    if len(reports) < 2:
        return
    inputs = np.stack([report.inputs for report in reports])
    first = reports[0]
    is_known = first.ctrl is not None and not first.flags & m.Flag.RESET
    previous = first.ctrl if is_known else initial_ctrl(contract, inputs[0])
    assert previous is not None
    # Of the last row nothing is known, nor asked
    actions: Any = np.zeros((len(reports), contract.action_size), np.float32)
    goals = []
    for row, report in enumerate(reports):
        answered = report.seq in session.commands
        goals.append(session.commands[report.seq][1] if answered else goals[-1])
        if row + 1 < len(reports):
            written = reports[row + 1].ctrl
            ctrl = session.commands[report.seq][0] if written is None else written
            actions[row] = inferred_action(contract.action, ctrl, previous)
            previous = ctrl
    yield _Episode(inputs=inputs, actions=actions, goals=np.stack(goals))
