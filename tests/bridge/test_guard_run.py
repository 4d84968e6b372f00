"""Ramps, limits, late ticks and resets of a running robot. T = 20 ms, ramp 1 s."""

import math
from dataclasses import replace

import numpy as np
import pytest

from robot_gcrl.bridge.guard import Stop
from tests.bridge.rigs import GRIPPER, MS, POSITION, TORQUE, VELOCITY, Rig

SLOW = replace(POSITION, velocity=1.0, acceleration=2.0)
WALLED = {"position_low": -1.0, "position_high": 1.0, "margin": 0.1}


def test_after_a_handshake_motion_fades_in_over_a_second():
    # seen to fail with the ramp from 0 in place of the measured position
    rig = Rig(POSITION, TORQUE, VELOCITY, at=0.5)
    ticks = [rig.run(1.5, 2.0, 1.0, ms=20) for _ in range(52)]
    ctrl = np.array([tick.ctrl for tick in ticks])
    share = np.minimum(np.arange(52) * 0.02, 1.0)
    assert ctrl[:, 0] == pytest.approx(0.5 + share * 1.0)
    assert ctrl[:, 1] == pytest.approx(share * 2.0)
    assert ctrl[:, 2] == pytest.approx(share * 1.0)
    assert [tick.ramp for tick in ticks] == pytest.approx(np.minimum(share + 0.02, 1.0))


def test_every_session_fades_motion_in_again():
    # seen to fail (1.0 at once) with fade_in() left out of begin_session
    rig = Rig(TORQUE)
    assert rig.run(1.0).ctrl == [1.0]
    rig.guard.begin_session(rig.now)
    assert rig.run(1.0, ms=40).ctrl == pytest.approx([0.02])


def test_motion_fades_in_from_where_the_robot_is_after_a_stop():
    rig = Rig(POSITION)
    rig.run(1.0)
    rig.guard.stop(rig.now, "hand on the fence")
    rig.q[:] = 1.0
    rig.tick()
    rig.q[:] = 0.2  # pushed by hand
    assert rig.tick().ctrl == [1.0]
    rig.guard.clear(rig.now)
    assert rig.tick().ctrl == [1.0]
    assert rig.run(1.0, ms=40).ctrl == pytest.approx([0.2 + 0.02 * 0.8])


def test_a_ramp_stands_still_while_nothing_is_commanded():
    rig = Rig(TORQUE)
    rig.run(1.0, ms=500)
    ramp = rig.tick(60).ramp
    assert rig.tick(60).ramp == ramp
    assert rig.run(1.0, ms=20).ctrl == pytest.approx([ramp])


def test_an_untouched_command_passes_bit_for_bit():
    # seen to fail with ramp * target still computed when the ramp is over
    rng = np.random.default_rng(0)
    rig = Rig(TORQUE, POSITION, GRIPPER)
    rig.run(0.0, 0.0, 0.0)
    for _ in range(200):
        row = rng.uniform(-2, 2, 3).astype(np.float32)
        row[0] = rng.choice(np.array([row[0], -0.0, 1e-42, 2.0, -2.0], np.float32))
        rig.now += 20 * MS
        assert rig.command(row.tolist()) == "accepted"
        tick = rig.tick(0)
        assert tick.ctrl.astype(np.float32).tobytes() == row.tobytes()
        assert tick.clips.total == 0
    assert rig.guard.counters.changed == 0


def test_each_limit_is_flagged_and_counted_where_it_changed_the_command():
    walled = replace(POSITION, **WALLED)
    rig = Rig(POSITION, replace(POSITION, velocity=1.0), SLOW, walled)
    rig.run(0.0, 0.0, 0.0, 0.0)
    # 2.5 is out of bounds; 0.03 is 1.5 /s; 0.01 is 0.5 /s, 25 /s^2; -0.95 is within the margin
    tick = rig.run(2.5, 0.03, 0.01, -0.95, ms=20)
    assert tick.clips.bounds.tolist() == [True, False, False, False]
    assert tick.clips.velocity.tolist() == [False, True, False, False]
    assert tick.clips.acceleration.tolist() == [False, False, True, False]
    assert tick.clips.margin.tolist() == [False, False, False, True]
    assert tick.clips.total == 4
    assert tick.ctrl == pytest.approx([2.0, 0.02, 0.0008, -0.9])
    counters = rig.guard.counters
    counts = counters.bounds, counters.velocity, counters.acceleration, counters.margin
    assert (counts, counters.changed) == ((1, 1, 1, 1), 4)
    # what is no command is not counted
    rig.tick(1000)
    assert counters.changed == 4


def test_a_late_tick_moves_no_farther_than_one_in_time():
    # seen to fail with the whole time allowed for
    rig = Rig(replace(POSITION, velocity=1.0), replace(SLOW, velocity=math.inf))
    before = rig.run(-1.0, 0.0, ms=4000).ctrl
    rig.now += 500 * MS
    rig.guard.begin_session(rig.now)
    rig.guard.place(rig.now, before, rig.qd)
    assert rig.command([2.0, 2.0]) == "accepted"
    moved = rig.tick(50).ctrl - before
    assert moved == pytest.approx([0.02, 2.0 * 0.02**2])


def test_a_late_tick_finds_the_target_as_if_it_had_braked_meanwhile():
    # seen to fail without `coast`
    rig = Rig(SLOW, stop_ns=500 * MS)
    before = rig.run(2.0, ms=2000).ctrl
    assert rig.command(2.0) == "repeated"
    # at 1 /s; 220 ms without a tick, 200 of them more than a period: 0.6 /s is left, then 0.64
    rig.now += 220 * MS
    rig.command(2.0)
    assert rig.tick(0).ctrl - before == pytest.approx([0.64 * 0.02])


def test_two_ticks_at_once_move_once():
    rig = Rig(SLOW)
    before = rig.run(2.0, ms=2000).ctrl
    assert rig.tick(0).ctrl == pytest.approx(before, abs=1e-8)


def test_a_loop_that_is_faster_than_the_policy_has_its_own_period():
    rig = Rig(replace(POSITION, velocity=1.0))
    rig.run(0.0)
    rig.guard._tick_ns = 2 * MS
    rig.now += 20 * MS
    rig.command(0.01)
    # 2 ms at 1 /s in each tick, also in the first, which is late by this measure
    ctrl = [float(rig.tick(0).ctrl[0]), *(float(rig.tick(2).ctrl[0]) for _ in range(5))]
    assert ctrl == pytest.approx([0.002, 0.004, 0.006, 0.008, 0.01, 0.01])


def test_a_simulated_reset_does_not_fade_in():
    # seen to fail with fade_in() in place of the full ramp
    rig = Rig(POSITION, TORQUE)
    rig.q[:] = 0.7
    rig.guard.place(rig.now, rig.q, rig.qd)
    tick = rig.tick(0)
    assert tick.ctrl.tolist() == [0.7, 0.0]
    assert rig.run(1.0, 1.5, ms=20).ctrl.tolist() == [1.0, 1.5]
    assert rig.guard.counters.changed == 0


def test_the_first_tick_after_a_simulated_reset_writes_for_a_whole_period():
    # seen to fail (nothing moved: no time had passed) without it
    rig = Rig(SLOW, replace(POSITION, velocity=1.0))
    rig.run(0.0, 0.0)
    for now in (rig.now, 0):
        rig.now = now
        rig.guard.place(rig.now, rig.q, rig.qd)
        rig.command(1.0)
        assert rig.tick(0).ctrl == pytest.approx([2.0 * 0.02**2, 0.02])


def test_what_was_commanded_before_a_simulated_reset_does_not_count_after_it():
    rig = Rig(TORQUE)
    rig.run(1.0)
    rig.now += 20 * MS
    rig.command(*[1.0] * 9, valid=1000)
    rig.guard.place(rig.now, rig.q, rig.qd)
    tick = rig.tick(0)
    assert (tick.state, tick.ctrl.tolist()) == ("hold", [0.0])
    assert rig.command(1.0, age=10) == "old"
    # time may begin anew, and no stop comes of it
    rig.now = 0
    rig.guard.place(0, rig.q, rig.qd)
    assert rig.tick(20).state == "hold"
    assert rig.command(1.0) == "accepted"
    assert rig.tick(0).state == "run"


def test_a_simulated_reset_ends_no_stop_and_takes_no_broken_measurement():
    rig = Rig(POSITION, at=0.25)
    rig.run(0.25)
    rig.guard.place(rig.now, np.array([np.nan]), rig.qd)
    assert rig.guard.latched == Stop("robot", "measured positions hold nan at the joint of turn")
    assert rig.tick().ctrl == [0.25]
    rig.guard.place(rig.now, np.array([0.5]), rig.qd)
    rig.q[:] = 0.5
    tick = rig.tick()
    assert (tick.state, tick.ctrl.tolist()) == ("latched", [0.5])


def test_bringing_up_scales_all_limits_but_those_of_positions():
    # seen to fail with the bounds of positions scaled too
    fast = replace(SLOW, low=-1.5, high=1.5)
    rig = Rig(fast, replace(TORQUE, velocity=10.0), session=False)
    rig.guard.begin_session(rig.now, scale=0.2)
    ticks = [rig.run(1.5, 2.0, ms=20) for _ in range(600)]
    ctrl = np.array([tick.ctrl for tick in ticks])
    assert ctrl[-1] == pytest.approx([1.5, float(np.float32(0.4))])
    rates = np.diff(ctrl, axis=0) / 0.02
    assert rates[:, 0].max() == pytest.approx(0.2)
    assert np.abs(np.diff(rates[:, 0])).max() <= 0.4 * 0.02 * (1 + 1e-9)
    assert rates[:, 1].max() <= 2.0
    # a stop damps with all there is
    rig.qd[:] = -100.0
    rig.guard.stop(rig.now, "hand on the fence")
    assert rig.tick().ctrl[1] == 2.0
    # the next session has its own scale
    rig.guard.clear(rig.now)
    rig.qd[:] = 0.0
    rig.guard.begin_session(rig.now)
    assert rig.run(1.5, 2.0, ms=3000).ctrl[1] == 2.0


def test_the_state_of_the_last_tick_can_be_asked_for():
    rig = Rig(POSITION, session=False)
    assert rig.guard.state == "waiting"
    rig.guard.begin_session(rig.now)
    rig.run(1.0)
    assert rig.guard.state == "run"
