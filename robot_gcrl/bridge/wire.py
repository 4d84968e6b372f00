"""The bridge's messages and their frames: one msgpack array in one ZeroMQ frame.

    [protocol, type, session, seq, stamp_ns, echo_ns, ref_seq, body...]

Every type has a fixed body; numbers of a robot travel as `bin`, little-endian float32, of lengths
that the handshake fixed. `decode` checks all that can be known without the handshake; `floats` the
rest. Whatever does not fit raises `WireError`, whose code is counted, answered and never acted on.
`stamp_ns` is the sender's monotonic clock (of a report: when it was sampled), `echo_ns` and
`ref_seq` return stamp and number of the message that is answered, so that round trips need no
clock in common. The page for other languages is controllers/README.md.
"""

import math
from collections.abc import Sequence
from typing import Any

import msgpack
import numpy as np

from robot_gcrl.bridge.messages import (
    BODIES,
    MAX_FRAME,
    MAX_ROWS,
    MAX_TEXT,
    PROTOCOL,
    SEQUENCES,
    Body,
    Code,
    Header,
    Message,
)
from robot_gcrl.errors import RobotGcrlError

_HEADER = 7
_INT64 = 2**63
_FLOAT = np.dtype("<f4")
_TYPES: dict[type[Body], int] = {body: int(kind) for kind, body in BODIES.items()}


class WireError(RobotGcrlError):
    """A frame that is not acted on.

    Attributes:
      code: what is counted and answered.
      header: of the frame as far as it could be read, for the answer's `ref_seq`.
    """

    def __init__(self, code: Code, text: str, header: Header | None = None) -> None:
        """Says what is wrong with a frame, in one clause."""
        super().__init__(text)
        self.code = code
        self.header = header or Header()


def encode(header: Header, body: Body) -> bytes:
    """The frame of a message."""
    return _PACK((PROTOCOL, _TYPES[type(body)], *header, *body))


def decode(frame: bytes) -> Message:
    """The message of a frame.

    Raises:
      WireError: it is not a message of this protocol version, in any way.
    """
    if len(frame) > MAX_FRAME:
        raise WireError(Code.BAD_FRAME, f"{len(frame)} bytes; at most {MAX_FRAME}")
    try:
        content = msgpack.unpackb(frame, **_UNPACK)
    # Its errors have no ancestor in common: nesting raises StackError, text UnicodeDecodeError
    except (ValueError, msgpack.UnpackException, RecursionError, OverflowError) as error:
        raise WireError(Code.BAD_FRAME, f"no msgpack: {type(error).__name__}") from error
    if type(content) is not list or len(content) < _HEADER:
        raise WireError(Code.BAD_FRAME, f"no array of at least {_HEADER} elements")
    if content[0] != PROTOCOL or type(content[0]) is not int:
        raise WireError(Code.BAD_VERSION, f"not protocol {PROTOCOL}")
    header = _header(content)
    kind, fields = content[1], content[_HEADER:]
    if type(kind) is not int or kind not in _CHECKS:
        raise WireError(Code.BAD_FRAME, "unknown type", header)
    body, checks = _CHECKS[kind]
    if len(fields) != len(checks):
        raise WireError(
            Code.BAD_FRAME, f"{len(fields)} fields in {body.__name__}, not {len(checks)}", header
        )
    for i, check in enumerate(checks):
        if not check(fields[i]):
            name = f"{body.__name__}.{body._fields[i]}"
            raise WireError(Code.BAD_FRAME, f"{name} is unacceptable", header)
    return Message(header, body(*fields))


def pack_floats(values: np.ndarray) -> bytes:
    """Numbers as they travel: little-endian float32, C order."""
    return np.ascontiguousarray(values, _FLOAT).tobytes()


def rows(values: Sequence[np.ndarray]) -> np.ndarray:
    """[B, N] of B arrays [N]; of one robot without a copy."""
    return values[0][None] if len(values) == 1 else np.stack(values)


def floats(field: bytes, shape: tuple[int, ...], *, code: Code, name: str) -> np.ndarray:
    """float32 of `shape`: the numbers of a `bin` field, all of them finite.

    Raises:
      WireError: with `code`; another length, or a number that is not finite.
    """
    if len(field) != 4 * math.prod(shape):
        raise WireError(code, f"{name} has {len(field)} bytes, not 4 x {math.prod(shape)}")
    values = np.frombuffer(field, _FLOAT)
    # Not by their sum: finite numbers can overflow it, with a warning that a peer would cause
    if not np.isfinite(values).all():
        raise WireError(code, f"{name} holds a number that is not finite")
    return values.astype(np.float32, copy=False).reshape(shape)


def is_newer(seq: int, than: int) -> bool:
    """Whether a sequence number comes after another, across the wrap (RFC 1982, 32 bits)."""
    return 0 < (seq - than) % SEQUENCES < SEQUENCES // 2


def _is_text(value: Any) -> bool:
    return type(value) is str and len(value) <= MAX_TEXT


def _is_long_text(value: Any) -> bool:
    return type(value) is str


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < SEQUENCES


def _is_time(value: Any) -> bool:
    return type(value) is int and 0 <= value < _INT64


def _is_number(value: Any) -> bool:
    return type(value) is float and math.isfinite(value)


def _is_flag(value: Any) -> bool:
    return type(value) is bool


def _is_bytes(value: Any) -> bool:
    return type(value) is bytes


def _is_differences(value: Any) -> bool:
    return (
        type(value) is list
        and len(value) <= MAX_ROWS
        and all(
            type(row) is list and len(row) == 3 and all(_is_text(cell) for cell in row)
            for row in value
        )
    )


_BY_ANNOTATION = {str: _is_text, float: _is_number, bool: _is_flag, bytes: _is_bytes}
_BY_NAME = {
    "contract": _is_long_text,
    "differences": _is_differences,
    "age_ns": _is_time,
    "command_age_ns": _is_time,
    "lost_after_ns": _is_time,
    "valid_until_ns": _is_time,
}


def _checks_of(body: type[Body]) -> tuple[Any, ...]:
    hints = body.__annotations__
    return tuple(
        _BY_NAME.get(name) or _BY_ANNOTATION.get(hints[name], _is_count) for name in body._fields
    )


_CHECKS: dict[int, tuple[type[Body], tuple[Any, ...]]] = {
    int(kind): (body, _checks_of(body)) for kind, body in BODIES.items()
}


def _header(content: list[Any]) -> Header:
    # Written out: this runs for every message, and a loop over checks takes twice as long
    session, seq, stamp, echo, ref = values = content[2:_HEADER]
    if (
        [type(value) for value in values] == _FIVE_INTEGERS
        and 0 <= session < _INT64
        and 0 <= seq < SEQUENCES
        and 0 <= stamp < _INT64
        and 0 <= echo < _INT64
        and 0 <= ref < SEQUENCES
    ):
        return Header(session, seq, stamp, echo, ref)
    raise WireError(Code.BAD_FRAME, "the header is unacceptable")


_FIVE_INTEGERS = [int] * 5
_PACK = msgpack.Packer(use_bin_type=True, use_single_float=False, autoreset=True).pack
_UNPACK: dict[str, Any] = {
    "raw": False,
    "use_list": True,
    "strict_map_key": True,
    "max_map_len": 0,
    "max_ext_len": 0,
    "max_array_len": 3 * MAX_ROWS,
}
