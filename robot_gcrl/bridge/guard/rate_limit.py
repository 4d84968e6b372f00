"""Following a target within limits of velocity and acceleration, without overshooting a bound.

The ctrl c moves in steps, c' = c + v' dt, and what is limited is v' and the change of it:
|v'| <= V and |v' - v| <= A dt, in units u of the ctrl per second. Three rules choose v':

- A target that can be reached in this step, and stayed with in the next if it goes on as it came,
  is reached exactly. So a stream of targets that keeps the limits passes through unchanged.
- Otherwise the distance to the target is closed as fast as can be braked away before it. Braking
  from v' by A takes v'^2 / (2 A) at most, however the ticks fall; so v' dt + v'^2 / (2 A) <= r for
  a distance r, of which `braking_rate` is the positive root.
- The same rule, with the distance to the bounds, comes last. It can be kept in each step if it was
  kept in the one before, whatever the steps' lengths: v'' = v' - A dt'' keeps it.

Infinite limits drop out of all formulas.
"""

import math
from typing import NamedTuple


class Followed(NamedTuple):
    """One step towards a target.

    Attributes:
      ctrl: [u].
      rate: its velocity [u/s].
      over_velocity: whether the limit of velocity made it fall behind.
      over_acceleration: whether that of acceleration did, or the braking distance.
    """

    ctrl: float
    rate: float
    over_velocity: bool
    over_acceleration: bool


def within(value: float, low: float, high: float) -> float:
    """The nearest number from `low` to `high`; `value` itself, bit for bit, if it is one."""
    return min(max(value, low), high)


def braking_rate(distance: float, dt: float, acceleration: float) -> float:
    """Greatest rate [u/s] for a step of `dt` [s] after which `distance` still suffices to brake.

    The root of v dt + v^2 / (2 a) = distance, in the form that also holds for infinite a.
    """
    return 2.0 * distance / (dt + math.sqrt(dt * dt + 2.0 * distance / acceleration))


def slowed(rate: float, change: float) -> float:
    """The rate [u/s] brought towards 0 by at most `change` [u/s]."""
    return math.copysign(max(abs(rate) - change, 0.0), rate)


def follow(
    ctrl: float,
    rate: float,
    target: float,
    previous_target: float,
    *,
    dt: float,
    velocity: float,
    acceleration: float,
    span: tuple[float, float],
) -> Followed:
    """One step from `ctrl` towards `target`.

    Args:
      ctrl: written last [u].
      rate: of the step before [u/s].
      target: within `span` [u].
      previous_target: of the step before: the target's own velocity is known by it [u].
      dt: since that step, above 0 [s].
      velocity: V [u/s].
      acceleration: A [u/s^2].
      span: bounds that the ctrl is not to leave; where it lies outside, it goes no farther out.
    """
    low, high = span
    reach = acceleration * dt
    wanted = (target - ctrl) / dt
    allowed = within(wanted, -velocity, velocity)
    drift = within((target - previous_target) / dt, -velocity, velocity)
    if abs(allowed - rate) <= reach and abs(allowed - drift) <= reach:
        chosen = allowed
    else:
        gap = target - drift * dt - ctrl
        closing = drift + math.copysign(braking_rate(abs(gap), dt, acceleration), gap)
        # Of the two limits that of acceleration counts more: a velocity may only be left slowly
        chosen = within(within(closing, -velocity, velocity), rate - reach, rate + reach)
    chosen = within(
        chosen,
        -braking_rate(max(ctrl - low, 0.0), dt, acceleration),
        braking_rate(max(high - ctrl, 0.0), dt, acceleration),
    )
    moved = target if chosen == wanted else ctrl + chosen * dt
    # Against rounding alone
    moved = within(moved, min(low, ctrl), max(high, ctrl))
    return Followed(moved, chosen, allowed != wanted, chosen != allowed)
