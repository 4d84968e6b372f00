"""Safe stop and hold of each mode, by hand. T = 20 ms: hold at 60 ms, stop at 200 ms."""

from dataclasses import replace

import numpy as np
import pytest

from robot_gcrl.bridge.guard import Stop
from tests.bridge.rigs import GRIPPER, LEGGED, MS, POSITION, TORQUE, VELOCITY, Rig

SLOW = replace(POSITION, velocity=1.0, acceleration=2.0)


def values(rig: Rig, count: int, ms: float = 20) -> list[float]:
    return [float(rig.tick(ms).ctrl[0]) for _ in range(count)]


def test_a_position_stop_brakes_within_the_acceleration_then_holds_the_measured_position():
    # seen to fail with the measured position taken at once, and with none taken at all
    rig = Rig(SLOW)
    start = float(rig.run(2.0, ms=2000).ctrl[0])
    rig.q[:] = start - 0.1  # the joint lags behind its target
    rig.guard.stop(rig.now, "hand on the fence")
    # 1 /s less 0.04 in each 20 ms: 24 steps, the last of 0.04
    braked = values(rig, 24)
    expected = start + np.cumsum([0.02 * (1.0 - 0.04 * i) for i in range(1, 25)])
    assert braked == pytest.approx(expected.tolist())
    # now it can come to rest: from here on it is brought to where the joint is
    rig.q[:] = braked[-1] - 0.05
    where = float(rig.q[0])
    back = values(rig, 100)
    assert min(back) >= where - 2 * 0.02**2
    assert back[-1] == where
    # it is held there, and does not follow the joint
    rig.q[:] = -1.0
    assert values(rig, 3) == [where] * 3


def test_without_an_acceleration_limit_a_position_stops_at_once():
    rig = Rig(POSITION)
    rig.run(1.0)
    rig.q[:] = 0.9
    rig.guard.stop(rig.now, "hand on the fence")
    rig.tick()
    rig.q[:] = 0.0
    assert values(rig, 2) == [0.9, 0.9]


def test_a_position_hold_brakes_and_stays_at_the_commanded_position():
    # seen to fail (0.9) with the measured position held in a hold too
    rig = Rig(POSITION)
    rig.run(1.0)
    rig.q[:] = 0.9
    assert values(rig, 9) == [1.0] * 9
    assert (rig.tick().state, values(rig, 1)) == ("stop", [0.9])


def test_a_velocity_is_ramped_to_zero_in_hold_and_in_stop():
    # limit 4 /s of a velocity: 0.08 in each 20 ms
    rig = Rig(VELOCITY)
    assert rig.run(0.3).ctrl == pytest.approx([0.3])
    assert values(rig, 7) == pytest.approx([0.3, 0.3, 0.22, 0.14, 0.06, 0.0, 0.0])
    rig = Rig(VELOCITY)
    rig.run(-0.3)
    rig.guard.stop(rig.now, "hand on the fence")
    assert values(rig, 5) == pytest.approx([-0.22, -0.14, -0.06, 0.0, 0.0])


def test_a_torque_is_never_held_but_damps_at_once():
    # seen to fail with the last torque kept until the stop
    rig = Rig(TORQUE)
    assert rig.run(1.5).ctrl == [1.5]
    rig.qd[:] = 0.8
    assert values(rig, 3) == pytest.approx([1.5, 1.5, -0.4])
    rig.qd[:] = -0.8
    assert values(rig, 1) == pytest.approx([0.4])
    rig.qd[:] = 100.0  # within the bounds
    assert values(rig, 20) == [-2.0] * 20
    assert rig.tick().state == "stop"


def test_damping_does_not_wait_for_limits_of_change():
    rig = Rig(replace(TORQUE, velocity=1.0, acceleration=1.0))
    rig.run(1.5, ms=4000)
    rig.qd[:] = -4.0
    rig.guard.stop(rig.now, "hand on the fence")
    assert values(rig, 1) == [2.0]


def test_a_legged_robot_keeps_its_target_for_the_hold_time_and_is_then_damped():
    # seen to fail with the damping begun at once, and with the measured position held
    rig = Rig(LEGGED)
    rig.run(1.0)
    rig.q[:], rig.qd[:] = 0.5, 2.0
    rig.guard.stop(rig.now, "hand on the fence")
    # 0 to 40 ms after it stopped running the target, from 60 ms on 0.5 - 0.1 s x 2 /s
    assert values(rig, 6) == pytest.approx([1.0, 1.0, 1.0, 0.3, 0.3, 0.3])
    rig.qd[:] = -2.0  # sent continuously
    assert values(rig, 1) == pytest.approx([0.7])


def test_a_legged_robot_without_commands_keeps_its_target_in_the_hold_alone():
    # seen to fail with the damping begun in the hold
    rig = Rig(LEGGED)
    rig.run(1.0)
    rig.q[:], rig.qd[:] = 0.5, 2.0
    assert values(rig, 10) == pytest.approx([1.0] * 9 + [0.3])
    # damped until it is commanded again, also over the next handshake
    rig.guard.begin_session(rig.now)
    assert values(rig, 2) == pytest.approx([0.3, 0.3])
    assert rig.run(1.0, ms=20).ctrl == [0.5]


def test_a_clock_that_goes_back_does_not_put_off_the_damping():
    # seen to fail (the target was kept for an hour) with the step back subtracted
    rig = Rig(LEGGED)
    rig.run(1.0)
    rig.q[:], rig.qd[:] = 0.5, 2.0
    rig.guard.stop(rig.now, "hand on the fence")
    assert values(rig, 2) == [1.0, 1.0]
    rig.now -= 3_600_000 * MS
    assert values(rig, 4) == pytest.approx([1.0, 1.0, 0.3, 0.3])


def test_a_legged_robot_that_never_ran_keeps_standing():
    rig = Rig(LEGGED, at=0.7, session=False)
    rig.q[:], rig.qd[:] = 0.5, 2.0
    assert values(rig, 30) == [0.7] * 30


def test_a_gripper_keeps_its_grip():
    # seen to fail (0.4, it lets go) with the measured position held
    rig = Rig(GRIPPER)
    rig.run(1.0)
    rig.q[:] = 0.4
    rig.guard.stop(rig.now, "hand on the fence")
    assert values(rig, 3) == [1.0] * 3
    rig.guard.clear(rig.now)
    assert rig.run(1.0, ms=40).ctrl == [1.0]


def test_every_actuator_stops_by_its_own_rule():
    rig = Rig(POSITION, TORQUE, VELOCITY, GRIPPER)
    rig.run(1.0, 1.0, 0.08, 1.0)
    rig.q[:], rig.qd[:] = (0.9, 0.0, 0.0, 0.2), (0.0, 0.4, 0.0, 0.0)
    rig.guard.stop(rig.now, "hand on the fence")
    rig.tick()
    assert rig.tick().ctrl == pytest.approx([0.9, -0.2, 0.0, 1.0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_position_that_cannot_be_measured_stops_at_the_last_commanded_one(value):
    # seen to fail without the test for NaN in _stop_at: the last resort stopped it
    rig = Rig(POSITION, TORQUE)
    rig.run(1.0, 1.0)
    rig.q[:], rig.qd[:] = 0.9, 0.4
    rig.q[0] = value
    tick = rig.tick()
    assert tick.state == "latched"
    reason = f"measured positions hold {value} at the joint of turn"
    assert tick.stop == Stop("robot", reason)
    assert tick.ctrl == pytest.approx([1.0, -0.2])
    assert rig.tick().stop == Stop("robot", reason)
    assert rig.guard.clear(rig.now)
    assert rig.tick().state == "latched"  # it lasts
    rig.q[0] = 0.9
    rig.guard.clear(rig.now)
    assert rig.tick().state == "hold"


def test_where_the_velocity_cannot_be_measured_there_is_no_torque():
    rig = Rig(TORQUE, LEGGED)
    rig.run(1.0, 1.0)
    rig.qd[:] = np.nan
    tick = rig.tick()
    assert tick.stop == Stop("robot", "measured velocities hold nan at the joint of push")
    assert tick.ctrl.tolist() == [0.0, 1.0]
    assert rig.tick(100).ctrl.tolist() == [0.0, 1.0]


def test_measurements_of_another_form_stop_the_robot():
    rig = Rig(POSITION)
    rig.run(1.0)
    tick = rig.guard.tick(rig.now, np.zeros(2), rig.qd)
    assert tick.stop == Stop("robot", "measured positions are float64 of shape (2,), not 1 floats")
    rig.guard.clear(rig.now)
    tick = rig.guard.tick(rig.now, rig.q, None)
    assert tick.stop == Stop("robot", "measured velocities are nothing, not 1 floats")


def test_an_actuator_without_a_joint_is_not_measured():
    rig = Rig(replace(GRIPPER, has_joint=False))
    rig.q[:], rig.qd[:] = np.nan, np.inf
    assert rig.run(1.0).ctrl == [1.0]
    rig.guard.stop(rig.now, "hand on the fence")
    assert values(rig, 2) == [1.0, 1.0]


def test_numbers_that_are_finite_and_absurd_stay_within_the_bounds():
    rig = Rig(POSITION, TORQUE, LEGGED)
    rig.run(1.0, 1.0, 1.0)
    rig.q[:], rig.qd[:] = 1e308, -1e308
    assert rig.run(3e38, -3e38, 3e38, ms=20).ctrl.tolist() == [2.0, -2.0, 2.0]
    rig.guard.stop(rig.now, "hand on the fence")
    for tick in (rig.tick(), rig.tick(), rig.tick(1000)):
        assert (np.abs(tick.ctrl) <= 2.0).all()


def test_a_ctrl_that_is_not_finite_is_never_written(monkeypatch):
    # what no known path leads to: the arithmetic itself is broken
    rig = Rig(POSITION, TORQUE)
    rig.run(1.0, 1.0)
    monkeypatch.setattr("robot_gcrl.bridge.guard.axis.within", lambda value, low, high: np.nan)
    rig.now += 20 * MS
    rig.command(1.0)
    tick = rig.tick(0)
    assert tick.ctrl.tolist() == [1.0, 0.0]
    assert (tick.state, tick.stop) == (
        "latched",
        Stop("robot", "the guard computed a ctrl that is not finite"),
    )
