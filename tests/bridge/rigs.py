"""Robots for the guard's tests: limits of each mode, and a rig that keeps the time."""

import math
from dataclasses import replace

import numpy as np

from robot_gcrl.bridge.guard import AxisLimits, Command, Guard, Limits, Tick

MS = 1_000_000

POSITION = AxisLimits(
    actuator="turn",
    mode="joint_position",
    rule="hold_position",
    has_joint=True,
    low=-2.0,
    high=2.0,
    velocity=math.inf,
    acceleration=math.inf,
    position_low=-math.inf,
    position_high=math.inf,
    margin=0.0,
    damping=0.0,
)
TORQUE = replace(POSITION, actuator="push", mode="torque", rule="damp", damping=0.5)
VELOCITY = replace(
    POSITION, actuator="roll", mode="joint_velocity", rule="zero_velocity", velocity=4.0
)
LEGGED = replace(POSITION, actuator="leg", rule="legged", damping=0.1)
GRIPPER = replace(POSITION, actuator="grip", mode="gripper")


def make_limits(*axes: AxisLimits, **changes: int) -> Limits:
    """Control period 20 ms, with the timers of the bridge: 60, 60, 200 ms, ramp 1 s."""
    timers = {
        "period_ns": 20 * MS,
        "command_age_ns": 60 * MS,
        "hold_ns": 60 * MS,
        "stop_ns": 200 * MS,
        "ramp_ns": 1000 * MS,
    }
    return Limits(axes=axes, **(timers | changes))


class Rig:
    """A guard, its clock, and joints that are where they are put."""

    def __init__(self, *axes: AxisLimits, at: float = 0.0, session: bool = True, **changes: int):
        self.now = 5_000 * MS
        self.q = np.full(len(axes), at)
        self.qd = np.zeros(len(axes))
        self.limits = make_limits(*axes, **changes)
        self.guard = Guard(self.limits, now_ns=self.now, position=self.q, velocity=self.qd)
        if session:
            self.guard.begin_session(self.now)

    def tick(self, ms: float = 20) -> Tick:
        self.now += round(ms * MS)
        return self.guard.tick(self.now, self.q, self.qd)

    def command(self, *rows: float | list[float], age: float = 0, valid: float = 60) -> str:
        """A chunk whose rows command all axes alike, or each its own."""
        chunk = np.array([np.broadcast_to(row, self.q.shape) for row in rows], np.float32)
        report_ns = self.now - round(age * MS)
        return self.guard.accept(self.now, Command(chunk, report_ns, report_ns + round(valid * MS)))

    def run(self, *row: float, ms: float = 1020) -> Tick:
        """Commands the same in each period for so long; by default until the ramp is over."""
        values, ticks = list(row), []
        for _ in range(round(ms / 20)):
            self.now += 20 * MS
            assert self.command(values if len(values) > 1 else values[0]) == "accepted"
            ticks.append(self.guard.tick(self.now, self.q, self.qd))
        return ticks[-1]
