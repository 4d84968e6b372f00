"""Calls of a guard at random, and what the Python guard says to them, for C++ to be compared with.

A call is a line of text, as controllers/cpp/checks/guard_check.cpp reads it; numbers travel as
hexadecimal floats, so that both guards are given the same bits.
"""

import math
from pathlib import Path

import numpy as np

from robot_gcrl.bridge.guard import Command, Guard, fit
from robot_gcrl.bridge.profile_file import load_profile
from robot_gcrl.contract import ActionMap, Contract, Field, GoalField, SuccessGroup

T_NS = 20_000_000
MODES = (
    "torque", "torque", "joint_position", "joint_position_delta", "joint_position",
    "joint_velocity", "joint_velocity", "gripper", "gripper",
)  # fmt: skip
ACTUATORS = tuple(f"a{i}" for i in range(len(MODES)))
JOINTS = ("j0", "j1", "j2", "j3", "j4", "j5", "j6", "j7", None)
COUNT = len(MODES)

CONTRACT = Contract(
    name="zoo",
    robot="zoo",
    control_dt=T_NS / 1e9,
    observation=(
        Field(source="sensor", name='a "sensor" \u00e9', components=(2, 0), unit="m"),
        *(Field(source="qpos", name=j, unit="rad") for j in JOINTS if j is not None),
        *(Field(source="qvel", name=j, unit="rad/s") for j in JOINTS if j is not None),
        Field(source="qpos", name="j0", transform="cos", unit="rad"),
        Field(source="previous_action", name="a0", unit="1"),
    ),
    goal=(GoalField(label="x", source="qpos", name="j0", unit="rad", low=-1.0, high=1.0),),
    success=(SuccessGroup(labels=("x",), radius=0.1),),
    action=ActionMap(
        actuators=ACTUATORS,
        joints=JOINTS,
        modes=MODES,
        scale=(1.0,) * COUNT,
        offset=(0.0,) * COUNT,
        low=(-1.1, -2.0, -1.0, -1.3, -0.7, -1.0, -2.0, 0.0, -1.0),
        high=(1.1, 2.0, 1.0, 1.3, 0.9, 1.0, 2.0, 0.08, 1.0),
        velocity_limit=(30.0, 1e9, 3.0, 1.0, 0.5, 4.0, 9.0, 0.2, 1e9),
    ),
)

PROFILE = """# Every mode and rule of a stop; numbers as TOML may write them
robot = "zoo"
actuators = ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7",
    "a8"]  # the last drives a tendon
joints = ['j0', "j1", "j2", "j3", "j4", "j5", "j6", "j7", "none"]
modes = [
    "torque", "torque", "joint_position", "joint_position_delta", "joint_position",
    "joint_velocity", "joint_velocity", "gripper", "gripper",
]
units = ["N m", "N m", "rad", "rad", "rad", "rad/s", "rad/s", "rad", "m"]
low = [-1.0, -3, -1.2, -1.2, -0.8, -1.5, -1.5, 0.0, -1e0]
high = [1.0, 3, 1.2, 1.2, 0.8, 1.5, 1.5, 0.1, 1.000_0]
velocity_limit = [20.0, "none", 2.0, "none", 1.0, 5.0, 8.0, "none", "none"]
acceleration_limit = [900.0, "none", 15.0, 10.0, "none", 80.0, "none", 3.0, "none"]
position_low = [-1.0, "none", -1.0, -1.25, "none", -1.0, "none", "none", "none"]
position_high = [1.0, "none", 1.0, 1.25, "none", 1.0, "none", "none", "none"]
margin = [0.2, "none", 0.05, 0.02, "none", 0.1, "none", "none", "none"]
stop = ["damp", "damp", "hold_position", "hold_position", "legged", "zero_velocity",
    "zero_velocity", "hold_position", "hold_position"]
damping = [0.5, 2.0, "none", "none", 1.5, "none", "none", "none", "none"]
stiffness = ["none", "none", "none", "none", 20.0, "none", "none", "none", "none"]
ramp_time = 0.3
hold_time = 0.05
"""


class Calls:
    """Calls of one guard, with the answers of the Python guard.

    Attributes:
      lines: for guard_check.
      answers: a line for each call, and at the end the counters.
      guard: that gave them.
    """

    def __init__(self, profile: Path, rng: np.random.Generator, *, tick_ns: int) -> None:
        self._limits = fit(CONTRACT, load_profile(profile))
        self._tick_ns = tick_ns
        self._rng = rng
        self._now = int(rng.integers(0, 2**60))
        self._position = rng.uniform(-0.5, 0.5, COUNT)
        self._velocity = np.zeros(COUNT)
        self._stamps = [self._now]
        self.lines: list[str] = []
        self.answers: list[str] = []
        self.guard = Guard(
            self._limits,
            now_ns=self._now,
            position=self._position,
            velocity=self._velocity,
            tick_ns=tick_ns or None,
        )
        self._say(f"make {self._now} {_listed(self._position)} {_listed(self._velocity)}", "made")

    def run(self, ticks: int) -> None:
        """Makes calls for so many ticks, most of them as a robot would."""
        for _ in range(ticks):
            self._pass_time()
            for call in (self._session, self._stops, self._command):
                call()
            self._tick()
        counters = vars(self.guard.counters).values()
        self.answers.append(f"counters {' '.join(str(count) for count in counters)}")

    def _say(self, line: str, answer: str) -> None:
        self.lines.append(line)
        self.answers.append(answer)

    def _chance(self, probability: float) -> bool:
        return bool(self._rng.random() < probability)

    def _pass_time(self) -> None:
        step = int((self._tick_ns or T_NS) * self._rng.uniform(0.95, 1.05))
        if self._chance(0.02):
            step = int(self._rng.choice([0, 1, T_NS // 2, 3 * T_NS, 15 * T_NS, 40 * T_NS]))
        if self._chance(0.002):
            step = -5
        self._now += step

    def _session(self) -> None:
        waits = self.guard.link_stop is not None or self.guard.state == "waiting"
        if self._chance(0.1 if waits else 0.005):
            scale = float(self._rng.choice([1.0, 1.0, 0.2]))
            self.guard.begin_session(self._now, scale=scale)
            self._say(f"begin {self._now} {scale.hex()}", "done")
        if self._chance(0.003):
            self.guard.lose_link(self._now, "lost")
            self._say(f"lose {self._now}", "done")

    def _stops(self) -> None:
        for name, is_fault in (("stop", False), ("fault", True)):
            if self._chance(0.003):
                self.guard.stop(self._now, "stopped", is_fault=is_fault)
                self._say(f"{name} {self._now}", "done")
        if self._chance(0.002 if self.guard.latched is None else 0.1):
            was_latched = self.guard.clear(self._now)
            self._say(f"clear {self._now}", "cleared" if was_latched else "nothing")

    def _command(self) -> None:
        rng = self._rng
        self._stamps = [*self._stamps[-5:], self._now]
        if self._chance(0.1):  # one is lost
            return
        late = int(rng.choice([0, 0, 0, 0, 1, 2, 5]))
        report = self._stamps[-1 - min(late, len(self._stamps) - 1)]
        report += int(rng.choice([0] * 50 + [1, -T_NS, T_NS]))
        if self._chance(0.02):
            verdict = self.guard.idle(self._now, report)
            self._say(f"idle {self._now} {report}", verdict)
            return
        rows = int(rng.choice([1, 1, 1, 3, 8]))
        valid_until = report + int(rng.choice([3, 3, 3, 1, 8])) * T_NS
        values = self._values(rows)
        size = values.size - (1 if self._chance(0.0005) else 0)
        chunk = values if size == values.size else values.reshape(1, -1)[:, :size]
        verdict = self.guard.accept(self._now, Command(chunk, report, valid_until))
        flat = [float(value) for value in chunk.ravel()]
        self._say(f"accept {self._now} {report} {valid_until} {_listed(flat)}", verdict)

    def _values(self, rows: int) -> np.ndarray:
        rng = self._rng
        phase = self._now / 1e9 * 5.0 + np.arange(COUNT)
        values = np.sin(phase + 0.1 * np.arange(rows)[:, None])
        if self._chance(0.2):
            values = rng.uniform(-1.5, 1.5, (rows, COUNT))
        if self._chance(0.01):
            values = values * 1e30
        values = values.astype(np.float32)
        if self._chance(0.0007):
            values[0, 0] = rng.choice([math.nan, math.inf])
        return values

    def _tick(self) -> None:
        position, velocity = self._position.copy(), self._velocity.copy()
        if self._chance(0.001):
            position[int(self._rng.integers(COUNT))] = self._rng.choice([math.nan, math.inf, 9.0])
        if self._chance(0.001):
            velocity[int(self._rng.integers(COUNT))] = math.nan
        tick = self.guard.tick(self._now, position, velocity)
        guard = self.guard
        latched = "-" if guard.latched is None else guard.latched.cause
        link = "-" if guard.link_stop is None else "link"
        report = -1 if tick.report_ns is None else tick.report_ns
        words = [tick.state, tick.ramp.hex(), str(tick.clips.total), str(report), latched, link]
        answer = " ".join(words + [float(value).hex() for value in tick.ctrl])
        self._say(f"tick {self._now} {_listed(position)} {_listed(velocity)}", answer)
        self._move(tick.ctrl)

    def _move(self, ctrl: np.ndarray) -> None:
        dt = (self._tick_ns or T_NS) / 1e9
        for i, mode in enumerate(MODES):
            before = self._position[i]
            if mode == "torque":
                self._velocity[i] += (5.0 * ctrl[i] - self._velocity[i]) * dt
            elif mode == "joint_velocity":
                self._velocity[i] = ctrl[i]
            else:
                self._velocity[i] = (ctrl[i] - before) / (4.0 * dt)
            self._position[i] = np.clip(before + self._velocity[i] * dt, -1.2, 1.2)
            self._velocity[i] = (self._position[i] - before) / dt


def _listed(values) -> str:
    return " ".join([str(len(values)), *(float(value).hex() for value in values)])
