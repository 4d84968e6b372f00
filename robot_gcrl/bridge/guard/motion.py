"""What is written to the motors: all actuators, and how far their motion is faded in."""

from typing import NamedTuple

import numpy as np

from robot_gcrl.bridge.guard.axis import make_axis
from robot_gcrl.bridge.guard.limits import Limits
from robot_gcrl.bridge.guard.measurement import Measured

_SECOND_NS = 10**9


class Clips(NamedTuple):
    """Where which limit changed a command: bool [A] each."""

    bounds: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    margin: np.ndarray

    @property
    def total(self) -> int:
        """How many numbers of the command were changed."""
        return int(np.any(self, axis=0).sum())


class Motion:
    """The actuators of a robot, moved together."""

    def __init__(self, limits: Limits, position: list[float]) -> None:
        """At rest at the measured positions, ready to fade in."""
        self._ramp_ns = limits.ramp_ns
        self._axes = [
            make_axis(axis, here) for axis, here in zip(limits.axes, position, strict=True)
        ]
        self._unclipped = _clips(np.zeros((len(limits.axes), 4), bool))
        self._ramped_ns = 0

    @property
    def ctrl(self) -> np.ndarray:
        """float64 [A], written last; the caller's to keep."""
        return np.array([axis.ctrl for axis in self._axes])

    @property
    def ramp(self) -> float:
        """How far motion is faded in, from 0 to 1."""
        return min(self._ramped_ns / self._ramp_ns, 1.0)

    def fade_in(self) -> None:
        """The next command begins a ramp from where the robot is measured then."""
        self._ramped_ns = 0
        for axis in self._axes:
            axis.fade_in()

    def place(self, position: list[float]) -> None:
        """At rest at the measured positions, with motion at its full: after a teleport."""
        self._ramped_ns = self._ramp_ns
        for axis, here in zip(self._axes, position, strict=True):
            axis.place(here)

    def scale(self, scale: float) -> None:
        """Multiplies all limits but those of positions by a number in (0, 1]."""
        for axis in self._axes:
            axis.limits = axis.own.scaled(scale)

    def coast(self, dt_ns: int) -> None:
        """Accounts for a time in which no tick came: the ctrl stood still meanwhile."""
        for axis in self._axes:
            axis.coast(dt_ns / _SECOND_NS)

    def follow(self, command: np.ndarray, measured: Measured, dt_ns: int) -> Clips:
        """Takes over what the limits leave of a finite command [A], `dt_ns` after the last tick."""
        dt, ramp = dt_ns / _SECOND_NS, self.ramp
        clips = [
            axis.follow(wanted, position, dt=dt, ramp=ramp)
            for axis, wanted, position in zip(
                self._axes, command.tolist(), measured.position, strict=True
            )
        ]
        self._ramped_ns += dt_ns
        # Most ticks change nothing
        return _clips(np.array(clips)) if any(map(any, clips)) else self._unclipped

    def rest(self, measured: Measured, dt_ns: int, *, stopped: bool, damped: bool) -> Clips:
        """What the robot does without a command; see `Axis.rest`."""
        for axis, position, velocity in zip(self._axes, *measured, strict=True):
            axis.rest(position, velocity, dt=dt_ns / _SECOND_NS, stopped=stopped, damped=damped)
        return self._unclipped

    def freeze(self, ctrl: np.ndarray) -> None:
        """Stands still at an earlier ctrl [A]; what is no position becomes 0."""
        for axis, value in zip(self._axes, ctrl.tolist(), strict=True):
            axis.freeze(value)


def _clips(columns: np.ndarray) -> Clips:
    return Clips(*columns.T)
