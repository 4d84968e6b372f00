"""What a robot measures of its actuated joints, and whether it can be trusted."""

import math
from typing import NamedTuple

import numpy as np

from robot_gcrl.bridge.guard.events import Stop
from robot_gcrl.bridge.guard.limits import Limits
from robot_gcrl.errors import RobotError


class Measured(NamedTuple):
    """Positions and velocities of the actuated joints; NaN where one is not known.

    Attributes:
      position: one for each actuator [rad] or [m].
      velocity: one for each actuator [rad/s] or [m/s].
    """

    position: list[float]
    velocity: list[float]


def read(
    limits: Limits, position: np.ndarray, velocity: np.ndarray | None, *, needs_velocity: bool
) -> tuple[Measured, Stop | None]:
    """The usable part of a measurement, and the stop that it demands, if any.

    Args:
      limits: of the robot.
      position: [A], anything where an actuator drives no joint.
      velocity: [A] likewise, or None where the robot does not measure it.
      needs_velocity: whether None is a fault.
    """
    positions, fault = _column("positions", position, limits)
    velocities = [math.nan] * len(limits.axes)
    if velocity is not None or needs_velocity:
        velocities, slow = _column("velocities", velocity, limits)
        fault = fault or slow
    measured = Measured(positions, velocities)
    if fault is not None:
        return measured, Stop("robot", fault)
    for axis, value in zip(limits.axes, positions, strict=True):
        low, high = axis.position_low, axis.position_high
        if value < low - axis.margin or value > high + axis.margin:
            return measured, Stop(
                "limit",
                f"the joint of {axis.actuator} is at {value:.4g}, outside of [{low:.4g}, "
                f"{high:.4g}] by more than {axis.margin:.4g}",
            )
    return measured, None


def require_no_velocity(limits: Limits) -> None:
    """Checks that a robot which measures no velocity can stop by its rules.

    Raises:
      RobotError: an actuator cannot.
    """
    damped = [f"{axis.actuator} ({axis.rule})" for axis in limits.axes if axis.damping > 0.0]
    if damped:
        raise RobotError(
            f"The safe stop of {', '.join(damped)} damps the velocity of the joint, and this robot "
            "does not measure it. Expected measured velocities. Measure them, or prescribe "
            "another stop in the profile."
        )


def _column(what: str, values: np.ndarray | None, limits: Limits) -> tuple[list[float], str | None]:
    count = len(limits.axes)
    if values is None or values.shape != (count,) or values.dtype.kind != "f":
        got = "nothing" if values is None else f"{values.dtype} of shape {values.shape}"
        return [math.nan] * count, f"measured {what} are {got}, not {count} floats"
    column, fault = values.tolist(), None
    for i, axis in enumerate(limits.axes):
        if not axis.has_joint:
            column[i] = math.nan
        elif not math.isfinite(column[i]):
            fault = fault or f"measured {what} hold {column[i]} at the joint of {axis.actuator}"
            column[i] = math.nan
    return column, fault
