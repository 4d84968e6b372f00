"""The bridge's messages, as data: what robots, servers and operators say to each other.

Numbers of a robot travel as little-endian float32 in `bytes`, of lengths that the handshake fixed.
How a message becomes a frame is `robot_gcrl.bridge.wire`; the page for other languages is
controllers/README.md.
"""

import enum
from collections.abc import Sequence
from typing import NamedTuple

PROTOCOL = 1
MAX_FRAME = 64 * 1024
"""Longest frame [bytes]; ZeroMQ drops a peer that sends more."""
MAX_TEXT = 1024
"""Longest text [characters], except a contract's JSON."""
MAX_ROWS = 64
"""Most rows of a chunk, and most differences in a reject."""
SEQUENCES = 2**32
"""Sequence numbers count modulo this."""


class Type(enum.IntEnum):
    """What a message is; the number on the wire."""

    HELLO = 1
    WELCOME = 2
    REJECT = 3
    REPORT = 4
    COMMAND = 5
    GOAL = 6
    GOAL_ACK = 7
    STOP = 8
    CLEAR = 9
    STATUS = 10
    HEARTBEAT = 11
    BYE = 12


class Code(enum.IntEnum):
    """What a status, a reject or a goal's answer says."""

    OK = 0
    BAD_FRAME = 1
    BAD_VERSION = 2
    BAD_CONTRACT = 3
    BAD_ROLE = 4
    IN_USE = 5
    UNKNOWN_SESSION = 6
    UNKNOWN_ROBOT = 7
    BAD_REPORT = 8
    STALE_REPORT = 9
    NO_GOAL = 10
    GOAL_OUT_OF_RANGE = 11
    BAD_GOAL = 12
    OVERLOAD = 13
    HOLD = 14
    STOPPED = 15
    ROBOT_LOST = 16
    CLEARED = 17
    DRY_RUN = 18
    NO_POLICY = 19


class Flag(enum.IntFlag):
    """Bits of a report."""

    RESET = 1
    """The episode starts here: what was commanded before does not count."""
    HOLD = 2
    """The robot holds for want of a fresh command."""
    LINK_STOP = 4
    """The robot has stopped for want of commands; its next hello ends that."""
    LATCHED_STOP = 8
    """The robot has stopped until an operator clears it."""
    RAMP = 16
    """Motion is being faded in."""


def known_code(code: int) -> Code:
    """The code, or BAD_FRAME for a number that this version does not know."""
    return Code(code) if code in _CODES else Code.BAD_FRAME


def cut(text: str, most: int = MAX_TEXT) -> str:
    """A text that may travel: what others wrote is cut where it is quoted."""
    return text if len(text) <= most else text[: most - 3] + "..."


_CODES = frozenset(int(code) for code in Code)


class Header(NamedTuple):
    """What every message begins with.

    Attributes:
      session: of the sender's handshake, 0 before it.
      seq: counts the sender's messages of this session, modulo 2^32.
      stamp_ns: the sender's monotonic clock [ns].
      echo_ns: `stamp_ns` of the message that this one answers, 0 if none [ns].
      ref_seq: `seq` of that message, 0 if none.
    """

    session: int = 0
    seq: int = 0
    stamp_ns: int = 0
    echo_ns: int = 0
    ref_seq: int = 0


class Hello(NamedTuple):
    """client -> server: who asks for a session.

    Attributes:
      role: "robot" or "operator".
      robot: the robot's id; an operator's name.
      sha256: of the contract, or empty where an operator has none.
      contract: its canonical JSON, or empty: the server tells differences only with it.
      control_dt: the robot's control period [s]; of an operator 0.
      pose_size: length of the pose in its reports, 0 for none.
      goal: float32 [G], SI: the goal that the robot last heard of, or empty. A server that was
        started anew goes on with it.
      stop: why the robot's latched stop holds, empty if none does.
    """

    role: str
    robot: str
    sha256: str
    contract: str
    control_dt: float
    pose_size: int
    goal: bytes
    stop: str


class Welcome(NamedTuple):
    """server -> client: the session that the header carries is granted.

    Attributes:
      policy: name of the policy and the first digits of its file's sha256.
      contract: canonical JSON.
      control_dt: [s].
      command_age_ns: a command is discarded when older than this since its report [ns].
      lost_after_ns: without a report for this long the robot counts as lost [ns].
      scale: what limits and deltas are multiplied by, in (0, 1].
      dry_run: whether commands are computed and not sent.
    """

    policy: str
    contract: str
    control_dt: float
    command_age_ns: int
    lost_after_ns: int
    scale: float
    dry_run: bool


class Reject(NamedTuple):
    """server -> client: why there is no session.

    Attributes:
      code: of `Code`.
      text: for a person.
      differences: (name, expected, got) of each part of the contract that differs.
    """

    code: int
    text: str
    differences: Sequence[Sequence[str]]


class Report(NamedTuple):
    """robot -> server: what the robot measured at `stamp_ns`.

    Its header's `echo_ns` is the stamp of the newest command plus the time that this lay at the
    robot, so that the server reads off the time on the way alone.

    Attributes:
      flags: of `Flag`.
      age_ns: of the command that was last written, from its report to the motors; 0 if none [ns].
      clipped: how many numbers of that command a limit of the robot changed.
      inputs: float32 [I], raw SI values in contract order.
      ctrl: float32 [A], what was last written to the motors, or empty where that is not known.
      pose: float32 [nq] for drawing alone, or empty.
    """

    flags: int
    age_ns: int
    clipped: int
    inputs: bytes
    ctrl: bytes
    pose: bytes


class Command(NamedTuple):
    """server -> robot: the answer to the report of `ref_seq`.

    Attributes:
      chunk: float32 [k, A], physical units, one row for each control step from the report on.
      valid_until_ns: on the robot's own clock, after which no row may begin [ns].
      goal: float32 [G], SI.
      distance: to the goal, of the success group that is farthest in radii [its unit].
      clipped: how many numbers of the chunk a limit of contract or server changed.
    """

    chunk: bytes
    valid_until_ns: int
    goal: bytes
    distance: float
    clipped: int


class Goal(NamedTuple):
    """operator -> server (and server -> robot, which is told): where the robot shall go."""

    robot: str
    goal: bytes


class GoalAck(NamedTuple):
    """server -> operator: whether the goal of `ref_seq` is pursued, and the bounds [G] twice."""

    robot: str
    code: int
    goal: bytes
    low: bytes
    high: bytes
    text: str


class Stop(NamedTuple):
    """operator -> server -> robot: stop until cleared; robot "*" is every robot."""

    robot: str
    reason: str


class Clear(NamedTuple):
    """operator -> server -> robot: the latched stop ends; robot "*" is every robot."""

    robot: str


class Status(NamedTuple):
    """Either way: what happened, about which robot."""

    robot: str
    code: int
    text: str


class Heartbeat(NamedTuple):
    """Either way: still there."""


class Bye(NamedTuple):
    """Either way: the session ends; nothing more will come."""

    reason: str


Body = (
    Hello
    | Welcome
    | Reject
    | Report
    | Command
    | Goal
    | GoalAck
    | Stop
    | Clear
    | Status
    | Heartbeat
    | Bye
)

BODIES: dict[Type, type[Body]] = {
    Type.HELLO: Hello,
    Type.WELCOME: Welcome,
    Type.REJECT: Reject,
    Type.REPORT: Report,
    Type.COMMAND: Command,
    Type.GOAL: Goal,
    Type.GOAL_ACK: GoalAck,
    Type.STOP: Stop,
    Type.CLEAR: Clear,
    Type.STATUS: Status,
    Type.HEARTBEAT: Heartbeat,
    Type.BYE: Bye,
}


class Message(NamedTuple):
    """A header and its body."""

    header: Header
    body: Body
