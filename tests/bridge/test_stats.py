"""Statistics of recordings whose every number is known."""

import json
from pathlib import Path

import numpy as np
import pytest

from robot_gcrl.bridge.messages import (
    Body,
    Bye,
    Code,
    Command,
    Flag,
    GoalAck,
    Header,
    Hello,
    Reject,
    Report,
    Status,
    Welcome,
)
from robot_gcrl.bridge.record import Recorder
from robot_gcrl.bridge.settings import Settings
from robot_gcrl.bridge.stats import format_stats, recording_stats
from robot_gcrl.bridge.wire import encode
from robot_gcrl.errors import BridgeError
from tests.bridge.fakes import MS, cart_contract
from tests.bridge.loopback import Peer, endpoint_in, goal, header_of, serving

T = 20 * MS
GONE = {"superseded": 0, "stale": 0, "bad": 0, "fenced": 0, "missing": 0}
NO_CLIPS = {"clipped_by_robot": 0, "reports_with_clips": 0, "clipped_by_server": 0}
NO_SPAN = {"count": 0, "total_s": 0, "longest_s": None}


class Tape:
    """Writes a recording message by message, at times that the test gives."""

    def __init__(self, path: Path, **header):
        self.path = path
        contract, settings = cart_contract(), Settings(policy="cart 123")
        known = header_of(contract, settings) | {"started": "today"}
        self._recorder = Recorder(path, known | header)
        self.now = 0

    def heard(self, body: Body, *, by: bytes = b"a", name: str = "cart0", **header) -> None:
        self._recorder.add(self.now, "in", by, name, encode(Header(**header), body))

    def said(self, body: Body, *, to: bytes = b"a", dry: bool = False, **header) -> None:
        kind = "dry" if dry else "out"
        self._recorder.add(self.now, kind, to, "cart0", encode(Header(**header), body))

    def begin(self, session: int, *, name: str = "cart0", by: bytes = b"a", seq: int = 1) -> None:
        hello = Hello("robot", name, "", "", 0.02, 0, b"", "")
        self.heard(hello, by=by, name="", seq=seq)
        welcome = Welcome("cart 123", "", 0.02, 1, 1, 1.0, False)
        self.said(welcome, to=by, session=session, ref_seq=seq)

    def report(self, session: int, seq: int, at: int, **changes) -> None:
        fields = {"flags": 0, "age_ns": 0, "clipped": 0, "inputs": b"", "ctrl": b"", "pose": b""}
        echo = changes.pop("echo_ns", 0)
        self.now = at
        body = Report(**(fields | changes))
        self.heard(body, session=session, seq=seq, stamp_ns=at, echo_ns=echo)

    def command(self, session: int, answers: int, *, clipped: int = 0, dry: bool = False) -> None:
        self.said(Command(b"", 0, b"", 0.0, clipped), dry=dry, session=session, ref_seq=answers)

    def status(self, code: Code, answers: int, session: int) -> None:
        self.said(Status("", code, ""), session=session, ref_seq=answers)

    def stats(self) -> dict:
        self._recorder.close()
        return recording_stats(self.path)


@pytest.fixture
def tape(tmp_path) -> Tape:
    return Tape(tmp_path / "log")


def test_ages_round_trips_and_rate(tape):
    # seen to fail with the round trip taken without its arrival, and with 0 counted as an age
    tape.begin(7)
    for i in range(100):
        at = 1000 * MS + i * T
        echo = at - 300_000 - i * 1000 if i else 0
        tape.report(7, 2 + i, at, age_ns=i * MS, echo_ns=echo)
        tape.command(7, 2 + i)
    found = tape.stats()["robots"]["cart0"]
    assert (found["sessions"], found["reports"], found["commands"]) == (1, 100, 100)
    assert found["rate_hz"] == pytest.approx(50.0)
    ages = np.arange(1, 100)
    assert found["age_ms"] == {
        "n": 99,
        "median": pytest.approx(np.percentile(ages, 50)),
        "p90": pytest.approx(np.percentile(ages, 90)),
        "p99": pytest.approx(np.percentile(ages, 99)),
        "max": pytest.approx(99.0),
    }
    assert found["round_trip_ms"]["n"] == 99
    assert found["round_trip_ms"]["max"] == pytest.approx(0.3 + 0.099)
    assert found["older_than_a_period"] == pytest.approx(79 / 99)  # 21 to 99 of 1 to 99 ms
    assert found["dropped"] == GONE
    assert found["clips"] == NO_CLIPS
    assert found["holds"] == found["link_stops"] == found["latched_stops"] == NO_SPAN


def test_drops_by_cause(tape):
    # seen to fail with an answered report counted as superseded by the next
    tape.begin(7)
    tape.report(7, 2, 1 * T)
    tape.report(7, 3, 2 * T)  # supersedes 2
    tape.command(7, 3)
    tape.report(7, 6, 3 * T)  # 4 and 5 are missing
    tape.status(Code.STALE_REPORT, 6, 7)
    tape.report(7, 7, 4 * T)
    tape.said(Status("", Code.BAD_REPORT, ""), ref_seq=7)  # refused outside of the session
    tape.report(7, 8, 5 * T)
    tape.status(Code.NO_GOAL, 8, 7)
    tape.report(7, 9, 6 * T)
    tape.status(Code.STOPPED, 9, 7)
    tape.report(7, 9, 7 * T)  # an old number
    tape.begin(8, by=b"b", seq=1)
    tape.report(7, 10, 8 * T)  # of the old session
    tape._recorder.add(9 * T, "in", b"b", "cart0", b"\xc1")
    found = tape.stats()["robots"]["cart0"]
    assert found["dropped"] == {
        "superseded": 1,
        "stale": 1,
        "bad": 3,
        "fenced": 1,
        "missing": 2,
    }
    assert found["without_command"] == {"no_goal": 1, "stopped": 1}
    assert (found["sessions"], found["reports"], found["commands"]) == (2, 6, 1)


def test_sequence_numbers_that_wrap_are_not_missing(tape):
    tape.begin(7, seq=2**32 - 2)
    for i, seq in enumerate((2**32 - 1, 0, 1)):
        tape.report(7, seq, (i + 1) * T)
        tape.command(7, seq)
    found = tape.stats()["robots"]["cart0"]
    assert found["reports"] == 3
    assert found["dropped"] == GONE


def test_holds_and_stops_last_from_the_first_report_to_the_first_without(tape):
    tape.begin(7)
    hold, latched = Flag.HOLD, Flag.LATCHED_STOP
    flags = [0, hold, hold, 0, hold, 0, latched, latched | hold, latched]
    for i, flag in enumerate(flags):
        tape.report(7, 2 + i, i * 1000 * MS, flags=int(flag))
        tape.command(7, 2 + i)
    found = tape.stats()["robots"]["cart0"]
    assert found["holds"] == {"count": 3, "total_s": 4.0, "longest_s": 2.0}
    # open at the end: as long as was seen
    assert found["latched_stops"] == {"count": 1, "total_s": 2.0, "longest_s": 2.0}
    assert found["link_stops"] == NO_SPAN


def test_clips_goals_and_dry_runs(tape):
    tape.begin(7)
    tape.report(7, 2, 1 * T, clipped=3)
    tape.command(7, 2, clipped=2)
    tape.report(7, 3, 2 * T, clipped=1)
    tape.command(7, 3, dry=True)
    tape.status(Code.DRY_RUN, 3, 7)
    for robot, code in (("cart0", 0), ("*", 0), ("cart0", 11), ("other", 0)):
        tape.said(GoalAck(robot, code, b"", b"", b"", ""), to=b"o", session=9)
    stats = tape.stats()
    found = stats["robots"]["cart0"]
    assert found["clips"] == {
        "clipped_by_robot": 4,
        "reports_with_clips": 2,
        "clipped_by_server": 2,
    }
    assert (found["commands"], found["commands_not_sent"]) == (2, 1)
    assert "  commands      2, 1 of them not sent; none for:" in format_stats(stats)
    assert (found["goals"], found["goals_refused"]) == (2, 1)


def test_a_session_that_ended_with_bye_is_over(tape):
    tape.begin(7)
    tape.report(7, 2, T)
    tape.command(7, 2)
    tape.heard(Bye(""), session=7, seq=3)
    tape.report(7, 4, 2 * T)
    assert tape.stats()["robots"]["cart0"]["dropped"] == GONE | {"fenced": 1}


def test_what_was_not_measured_is_none(tape):
    hello = Hello("robot", "twin", "", "", 0.02, 0, b"", "")
    tape.heard(hello, by=b"b", name="", seq=1)
    tape.said(Reject(5, "in use", ()), to=b"b", ref_seq=1)
    tape.begin(7)
    stats = tape.stats()
    assert list(stats["robots"]) == ["cart0"]
    found = stats["robots"]["cart0"]
    nothing = {"n": 0, "median": None, "p90": None, "p99": None, "max": None}
    assert found["age_ms"] == found["round_trip_ms"] == nothing
    assert found["rate_hz"] is None
    assert found["older_than_a_period"] is None
    assert "not measured" in format_stats(stats)


def test_the_table(tape):
    tape.begin(7)
    for i in range(3):
        tape.report(7, 2 + i, i * T, age_ns=(10 + 10 * i) * MS, flags=int(Flag.HOLD) if i else 0)
        tape.command(7, 2 + i)
    stats = tape.stats()
    assert format_stats(stats) == (
        "cart 123: 8 frames in 0.0 s, recorded today\n"
        "\n"
        "cart0\n"
        "  reports       3 at 50.00 Hz; sessions 1\n"
        "  commands      3; none for: no goal 0, stopped 0\n"
        "  age           median 20.00, p90 28.00, p99 29.80, max 30.00 ms (n 3)\n"
        "                33.3% of the commands were older than a control period\n"
        "  round trip    not measured\n"
        "  dropped       superseded 0, stale 0, bad 0, fenced 0, missing 0\n"
        "  clipped       clipped by robot 0, reports with clips 0, clipped by server 0\n"
        "  holds         1, 0.02 s in all, longest 0.02 s\n"
        "  link stops    0, 0.00 s in all\n"
        "  latched stops 0, 0.00 s in all\n"
        "  goals         0 set, 0 refused\n"
        "\n"
        "The recording does not say which delays the policy was trained with. A control period is "
        "20 ms."
    )
    assert stats["trained_delay_s"] is None
    assert json.loads(json.dumps(stats)) == stats


def with_ages(path: Path, trained: object) -> dict:
    """Statistics of ages from 1 to 50 ms under a policy that was trained with these delays."""
    tape = Tape(path, trained_delay=trained)
    tape.begin(7)
    for i in range(51):
        tape.report(7, 2 + i, 1000 * MS + i * T, age_ns=i * MS)
        tape.command(7, 2 + i)
    return tape.stats()


def test_ages_beside_those_of_training(tmp_path):
    # seen to fail with ages below the least delay counted as within it, and (None) with the pair,
    # which is a tuple where the header is read, taken for a list alone
    stats = with_ages(tmp_path / "log", [0.01, 0.03])
    assert stats["trained_delay_s"] == [0.01, 0.03]
    assert stats["robots"]["cart0"]["within_trained_delay"] == pytest.approx(21 / 50)
    lines = format_stats(stats).splitlines()
    assert "                42.0% of the commands were within the trained delays" in lines
    assert lines[-1] == (
        "The policy was trained with delays of 10 to 30 ms. A control period is 20 ms."
    )


def test_nothing_is_within_the_delays_of_a_policy_that_had_none(tmp_path):
    stats = with_ages(tmp_path / "log", [0.0, 0.0])
    assert stats["trained_delay_s"] == [0.0, 0.0]
    assert stats["robots"]["cart0"]["within_trained_delay"] is None
    assert "The policy was trained without delay: an action was applied at the instant" in (
        format_stats(stats)
    )


@pytest.mark.parametrize("said", ["none", None, [0.01], [0.02, "x"]])
def test_recordings_that_do_not_say_the_delays(tmp_path, said):
    # "none" is what servers wrote before; seen to fail (ValueError) with a text among the numbers
    stats = with_ages(tmp_path / "log", said)
    assert stats["trained_delay_s"] is None
    assert stats["robots"]["cart0"]["within_trained_delay"] is None
    assert "does not say which delays" in format_stats(stats)


def test_an_empty_recording(tape):
    stats = tape.stats()
    assert (stats["frames"], stats["seconds"], stats["robots"]) == (0, None, {})
    assert "no robot had a session" in format_stats(stats)


def test_a_recording_without_a_contract_is_refused(tmp_path):
    Recorder(tmp_path / "log", {}).close()
    with pytest.raises(BridgeError) as caught:
        recording_stats(tmp_path / "log")
    assert str(caught.value).startswith(
        f"The recording {tmp_path}/log cannot be used: The contract"
    )


def test_bad_reports_are_found_again_in_a_recording(tmp_path):
    # seen to fail with a refusal without the report's number: each is superseded by the next
    log = tmp_path / "log"
    with serving(tmp_path, record=log), Peer(endpoint_in(tmp_path)) as robot:
        robot.hello()
        for _ in range(5):
            assert robot.step((0.0, 0.0, 0.0)).body.code == Code.BAD_REPORT
    found = recording_stats(log)["robots"]["cart0"]
    assert (found["dropped"]["bad"], found["dropped"]["superseded"]) == (5, 0)


def test_the_counts_of_a_server_are_found_again_in_its_recording(tmp_path):
    log = tmp_path / "log"
    with serving(tmp_path, record=log) as server, Peer(endpoint_in(tmp_path)) as robot:
        robot.hello(goal=goal(1.0, 1.0).tobytes())
        for i in range(50):
            robot.step(age_ns=5 * MS, clipped=i % 2)
        counters = server.core.sessions.robots["cart0"].counters
        seen = (counters.reports, counters.commands + counters.stale, counters.clipped)
    found = recording_stats(log)["robots"]["cart0"]
    commands = found["commands"] + found["dropped"]["stale"]
    assert (found["reports"], commands, found["clips"]["clipped_by_robot"]) == seen
    assert seen == (50, 50, 25)
    assert found["age_ms"]["median"] == pytest.approx(5.0)
