"""Frames that nobody should send, by the ten thousand; numbers; numbering across the wrap."""

import math
import random
import statistics
import time
import warnings
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_gcrl.bridge.messages import (
    BODIES,
    MAX_FRAME,
    PROTOCOL,
    SEQUENCES,
    Code,
    Header,
    Heartbeat,
    Hello,
    Message,
    Report,
    Type,
)
from robot_gcrl.bridge.wire import WireError, decode, encode, floats, is_newer, pack_floats

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "wire" / f"v{PROTOCOL}"
FRAMES = [path.read_bytes() for path in sorted(FOLDER.glob("*.bin"))]
HEADER = (7, 3, 1000, 900, 2)
MANY = settings(max_examples=300, derandomize=True, deadline=None, database=None)

HOSTILE = (
    None, True, False, -1, 0, 1, 2**31, 2**32, 2**63, 2**64 - 1, -(2**63), 0.0, math.nan, math.inf,
    -math.inf, 1e308, "", "x", "\0", "x" * 1025, b"", b"x", b"\0" * 4096, [], [[]], [1, 2], {},
    {1: 2}, {"a": {}}, [["a", "b", "c"]] * 65, msgpack.ExtType(0, b""), msgpack.ExtType(5, b"abcd"),
    msgpack.Timestamp(1, 1),
)  # fmt: skip


def outcome(frame: bytes) -> str:
    """The code that refuses a frame, or "valid"; whatever else decode does fails the test."""
    try:
        message = decode(frame)
    except WireError as error:
        return {Code.BAD_FRAME: "BAD_FRAME", Code.BAD_VERSION: "BAD_VERSION"}[error.code]
    assert isinstance(message, Message)
    # what is accepted can be said again, and is then read as the same
    assert repr(decode(encode(*message))) == repr(message)
    return "valid"


def test_random_bytes_are_refused():
    # seen to fail, with a UnicodeDecodeError, where decode caught msgpack's own errors alone
    rng = random.Random(0)
    counts = [outcome(rng.randbytes(rng.randrange(200))) for _ in range(20_000)]
    assert set(counts) <= {"BAD_FRAME", "BAD_VERSION"}
    # almost a frame: an array of the right protocol and type, and then anything
    starts = [bytes([0x90 + n, PROTOCOL, kind]) for n in range(7, 16) for kind in range(14)]
    for _ in range(20_000):
        outcome(rng.choice(starts) + rng.randbytes(rng.randrange(60)))


def test_frames_that_lost_their_end_are_refused():
    # seen to fail with a streaming Unpacker, which waits for the rest
    for frame in FRAMES:
        for length in range(0, len(frame), 1 + len(frame) // 500):
            assert outcome(frame[:length]) == "BAD_FRAME"


def test_flipped_bits_give_a_message_or_a_refusal():
    # seen to fail with texts decoded by surrogateescape: what is accepted cannot be said again
    rng = random.Random(1)
    counts = {"valid": 0, "BAD_FRAME": 0, "BAD_VERSION": 0}
    for _ in range(30_000):
        frame = bytearray(rng.choice(FRAMES))
        for _ in range(rng.randrange(1, 6)):
            frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
        counts[outcome(bytes(frame))] += 1
    assert min(counts.values()) > 100  # every branch was taken


def test_spliced_frames_give_a_message_or_a_refusal():
    rng = random.Random(2)
    for _ in range(20_000):
        a, b = rng.choice(FRAMES), rng.choice(FRAMES)
        outcome(a[: rng.randrange(len(a) + 1)] + b[rng.randrange(len(b)) :])


def test_a_hostile_value_in_any_place_is_refused_or_fits():
    # seen to fail with a list as the type, and with the cells of differences not looked at
    rng = random.Random(3)
    for kind, made in BODIES.items():
        base = msgpack.unpackb(
            next(f for f in FRAMES if decode(f).body.__class__ is made), raw=False
        )
        for place in range(len(base)):
            for value in HOSTILE:
                content = [*base[:place], value, *base[place + 1 :]]
                assert content[1] != kind or len(content) == len(base)
                outcome(msgpack.packb(content))
        for _ in range(300):
            size = rng.randrange(len(base) + 3)
            outcome(msgpack.packb([*base[:7], *(rng.choice(HOSTILE) for _ in range(size))]))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
    | st.binary(max_size=64),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@MANY
@given(st.integers(0, 13), st.lists(ANYTHING, max_size=10))
def test_any_body_gives_a_message_or_a_refusal(kind, body):
    outcome(msgpack.packb([PROTOCOL, kind, *HEADER, *body]))


@MANY
@given(st.lists(ANYTHING, max_size=9))
def test_any_header_gives_a_message_or_a_refusal(content):
    outcome(msgpack.packb([PROTOCOL, *content]))


@pytest.mark.parametrize("kind", list(Type))
def test_a_field_more_or_less_is_refused(kind):
    # seen to fail with zip in place of the comparison of lengths
    for frame in FRAMES:
        content = msgpack.unpackb(frame, raw=False)
        if content[1] == kind:
            assert outcome(msgpack.packb(content)) == "valid"
            assert outcome(msgpack.packb([*content, 0])) == "BAD_FRAME"
            assert outcome(msgpack.packb(content[:-1])) == "BAD_FRAME"


NESTED = {
    "arrays": b"\x91" * 60_000,
    "arrays that end": b"\x91" * 60_000 + b"\x01",
    "arrays of 192": b"\xdc\x00\xc0" * 20_000,
    "maps": b"\x81\x01" * 30_000,
    "in a field": msgpack.packb([PROTOCOL, 12, *HEADER, None])[:-1] + b"\x91" * 60_000 + b"\xa0",
    "as many values as fit": msgpack.packb([PROTOCOL, 12, *HEADER[:5], [[[]] * 190] * 100]),
}


@pytest.mark.parametrize("name", NESTED)
def test_deep_nesting_within_the_size_limit_is_refused_at_once(name):
    # seen to fail with some milliseconds of work before the frame is looked at
    frame = NESTED[name]
    assert len(frame) <= MAX_FRAME
    took = []
    for _ in range(20):
        began = time.perf_counter()
        assert outcome(frame) == "BAD_FRAME"
        took.append(time.perf_counter() - began)
    assert min(took) < 0.02  # some 20,000 objects; elsewhere some microseconds


def test_a_refusal_takes_no_time():
    rng = random.Random(4)
    took = []
    for _ in range(2000):
        frame = bytearray(rng.choice(FRAMES))
        frame[rng.randrange(len(frame))] ^= 0xFF
        began = time.perf_counter()
        outcome(bytes(frame))
        took.append(time.perf_counter() - began)
    # seen to fail with a list of 200,000 numbers made in each
    assert statistics.median(took) < 1e-3


def test_the_longest_frame_is_read_and_one_byte_more_is_not():
    def frame(size):
        hello = Hello("robot", "ant0", "", "x" * size, 0.05, 0, b"", "")
        return encode(Header(), hello)

    size = 60_000 + MAX_FRAME - len(frame(60_000))
    assert outcome(frame(size)) == "valid"
    with pytest.raises(WireError, match="65537 bytes; at most 65536"):
        decode(frame(size + 1))


def test_a_text_is_measured_in_characters():
    def frame(text):
        return msgpack.packb([PROTOCOL, int(Type.BYE), *HEADER, text])

    assert outcome(frame("\U0001f6d1" * 1024)) == "valid"
    assert outcome(frame("\U0001f6d1" * 1025)) == "BAD_FRAME"


def test_integers_and_floats_of_any_width_are_read():
    # C++ and others pack 5 as they like; a float may be a float32
    wide = (
        b"\x97\x01\xcc\x0b\xcf" + (5).to_bytes(8, "big") + b"\xd0\x05\xd1\x00\x06\x07\xce\0\0\0\x08"
    )
    assert decode(wide) == Message(Header(5, 5, 6, 7, 8), Heartbeat())


def read(values, shape=None):
    field = pack_floats(np.array(values, np.float32))
    return floats(field, shape or (len(values),), code=Code.BAD_REPORT, name="inputs")


def test_numbers_travel_as_they_are():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((3, 4)).astype(np.float32)
    got = floats(pack_floats(values.T), (4, 3), code=Code.BAD_REPORT, name="inputs")
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, values.T)
    assert pack_floats(np.array([1.0], ">f8")) == b"\x00\x00\x80\x3f"


@pytest.mark.parametrize("size", [0, 1, 4, 11, 13, 16])
def test_another_length_is_refused(size):
    # seen to fail, at 13 bytes, with the length in numbers compared
    with pytest.raises(WireError) as refusal:
        floats(b"\0" * size, (3,), code=Code.BAD_GOAL, name="goal")
    assert str(refusal.value) == f"goal has {size} bytes, not 4 x 3"
    assert refusal.value.code == Code.BAD_GOAL


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_number_that_is_not_finite_is_refused(bad, place):
    values = [3e38, 3e38, -1.0]
    values[place] = bad
    with pytest.raises(WireError) as refusal:
        read(values)
    assert str(refusal.value) == "inputs holds a number that is not finite"


def test_numbers_whose_sum_overflows_are_accepted_without_a_warning():
    # Seen to fail with the sum as the test of finiteness: NumPy warns of its overflow, and a peer
    # could fill a log, or end a server that takes warnings for errors
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for values in ([3e38] * 4, [-3e38] * 4, [3e38, -3e38, 3e38, 3e38]):
            np.testing.assert_array_equal(read(values), np.array(values, np.float32))
        assert read([], (0,)).size == 0


def test_infinities_of_both_signs_do_not_cancel():
    # seen to fail, with a warning, where their sum was looked at
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(WireError):
            read([math.inf, -math.inf])


@pytest.mark.parametrize(
    ("seq", "than", "newer"),
    [
        (1, 0, True),
        (0, 0, False),
        (0, 1, False),
        (0, SEQUENCES - 1, True),
        (SEQUENCES - 1, 0, False),
        (2**31 - 1, 0, True),
        (2**31, 0, False),  # as far ahead as behind: neither
        (0, 2**31, False),
        (5, SEQUENCES - 2, True),
    ],
)
def test_what_is_newer_across_the_wrap(seq, than, newer):
    # seen to fail with seq > than
    assert is_newer(seq, than) is newer


@MANY
@given(st.integers(0, SEQUENCES - 1), st.integers(1, 2**31 - 1))
def test_one_of_two_numbers_is_newer(than, step):
    seq = (than + step) % SEQUENCES
    assert is_newer(seq, than)
    assert not is_newer(than, seq)


def test_a_report_is_small():
    # an ant's: 29 inputs, 8 torques; the frame must fit one packet of any network
    inputs, ctrl = pack_floats(np.zeros(29)), pack_floats(np.zeros(8))
    assert len(encode(Header(2**62, 1, 2**62, 2**62, 1), Report(0, 1, 0, inputs, ctrl, b""))) < 256
