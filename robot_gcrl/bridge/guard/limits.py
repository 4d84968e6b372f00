"""What a robot's motors may be told: the narrower of its profile and a contract.

Plain numbers, one set for each actuator: a guard runs faster on them than on arrays of eight, and
in C++ it reads the same. Units are those of the commanded quantity u: rad or m (position), rad/s or
m/s (velocity), N m or N (torque). What is not prescribed is infinite, so that no formula asks.
"""

import dataclasses
import functools
from dataclasses import dataclass

import numpy as np

from robot_gcrl.bridge.profile import StopRule
from robot_gcrl.contract.fields import Mode


@dataclass(frozen=True, kw_only=True)
class AxisLimits:
    """The limits and the stop rule of one actuator.

    Bounds are the float32 numbers that a policy computes with: a ctrl that lies on its bound is not
    changed by as much as a rounding.

    Attributes:
      actuator: its name.
      mode: what the ctrl means.
      rule: of the safe stop.
      has_joint: whether it drives a joint, which is then measured.
      low: least ctrl.
      high: greatest ctrl.
      velocity: greatest change of the ctrl [u/s].
      acceleration: greatest change of that change [u/s^2].
      position_low: least position of the joint [rad] or [m].
      position_high: greatest position of the joint.
      margin: how far inside these the robot stays by itself, and how far outside it stops; 0 where
        no position is prescribed.
      damping: torque per velocity of the joint; where the rule is legged, by how much the target
        trails the joint per velocity [s].
    """

    actuator: str
    mode: Mode
    rule: StopRule
    has_joint: bool
    low: float
    high: float
    velocity: float
    acceleration: float
    position_low: float
    position_high: float
    margin: float
    damping: float

    @property
    def is_position(self) -> bool:
        """Whether the ctrl is a position."""
        return self.mode not in ("torque", "joint_velocity")

    @functools.cached_property
    def target_range(self) -> tuple[float, float]:
        """Least and greatest ctrl; of a position, within the joint's margin too."""
        if not self.is_position:
            return self.low, self.high
        return (
            max(self.low, self.position_low + self.margin),
            min(self.high, self.position_high - self.margin),
        )

    def scaled(self, scale: float) -> "AxisLimits":
        """With all but positions multiplied by `scale`."""
        bounds = 1.0 if self.is_position else scale
        return dataclasses.replace(
            self,
            low=float(np.float32(self.low * bounds)),
            high=float(np.float32(self.high * bounds)),
            velocity=self.velocity * scale,
            acceleration=self.acceleration * scale,
        )


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits, stop rules and timers of one robot under one contract.

    Attributes:
      axes: one for each actuator, in the order of the ctrl.
      period_ns: control period T [ns].
      command_age_ns: a command is discarded when older than this since its report [ns].
      hold_ns: without a fresh command until the hold [ns].
      stop_ns: without a fresh command until the safe stop [ns].
      ramp_ns: in which motion is faded in [ns].
    """

    axes: tuple[AxisLimits, ...]
    period_ns: int
    command_age_ns: int
    hold_ns: int
    stop_ns: int
    ramp_ns: int
