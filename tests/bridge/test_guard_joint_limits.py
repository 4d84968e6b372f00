"""Joints near and beyond their limits. T = 20 ms."""

import math
from dataclasses import replace

import pytest

from robot_gcrl.bridge.guard import Stop
from tests.bridge.rigs import POSITION, TORQUE, VELOCITY, Rig

SLOW = replace(POSITION, velocity=1.0, acceleration=2.0)
WALLED = {"position_low": -1.0, "position_high": 1.0, "margin": 0.1}


def test_a_joint_far_outside_of_its_limits_stops_the_robot():
    rig = Rig(replace(TORQUE, **WALLED))
    rig.run(0.0)
    rig.q[:] = 1.1
    assert rig.tick().state == "run"
    rig.q[:] = 1.1001
    tick = rig.tick()
    reason = "the joint of push is at 1.1, outside of [-1, 1] by more than 0.1"
    assert (tick.state, tick.stop) == ("latched", Stop("limit", reason))
    rig.guard.clear(rig.now)
    assert rig.tick().state == "latched"
    rig.q[:] = 1.0
    rig.guard.clear(rig.now)
    assert rig.tick().state == "hold"


@pytest.mark.parametrize(
    ("position", "outwards", "inwards"),
    [(0.0, 2.0, -2.0), (0.89, 2.0, -2.0), (0.95, 1.0, -2.0), (1.0, 0.0, -2.0), (1.05, 0.0, -2.0)],
)
def test_a_torque_does_not_push_through_the_margin(position, outwards, inwards):
    rig = Rig(replace(TORQUE, **WALLED))
    rig.run(0.0)
    for side in (1, -1):
        rig.q[:] = side * position
        tick = rig.run(side * 2.0, ms=20)
        assert tick.ctrl == pytest.approx([side * outwards])
        assert tick.clips.margin.tolist() == [outwards != 2.0]
        assert rig.run(-side * 2.0, ms=20).ctrl == pytest.approx([side * inwards])


def test_a_velocity_is_no_greater_than_can_be_braked_before_the_margin():
    # seen to fail with the limit left out; 4 /s of a velocity:
    # with 0.4 to go, v 0.02 + v^2 / 8 = 0.4
    rig = Rig(replace(VELOCITY, **WALLED))
    rig.run(0.0)
    rig.q[:] = 0.5
    tick = rig.run(2.0, ms=1000)
    assert tick.ctrl == pytest.approx([-0.08 + math.sqrt(0.0064 + 3.2)])
    assert tick.clips.margin.tolist() == [True]
    for _ in range(200):
        rig.q += 0.02 * rig.run(2.0, ms=20).ctrl
        assert rig.q[0] <= 0.9
    assert rig.q[0] == pytest.approx(0.9, abs=0.01)


def test_a_robot_within_the_margin_may_start_and_goes_no_farther_out():
    rig = Rig(replace(SLOW, **WALLED), at=0.97)
    first = [float(rig.run(1.0, ms=20).ctrl[0]) for _ in range(100)]
    assert max(first) == 0.97
    assert first[-1] == pytest.approx(0.9)
