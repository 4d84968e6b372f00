import time

import pytest

from robot_gcrl.bridge.pacing import Beat, Pacer
from robot_gcrl.errors import RobotError

MS = 1_000_000


class Clock:
    """A clock that only sleeping and reading it moves."""

    def __init__(self, reading_ns=0, oversleep_ns=0):
        self.now, self.reading, self.oversleep = 0, reading_ns, oversleep_ns
        self.slept = []

    def __call__(self):
        self.now += self.reading
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += round(seconds * 1e9) + self.oversleep


def make_pacer(clock, **options):
    return Pacer(10 * MS, clock=clock, sleep=clock.sleep, **options)


def test_the_work_between_beats_does_not_add_up():
    # seen to fail with deadline_ns = now + period
    clock = Clock(oversleep_ns=MS)
    pacer = make_pacer(clock)
    beats = []
    for work in (0, 3, 9, 1):
        beats.append(pacer.wait().now_ns)
        clock.now += work * MS
    assert beats == [11 * MS, 21 * MS, 31 * MS, 40 * MS]
    # the body of 9 ms and the millisecond overslept left nothing to sleep
    assert clock.slept == [0.010, 0.009, 0.006]
    assert (pacer.beats, pacer.missed, pacer.latest_ns) == (4, 0, MS)


def test_after_a_pause_no_beat_is_made_up_for():
    # seen to fail (a burst of four beats at 47 ms) with deadline_ns += period
    clock = Clock()
    pacer = make_pacer(clock)
    clock.now = 47 * MS
    assert pacer.wait() == Beat(now_ns=47 * MS, late_ns=7 * MS, missed=3)
    assert pacer.wait() == Beat(now_ns=50 * MS, late_ns=0, missed=0)
    assert pacer.wait() == Beat(now_ns=60 * MS, late_ns=0, missed=0)
    assert (pacer.beats, pacer.missed, pacer.latest_ns) == (3, 3, 37 * MS)


def test_beats_and_missed_deadlines_are_all_deadlines():
    clock = Clock()
    pacer = make_pacer(clock)
    for work in (3, 25, 10, 0, 99, 4):
        pacer.wait()
        clock.now += work * MS
    assert (pacer.deadline_ns - 10 * MS) // (10 * MS) == pacer.beats + pacer.missed


def test_the_deadline_is_there_to_poll_a_socket_until_then():
    clock = Clock()
    pacer = make_pacer(clock)
    assert pacer.deadline_ns == 10 * MS
    clock.now = 10 * MS
    assert pacer.wait() == Beat(now_ns=10 * MS, late_ns=0, missed=0)
    assert clock.slept == []
    assert pacer.deadline_ns == 20 * MS


def test_the_last_part_is_spun():
    clock = Clock(reading_ns=MS // 10)
    pacer = make_pacer(clock, spin_ns=2 * MS)
    beat = pacer.wait()
    assert clock.slept == pytest.approx([0.008], abs=2e-4)
    assert beat.late_ns < MS // 10


def test_a_sleep_that_ends_early_is_continued():
    # seen to fail (spun for 5 ms) without the loop around sleep
    clock = Clock(reading_ns=1000)
    pacer = Pacer(10 * MS, clock=clock, sleep=lambda seconds: clock.sleep(seconds / 2 + 1e-6))
    assert 10 * MS <= pacer.wait().now_ns < 10 * MS + 5000
    assert len(clock.slept) > 5


def test_a_restart_forgets_what_was_late():
    clock = Clock()
    pacer = make_pacer(clock)
    clock.now = 95 * MS
    pacer.restart()
    assert pacer.wait() == Beat(now_ns=105 * MS, late_ns=0, missed=0)


def test_on_the_real_clock_beats_come_no_earlier_than_their_deadlines():
    pacer = Pacer(MS, spin_ns=MS // 5)
    deadlines, beats = [], []
    for _ in range(20):
        deadlines.append(pacer.deadline_ns)
        beats.append(pacer.wait().now_ns)
    assert all(beat >= deadline for beat, deadline in zip(beats, deadlines, strict=True))
    assert beats[-1] <= time.monotonic_ns()


@pytest.mark.parametrize(("period", "spin"), [(0, 0), (-5, 0), (10, 10), (10, -1)])
def test_periods_that_no_loop_can_have(period, spin):
    with pytest.raises(RobotError) as error:
        Pacer(period, spin_ns=spin)
    assert str(error.value) == (
        f"A loop has a period of {period} ns, of which {spin} ns are spun. Expected a period above "
        "0 and a spin from 0 to below it. Change them."
    )
