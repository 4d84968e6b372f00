"""The golden frames of the bridge's protocol, for every implementation of it to decode.

Writes tests/fixtures/wire/vN: one file per frame, `valid.json` with what each of them says (numbers
of `bin` fields as lists), and `invalid.json` with the code that refuses each of the others. Frames
of a version are frozen: this program adds to them, and refuses to change one. What must be written
otherwise is another protocol version.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from robot_gcrl.bridge import messages as m
from robot_gcrl.bridge.wire import encode, pack_floats

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "fixtures" / "wire" / f"v{m.PROTOCOL}"
SESSION = 4_611_686_018_427_387_904
HEADER = m.Header(SESSION, 41, 1_234_567_890_123, 1_234_567_000_000, 40)
FIRST = m.Header(0, 7, 1_234_567_890_123, 0, 0)
LAST = m.Header(2**63 - 1, m.SEQUENCES - 1, 2**63 - 1, 2**63 - 1, m.SEQUENCES - 1)
CONTRACT = '{"control_dt":0.05,"name":"demo","robot":"box"}'
SHA256 = "0123456789abcdef" * 4


def main() -> None:
    """Adds what is missing; exit code 1 if a frame would change."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "invalid").mkdir(exist_ok=True)
    valid = [
        _keep(FOLDER / f"{name}.bin", encode(header_of(name), body))
        | _described(header_of(name), body)
        for name, body in messages()
    ]
    invalid = [
        _keep(FOLDER / "invalid" / f"{name}.bin", frame) | {"code": code.name} | rest
        for name, code, frame, rest in refused()
    ]
    for name, entries in (("valid", valid), ("invalid", invalid)):
        text = json.dumps(entries, indent=1, ensure_ascii=True)
        (FOLDER / f"{name}.json").write_text(text + "\n")
    print(f"{len(valid)} valid and {len(invalid)} invalid frames in {FOLDER}")


def messages() -> Iterator[tuple[str, m.Body]]:
    """(name, body) of valid frames: every type, every field, and the edges of each."""
    goal, five = _floats(4.0, -0.1), _floats(0.1, 0.2, 0.3, 0.4, 0.5)
    demo = ("robot", "ant0", SHA256, CONTRACT, 0.05)
    yield "hello_robot", m.Hello(*demo, 15, b"", "")
    yield "hello_robot_stopped", m.Hello(*demo, 0, goal, "operator: too close")
    yield "hello_operator", m.Hello("operator", "viewer", "", "", 0.0, 0, b"", "")
    policy, last = "ant 0123456789ab", 2**63 - 1
    yield "welcome", m.Welcome(policy, CONTRACT, 0.05, 150_000_000, 500_000_000, 1.0, False)
    yield "welcome_dry_run", m.Welcome(policy, CONTRACT, 1 / 3, last, 0, 0.2, True)
    yield "reject", m.Reject(m.Code.IN_USE, "robot 'ant0' is in use", ())
    rows = (("control_dt", "0.05", "0.02"), ("action.joints[0]", '"hip \\u00e9"', "absent"))
    yield "reject_contract", m.Reject(m.Code.BAD_CONTRACT, "the contract differs", rows)
    flags = int(m.Flag.RESET | m.Flag.RAMP)
    odd, ctrl, pose = _floats(0.1, -2.5, 3e38, -1e-40, -0.0), _floats(0.5, -0.25), five[:12]
    yield "report", m.Report(flags, 1_900_000, 3, odd, ctrl, pose)
    yield "report_bare", m.Report(0, 0, 0, five, b"", b"")
    many = _floats(*np.arange(300) / 7)
    yield "report_greatest", m.Report(31, last, m.SEQUENCES - 1, many, b"", b"")
    yield "command", m.Command(ctrl, 1_234_717_890_123, goal, 4.2, 0)
    chunk = _floats(*np.arange(6) / 3)
    yield "command_chunk", m.Command(chunk, last, goal, 0.0, m.SEQUENCES - 1)
    yield "goal", m.Goal("ant0", goal)
    yield "goal_all", m.Goal("*", goal)
    low, high = _floats(-8.0, -8.0), _floats(8.0, 8.0)
    yield "goal_ack", m.GoalAck("ant0", m.Code.OK, goal, low, high, "")
    far = m.Code.GOAL_OUT_OF_RANGE
    yield "goal_ack_refused", m.GoalAck("ant0", far, high, low, goal, "outside of the bounds")
    yield "stop", m.Stop("ant0", "a person stands in the way")
    yield "stop_all", m.Stop("*", "\u20ac\U0001f6d1" * (m.MAX_TEXT // 2))
    yield "clear", m.Clear("ant0")
    yield "status", m.Status("ant0", m.Code.STALE_REPORT, "")
    yield "status_code_unknown", m.Status("", m.SEQUENCES - 1, "a code of a later release")
    yield "heartbeat", m.Heartbeat()
    yield "heartbeat_greatest", m.Heartbeat()
    yield "bye", m.Bye("the server ends")


def header_of(name: str) -> m.Header:
    """The header of a valid frame: a hello has no session yet, "greatest" all that it can be."""
    if name.startswith("hello"):
        return FIRST
    return LAST if name.endswith("greatest") else HEADER


def refused() -> Iterator[tuple[str, m.Code, bytes, dict[str, Any]]]:
    """(name, code, frame, rest) of frames that no one may act on.

    With `field` and `size` in the rest, the frame decodes, and the code is of that field's numbers
    where the handshake fixed `size` of them.
    """
    for name, code, frame in _no_messages():
        yield name, code, frame, {}
    for name, kind, content in _bad_contents():
        yield name, m.Code.BAD_FRAME, _pack(kind, *content), {}
    inputs = {"field": "inputs", "size": 5}
    for name, values in (
        ("inputs_nan", (0.1, float("nan"), 0.3, 0.4, 0.5)),
        ("inputs_infinite", (0.1, 0.2, 0.3, 0.4, float("inf"))),
        ("inputs_both_infinities", (float("inf"), -float("inf"), 0.3, 0.4, 0.5)),
        ("inputs_too_few", (0.1, 0.2, 0.3, 0.4)),
        ("inputs_none", ()),
    ):
        report = m.Report(0, 0, 0, _floats(*values), b"", b"")
        yield name, m.Code.BAD_REPORT, encode(HEADER, report), inputs
    cut = m.Report(0, 0, 0, _floats(0.1, 0.2, 0.3, 0.4, 0.5)[:-1], b"", b"")
    yield "inputs_cut_within_a_number", m.Code.BAD_REPORT, encode(HEADER, cut), inputs
    goal = m.Goal("ant0", _floats(1.0, -float("inf")))
    yield "goal_infinite", m.Code.BAD_GOAL, encode(HEADER, goal), {"field": "goal", "size": 2}


def _no_messages() -> Iterator[tuple[str, m.Code, bytes]]:
    whole = encode(HEADER, m.Status("ant0", m.Code.OK, "fine"))
    yield "empty", m.Code.BAD_FRAME, b""
    yield "never_used_byte", m.Code.BAD_FRAME, b"\xc1"
    yield "integer", m.Code.BAD_FRAME, b"\x01"
    yield "map", m.Code.BAD_FRAME, msgpack.packb({0: m.PROTOCOL})
    yield "truncated", m.Code.BAD_FRAME, whole[:-1]
    yield "trailing", m.Code.BAD_FRAME, whole + b"\x00"
    yield "twice", m.Code.BAD_FRAME, whole * 2
    yield "six_elements", m.Code.BAD_FRAME, msgpack.packb([m.PROTOCOL, 11, 1, 2, 3, 4])
    yield "too_many_elements", m.Code.BAD_FRAME, msgpack.packb([m.PROTOCOL, *[0] * 3 * m.MAX_ROWS])
    yield "claims_four_billion_elements", m.Code.BAD_FRAME, b"\xdd\xff\xff\xff\xff\x01"
    yield (
        "claims_four_gigabytes",
        m.Code.BAD_FRAME,
        b"\x98\x01\x0c\x00\x00\x00\x00\x00\xc6" + b"\xff" * 4,
    )
    yield "nested_2000", m.Code.BAD_FRAME, b"\x91" * 2000 + b"\x01"
    yield "nested_60000", m.Code.BAD_FRAME, b"\x91" * 60_000 + b"\x01"
    yield "oversize", m.Code.BAD_FRAME, _oversize()
    for name, version in (("0", 0), ("2", 2), ("text", "1"), ("true", True), ("float", 1.0)):
        frame = msgpack.packb([version, int(m.Type.HEARTBEAT), *HEADER])
        yield f"version_{name}", m.Code.BAD_VERSION, frame
    for name, kind in (("0", 0), ("13", 13), ("float", 11.0), ("text", "11"), ("true", True)):
        yield f"type_{name}", m.Code.BAD_FRAME, _pack(kind)
    for name, change in (
        ("session_negative", {"session": -1}),
        ("session_text", {"session": "1"}),
        ("session_2_63", {"session": 2**63}),
        ("seq_negative", {"seq": -1}),
        ("seq_2_32", {"seq": m.SEQUENCES}),
        ("seq_true", {"seq": True}),
        ("stamp_2_64_less_1", {"stamp_ns": 2**64 - 1}),
        ("stamp_float", {"stamp_ns": 1.0}),
        ("echo_negative", {"echo_ns": -1}),
        ("ref_seq_2_32", {"ref_seq": m.SEQUENCES}),
        ("ref_seq_nil", {"ref_seq": None}),
    ):
        header = {**HEADER._asdict(), **change}
        frame = msgpack.packb([m.PROTOCOL, int(m.Type.HEARTBEAT), *header.values()])
        yield f"header_{name}", m.Code.BAD_FRAME, frame


def _bad_contents() -> Iterator[tuple[str, m.Type, tuple[Any, ...]]]:
    goal = _floats(1.0, 2.0)
    reason = (m.Type.STOP, ("ant0",))
    for name, value in (
        ("of_1025_characters", "\u00e9" * (m.MAX_TEXT + 1)),
        ("as_bin", b"reason"),
        ("nil", None),
        ("map", {}),
        ("extension", msgpack.ExtType(1, b"reason")),
        ("time", msgpack.Timestamp(1)),
        ("nested", [[["reason"]]]),
    ):
        yield f"text_{name}", reason[0], (*reason[1], value)
    # Python itself cannot write these two: raw bytes, packed as str
    for name, raw in (("not_utf8", b"\xff\xfe"), ("surrogate", b"\xed\xa0\x80")):
        yield f"text_{name}", reason[0], (*reason[1], _RawText(raw))
    yield "field_missing", *reason
    yield "field_too_many", reason[0], (*reason[1], "reason", "")
    yield "heartbeat_with_a_body", m.Type.HEARTBEAT, (0,)
    for name, value in (("nan", float("nan")), ("infinite", float("inf")), ("integer", 1)):
        yield f"distance_{name}", m.Type.COMMAND, (goal, 1, goal, value, 0)
    yield "valid_until_negative", m.Type.COMMAND, (goal, -1, goal, 0.0, 0)
    yield "clipped_true", m.Type.COMMAND, (goal, 1, goal, 0.0, True)
    yield "chunk_as_text", m.Type.COMMAND, ("12345678", 1, goal, 0.0, 0)
    yield "chunk_as_array", m.Type.COMMAND, ([1.0, 2.0], 1, goal, 0.0, 0)
    yield "flags_negative", m.Type.REPORT, (-1, 0, 0, goal, b"", b"")
    yield "age_float", m.Type.REPORT, (0, 1.0, 0, goal, b"", b"")
    welcome = ("policy", CONTRACT, 0.05, 1, 1, 1.0)
    for name, value in (("as_integer", 1), ("nil", None)):
        yield f"dry_run_{name}", m.Type.WELCOME, (*welcome, value)
    for name, rows in (
        ("too_many", [["a", "b", "c"]] * (m.MAX_ROWS + 1)),
        ("of_two_cells", [["a", "b"]]),
        ("with_a_number", [["a", "b", 1]]),
        ("text", "abc"),
        ("row_text", ["abc"]),
        ("with_a_long_cell", [["a", "b", "c" * (m.MAX_TEXT + 1)]]),
    ):
        yield f"differences_{name}", m.Type.REJECT, (int(m.Code.BAD_CONTRACT), "text", rows)


class _RawText(bytes):
    """Is packed as text, whatever it holds."""


def _pack(kind: Any, *content: Any) -> bytes:
    values = [m.PROTOCOL, int(kind) if isinstance(kind, m.Type) else kind, *HEADER, *content]
    parts = [msgpack.packb(v, use_bin_type=not isinstance(v, _RawText)) for v in values]
    return msgpack.Packer().pack_array_header(len(values)) + b"".join(parts)


def _oversize() -> bytes:
    def hello(contract: int) -> bytes:
        body = m.Hello("robot", "ant0", SHA256, " " * contract, 0.05, 0, b"", "")
        return encode(FIRST, body)

    # One byte too many, all of it a valid hello
    size = m.MAX_FRAME // 2
    return hello(size + m.MAX_FRAME + 1 - len(hello(size)))


def _floats(*values: float) -> bytes:
    return pack_floats(np.array(values, np.float32))


def _described(header: m.Header, body: m.Body) -> dict[str, Any]:
    shown = {
        name: np.frombuffer(value, "<f4").tolist() if isinstance(value, bytes) else value
        for name, value in body._asdict().items()
    }
    kind = next(kind for kind, made in m.BODIES.items() if made is type(body))
    return {"type": kind.name, "header": header._asdict(), "body": shown}


def _keep(path: Path, frame: bytes) -> dict[str, Any]:
    if path.exists() and path.read_bytes() != frame:
        sys.exit(f"{path} is frozen, and would change. Raise the protocol version.")
    path.write_bytes(frame)
    return {"file": path.name}


if __name__ == "__main__":
    main()
