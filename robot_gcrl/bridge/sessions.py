"""Who talks to the server: sessions of robots and operators, and who may have one.

A robot id has at most one live session. A hello for a robot whose reports are fresh is rejected;
once it is lost or has said bye, the new one is granted and frames of the old session are fenced:
they are counted and dropped. No sockets, no clock: time is an argument [ns].
"""

import dataclasses
import secrets
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from robot_gcrl.bridge.messages import Code, Flag, Header, Hello, Reject, Report, cut
from robot_gcrl.bridge.wire import WireError, floats, is_newer
from robot_gcrl.contract import Contract
from robot_gcrl.contract.difference import differences

ROLES = ("robot", "operator")
_ID_LENGTH = 64
_SAMPLES = 1024


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Who the transport says a client is, where there are keys: what its certificate allows.

    Attributes:
      role: "robot" or "operator".
      name: the robot's id; of an operator anything.
    """

    role: str
    name: str


@dataclass(kw_only=True)
class Counters:
    """What happened in a session or a server since it began."""

    reports: int = 0
    commands: int = 0
    superseded: int = 0
    stale: int = 0
    bad: int = 0
    fenced: int = 0
    clipped: int = 0
    unsent: int = 0


@dataclass(kw_only=True, eq=False)
class Session:
    """One granted handshake.

    Attributes:
      identity: the ZeroMQ identity of the connection.
      number: random, in every header of this session.
      role: "robot" or "operator".
      robot: the robot's id, or the operator's name.
      pose_size: nq of the robot's reports, or 0.
      sent: sequence number of the last message to it.
      received: sequence number of the last message from it.
      heard_ns: when it was last heard [ns].
      pending: the newest report that no command has answered, with its inputs and when it came.
      report: the newest report with its inputs, answered or not.
      previous_action: float32 [P], the newest first.
      previous_ctrl: float32 [A], or None at the start of an episode.
      queue: float32 [Q], what is left of a chunk of actions; None where nothing is.
      served_ns: when it was last sent a command.
      is_clearing: whether it was sent a clear that it has not confirmed.
      round_trips_ns: the newest, on the way alone.
      ages_ns: of the commands that it wrote, the newest.
    """

    identity: bytes
    number: int
    role: str
    robot: str
    pose_size: int
    heard_ns: int
    previous_action: np.ndarray
    sent: int = 0
    received: int = 0
    pending: "Sample | None" = None
    report: "Sample | None" = None
    previous_ctrl: np.ndarray | None = None
    queue: np.ndarray | None = None
    served_ns: int = 0
    is_clearing: bool = False
    counters: Counters = field(default_factory=Counters)
    round_trips_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_SAMPLES))
    ages_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_SAMPLES))


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """A report that was accepted.

    Attributes:
      header: of the report.
      flags: of `Flag`.
      inputs: float32 [I].
      ctrl: float32 [A] that the robot wrote last, or None.
      pose: float32 [nq], empty if it sends none.
      age_ns: of the command it wrote last [ns].
      clipped: numbers of that command that a limit of the robot changed.
      arrived_ns: on the server's clock.
    """

    header: Header
    flags: int
    inputs: np.ndarray
    ctrl: np.ndarray | None
    pose: np.ndarray
    age_ns: int
    clipped: int
    arrived_ns: int

    def restarted(self) -> "Sample":
        """The same as the first report of an episode."""
        return dataclasses.replace(self, flags=self.flags | Flag.RESET)


class Sessions:
    """All sessions of one server."""

    def __init__(self, contract: Contract, *, lost_after_ns: int) -> None:
        """None yet.

        Args:
          contract: that robots must have.
          lost_after_ns: without a report for this long a robot is lost [ns].
        """
        self._contract = contract
        self._lost_after = lost_after_ns
        self._by_number: dict[int, Session] = {}
        self._by_identity: dict[bytes, Session] = {}
        self._robots: dict[str, Session] = {}

    @property
    def all(self) -> tuple[Session, ...]:
        """Every session."""
        return tuple(self._by_number.values())

    def name(self, identity: bytes) -> str:
        """The id of the robot, or the operator's name, behind a connection; empty if unknown."""
        session = self._by_identity.get(identity)
        return "" if session is None else session.robot

    @property
    def robots(self) -> dict[str, Session]:
        """The newest session of every robot that has one, lost or not."""
        return self._robots

    def is_lost(self, session: Session, now: int) -> bool:
        """Whether nothing was heard of a robot for too long."""
        return now - session.heard_ns > self._lost_after

    def admit(self, identity: bytes, hello: Hello, now: int, peer: Peer | None) -> Session | Reject:
        """A session for who says hello, or why there is none.

        Args:
          identity: of the connection.
          hello: what it says.
          now: [ns].
          peer: what its key allows; None without keys.
        """
        refused = self._refusal(identity, hello, now, peer)
        if refused is not None:
            return refused
        session = Session(
            identity=identity,
            number=secrets.randbelow(2**62) + 1,
            role=hello.role,
            robot=hello.robot,
            pose_size=hello.pose_size,
            heard_ns=now,
            previous_action=np.zeros(self._contract.previous_action_size, np.float32),
        )
        if hello.role == "robot":
            before = self._robots.get(hello.robot)
            if before is not None:
                self.end(before)
            self._robots[hello.robot] = session
        same = self._by_identity.get(identity)
        if same is not None:
            self.end(same)
        self._by_number[session.number] = self._by_identity[identity] = session
        return session

    def find(self, identity: bytes, header: Header) -> Session:
        """The session that a message belongs to; its sequence number must be new.

        Raises:
          WireError: no such session over this connection, or an old number.
        """
        session = self._by_number.get(header.session)
        if session is None or session.identity != identity:
            raise WireError(Code.UNKNOWN_SESSION, "no such session", header)
        if not is_newer(header.seq, session.received):
            raise WireError(Code.BAD_FRAME, f"seq {header.seq} again", header)
        session.received = header.seq
        return session

    def end(self, session: Session) -> None:
        """Forgets a session; its frames are fenced from now on."""
        self._by_number.pop(session.number, None)
        if self._by_identity.get(session.identity) is session:
            del self._by_identity[session.identity]
        if self._robots.get(session.robot) is session:
            del self._robots[session.robot]

    def forget_silent_operators(self, now: int, after_ns: int) -> None:
        """Ends the sessions of operators that were not heard of for `after_ns`."""
        for session in self.all:
            if session.role == "operator" and now - session.heard_ns > after_ns:
                self.end(session)

    def _refusal(self, identity: bytes, hello: Hello, now: int, peer: Peer | None) -> Reject | None:
        if (
            hello.role not in ROLES
            or not 0 < len(hello.robot) <= _ID_LENGTH
            # In a topic, a file or a terminal they would do other things than name a robot
            or not hello.robot.isprintable()
        ):
            role, name = cut(hello.role, _ID_LENGTH), cut(hello.robot, _ID_LENGTH)
            text = f"role {role!r} of {name!r}; expected robot or operator"
            text += f" with an id of 1 to {_ID_LENGTH} printable characters"
            return Reject(Code.BAD_ROLE, text, ())
        if peer is not None and (peer.role, peer.name) != (
            hello.role,
            hello.robot if hello.role == "robot" else peer.name,
        ):
            return Reject(
                Code.BAD_ROLE,
                f"the key is that of {peer.role} {peer.name!r}, not of {hello.role} "
                f"{hello.robot!r}",
                (),
            )
        # An operator without a contract sets goals blindly, but may always stop
        if hello.sha256 != self._contract.sha256 and (hello.role == "robot" or hello.sha256):
            found = differences(self._contract, hello.contract)
            return Reject(
                Code.BAD_CONTRACT,
                f"the contract has sha256 {hello.sha256[:12]}, the policy's "
                f"{self._contract.sha256[:12]}",
                found,
            )
        if hello.role != "robot":
            return None
        before = self._robots.get(hello.robot)
        # The same process again: it has stopped for want of commands and begins anew
        again = before is not None and before.identity == identity
        if before is not None and not again and not self.is_lost(before, now):
            age = (now - before.heard_ns) / 1e6
            return Reject(
                Code.IN_USE, f"robot {hello.robot!r} is in use, last report {age:.0f} ms ago", ()
            )
        return None


def sample_of(
    contract: Contract, session: Session, header: Header, report: Report, now: int
) -> Sample:
    """A report's numbers, checked against what the handshake fixed.

    Raises:
      WireError: a length other than agreed, a number that is not finite, or flags unknown.
    """
    if report.flags & ~_FLAGS:
        raise WireError(Code.BAD_REPORT, f"unknown flags {report.flags:#x}", header)
    inputs, actions = len(contract.inputs), contract.action_size
    fields = (
        ("inputs", report.inputs, inputs),
        ("ctrl", report.ctrl, actions if report.ctrl else 0),
        ("pose", report.pose, session.pose_size),
    )
    numbers = [
        floats(value, (size,), code=Code.BAD_REPORT, name=name) for name, value, size in fields
    ]
    return Sample(
        header=header,
        flags=report.flags,
        inputs=numbers[0],
        ctrl=numbers[1] if report.ctrl else None,
        pose=numbers[2],
        age_ns=report.age_ns,
        clipped=report.clipped,
        arrived_ns=now,
    )


_FLAGS = int(Flag.RESET | Flag.HOLD | Flag.LINK_STOP | Flag.LATCHED_STOP | Flag.RAMP)
