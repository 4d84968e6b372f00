"""One actuator: its ctrl, and what it does with a command or without one.

`follow` runs a command: bounds, ramp, velocity and acceleration, joint-limit margin. `rest` is what
an actuator does without one. In a hold a position target brakes and stays, a velocity is ramped to
zero, a torque damps. In a stop the same, and a position target that has come to rest moves to the
position that is measured then; a legged one stays and is damped later.

Measured numbers are NaN where they are not known.
"""

import math
from typing import NamedTuple

from robot_gcrl.bridge.guard.limits import AxisLimits
from robot_gcrl.bridge.guard.rate_limit import Followed, braking_rate, follow, slowed, within


class Clip(NamedTuple):
    """Which limits changed a command."""

    bounds: bool = False
    velocity: bool = False
    acceleration: bool = False
    margin: bool = False


class Axis:
    """What every actuator has.

    Attributes:
      own: its limits.
      limits: these, scaled for the session.
      ctrl: written last [u].
    """

    def __init__(self, limits: AxisLimits, position: float) -> None:
        """At rest at the measured position."""
        self.own = limits
        self.limits = limits
        self.ctrl = 0.0
        self.place(position)

    def place(self, position: float) -> None:
        """At rest at the measured position, whatever was before."""
        here = position if self.own.is_position and self.own.has_joint else 0.0
        self.ctrl = within(here, self.own.low, self.own.high)
        self._rate = 0.0
        self._target: float | None = None
        self._start: float | None = None

    def fade_in(self) -> None:
        """The next command begins a ramp."""
        self._start = None

    def coast(self, seconds: float) -> None:
        """Accounts for a time in which no tick came: the ctrl stood still meanwhile."""
        self._rate = slowed(self._rate, self.limits.acceleration * seconds)

    def follow(self, command: float, position: float, *, dt: float, ramp: float) -> Clip:
        """Takes over what the limits leave of a finite command; which of them changed it.

        Args:
          command: [u].
          position: measured, of the joint.
          dt: since the last tick, above 0 [s].
          ramp: how far motion is faded in, from 0 to 1.
        """
        limits, span = self.limits, self.limits.target_range
        wanted = within(command, limits.low, limits.high)
        target = within(wanted, *span)
        over_margin = target != wanted
        if ramp < 1.0:
            if self._start is None:
                self._start = within(self._ramp_start(position), limits.low, limits.high)
            faded = self._start + ramp * (target - self._start)
            target = within(faded, limits.low, limits.high)
        step = self._approach(target, target if self._target is None else self._target, dt, span)
        self._target = target
        turned = self._turn(position, dt)
        return Clip(
            bounds=wanted != command,
            velocity=step.over_velocity,
            acceleration=step.over_acceleration,
            margin=over_margin or turned,
        )

    def rest(
        self, position: float, velocity: float, *, dt: float, stopped: bool, damped: bool
    ) -> None:
        """Does what is to be done without a command.

        Args:
          position: measured, of the joint.
          velocity: likewise.
          dt: since the last tick, above 0 [s].
          stopped: whether this is a safe stop, which ends at the measured position.
          damped: whether a legged actuator is to be damped now.
        """
        raise NotImplementedError

    def freeze(self, ctrl: float) -> None:
        """Stands still at an earlier `ctrl`; what is no position becomes 0."""
        self.ctrl = ctrl if self.own.is_position else 0.0
        self._rate, self._target = 0.0, None

    def _ramp_start(self, position: float) -> float:
        return 0.0

    def _turn(self, position: float, dt: float) -> bool:
        """Keeps a joint from its limits that no target does; whether that changed the ctrl."""
        return False

    def _approach(
        self, target: float, previous: float, dt: float, span: tuple[float, float]
    ) -> Followed:
        step = follow(
            self.ctrl,
            self._rate,
            target,
            previous,
            dt=dt,
            velocity=self.limits.velocity,
            acceleration=self.limits.acceleration,
            span=span,
        )
        self.ctrl, self._rate = step.ctrl, step.rate
        return step

    def _bound(self, low: float, high: float) -> bool:
        bounded = within(self.ctrl, low, high)
        if bounded == self.ctrl:
            return False
        self.ctrl, self._rate = bounded, 0.0
        return True


class PositionAxis(Axis):
    """A position servo: a joint, or a gripper."""

    def place(self, position: float) -> None:
        """See `Axis`."""
        super().place(position)
        self._anchor: float | None = None

    def follow(self, command: float, position: float, *, dt: float, ramp: float) -> Clip:
        """See `Axis`."""
        self._anchor = None
        return super().follow(command, position, dt=dt, ramp=ramp)

    def rest(
        self, position: float, velocity: float, *, dt: float, stopped: bool, damped: bool
    ) -> None:
        """See `Axis`."""
        limits, span = self.limits, (self.limits.low, self.limits.high)
        self._target = None
        if damped and limits.rule == "legged":
            self._damp(position, velocity)
            return
        slower = slowed(self._rate, limits.acceleration * dt)
        if self._anchor is None and slower != 0.0:
            self._rate = slower
            self.ctrl = within(self.ctrl + slower * dt, *span)
            return
        if self._anchor is None and stopped:
            self._anchor = within(self._stop_at(position), *span)
        target = self.ctrl if self._anchor is None else self._anchor
        self._approach(target, target, dt, span)

    def _ramp_start(self, position: float) -> float:
        return position if self._is_measured else self.ctrl

    def _stop_at(self, position: float) -> float:
        known = self._is_measured and self.limits.rule != "legged" and not math.isnan(position)
        return position if known else self.ctrl

    @property
    def _is_measured(self) -> bool:
        # The grip of a gripper is the difference between target and measured position: to go to
        # the measured one would be to let go
        return self.limits.has_joint and self.limits.mode != "gripper"

    def _damp(self, position: float, velocity: float) -> None:
        trailing = position - self.own.damping * velocity
        if not math.isnan(trailing):
            self.ctrl = within(trailing, self.own.low, self.own.high)
        self._rate = 0.0


class VelocityAxis(Axis):
    """A velocity servo."""

    def rest(
        self, position: float, velocity: float, *, dt: float, stopped: bool, damped: bool
    ) -> None:
        """See `Axis`."""
        self._target = None
        self._approach(0.0, 0.0, dt, (self.limits.low, self.limits.high))

    def _turn(self, position: float, dt: float) -> bool:
        limits = self.limits
        if math.isinf(limits.position_low):
            return False
        below = max(position - limits.position_low - limits.margin, 0.0)
        above = max(limits.position_high - limits.margin - position, 0.0)
        # The velocity limit of a velocity is how fast it can be braked
        return self._bound(
            -braking_rate(below, dt, limits.velocity), braking_rate(above, dt, limits.velocity)
        )


class TorqueAxis(Axis):
    """A motor of which the torque or force is commanded."""

    def rest(
        self, position: float, velocity: float, *, dt: float, stopped: bool, damped: bool
    ) -> None:
        """See `Axis`; in full bounds, and at once, whatever the limits of change."""
        against = -self.own.damping * velocity
        self.ctrl = 0.0 if math.isnan(against) else within(against, self.own.low, self.own.high)
        self._rate, self._target = 0.0, None

    def _turn(self, position: float, dt: float) -> bool:
        limits = self.limits
        if math.isinf(limits.position_low):
            return False
        # What pushes outwards fades within the margin, to 0 at the limit
        below = within((position - limits.position_low) / limits.margin, 0.0, 1.0)
        above = within((limits.position_high - position) / limits.margin, 0.0, 1.0)
        return self._bound(limits.low * below, limits.high * above)


def make_axis(limits: AxisLimits, position: float) -> Axis:
    """An actuator at rest at the measured position of its joint."""
    if limits.mode == "torque":
        return TorqueAxis(limits, position)
    if limits.mode == "joint_velocity":
        return VelocityAxis(limits, position)
    return PositionAxis(limits, position)
