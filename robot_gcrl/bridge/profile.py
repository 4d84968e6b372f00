"""A robot's profile: what its motors may be told, and how it stops, checked where it is made.

A profile belongs to a machine, a contract to a policy; `robot_gcrl.bridge.guard.fit` joins the two.
Units are those of the commanded quantity u: rad or m (position), rad/s or m/s (velocity), N m or N
(torque); times are seconds. How a profile is written down is `robot_gcrl.bridge.profile_file`.
"""

import math
from dataclasses import dataclass
from typing import Literal, NoReturn, get_args

from robot_gcrl.contract.fields import Mode
from robot_gcrl.errors import ProfileError

StopRule = Literal["hold_position", "zero_velocity", "damp", "legged"]

STOP_RULES: dict[Mode, tuple[StopRule, ...]] = {
    "torque": ("damp",),
    "joint_position": ("hold_position", "legged"),
    "joint_position_delta": ("hold_position", "legged"),
    "joint_velocity": ("zero_velocity",),
    "gripper": ("hold_position",),
}
"""The rules by which an actuator of each mode can stop: a torque is never held."""

UNITS: dict[Mode, tuple[str, str]] = {
    "torque": ("N m", "N"),
    "joint_position": ("rad", "m"),
    "joint_position_delta": ("rad", "m"),
    "joint_velocity": ("rad/s", "m/s"),
    "gripper": ("rad", "m"),
}
"""Of each mode: the unit at a hinge, the unit at a slide."""

_HUGE = 1e30  # what a float32 can still hold

Numbers = tuple[float, ...]
MaybeNumbers = tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The limits and stop rules of a machine; tuples have one value for each actuator.

    Attributes:
      name: of the profile, for messages.
      robot: the robot's name, as in the contract.
      actuators: in the order of the ctrl.
      joints: the joint that each drives, or None.
      modes: what the ctrl means.
      units: of the ctrl.
      low: least ctrl.
      high: greatest ctrl.
      velocity_limit: greatest change of the ctrl [u/s], or None.
      acceleration_limit: greatest change of that change [u/s^2], or None.
      position_low: least position of the joint [rad] or [m], or None.
      position_high: greatest position of the joint, or None.
      margin: how far inside these the robot stays by itself; a joint measured as far outside stops
        the robot [rad] or [m].
      stop: rule of the safe stop.
      damping: of a damped stop [N m s/rad] or [N s/m], or None.
      stiffness: of the position servo, where the rule is legged [N m/rad] or [N/m]: damping there
        means that the target leads the joint by -damping / stiffness * velocity.
      ramp_time: in which motion is faded in after a handshake or a stop [s].
      hold_time: without a fresh command until the robot holds, if sooner than the bridge's [s].
      stop_time: without a fresh command until the safe stop, if sooner than the bridge's [s].
    """

    name: str
    robot: str
    actuators: tuple[str, ...]
    joints: tuple[str | None, ...]
    modes: tuple[Mode, ...]
    units: tuple[str, ...]
    low: Numbers
    high: Numbers
    velocity_limit: MaybeNumbers
    acceleration_limit: MaybeNumbers
    position_low: MaybeNumbers
    position_high: MaybeNumbers
    margin: MaybeNumbers
    stop: tuple[StopRule, ...]
    damping: MaybeNumbers
    stiffness: MaybeNumbers
    ramp_time: float = 1.0
    hold_time: float | None = None
    stop_time: float | None = None

    def __post_init__(self) -> None:
        if not self.actuators or len(set(self.actuators)) != len(self.actuators):
            self._refuse("actuators", list(self.actuators), "at least one, each named once")
        for i, actuator in enumerate(self.actuators):
            self._check_kind(i, actuator)
            self._check_limits(i, actuator)
            self._check_joint(i, actuator)
            self._check_stop(i, actuator)
        for name in ("ramp_time", "hold_time", "stop_time"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0.0):
                self._refuse(name, value, "seconds above 0")

    def _check_kind(self, i: int, actuator: str) -> None:
        mode = self.modes[i]
        if mode not in STOP_RULES:
            self._refuse(f"modes of {actuator}", mode, f"one of {', '.join(get_args(Mode))}")
        if self.units[i] not in UNITS[mode]:
            self._refuse(
                f"units of {actuator}", self.units[i], f"{' or '.join(UNITS[mode])} in mode {mode}"
            )

    def _check_limits(self, i: int, actuator: str) -> None:
        low, high = self.low[i], self.high[i]
        if not -_HUGE < low < high < _HUGE:
            self._refuse(f"low, high of {actuator}", [low, high], "finite numbers, the lower first")
        if self.modes[i] in ("torque", "joint_velocity") and not low <= 0.0 <= high:
            self._refuse(f"low, high of {actuator}", [low, high], "0 between them, for the stop")
        for name in ("velocity_limit", "acceleration_limit"):
            value = getattr(self, name)[i]
            if value is not None and not (math.isfinite(value) and value > 0.0):
                self._refuse(f"{name} of {actuator}", value, 'a number above 0, or "none"')

    def _check_joint(self, i: int, actuator: str) -> None:
        low, high, margin = self.position_low[i], self.position_high[i], self.margin[i]
        if low is None and high is None and margin is None:
            return
        names = f"position_low, position_high, margin of {actuator}"
        if low is None or high is None or margin is None:
            self._refuse(names, [low, high, margin], "all three, or none of them")
        if self.joints[i] is None:
            self._refuse(names, [low, high, margin], '"none" where no joint is driven')
        # NaN fails every comparison
        if not (math.isfinite(low) and math.isfinite(high) and 0.0 < 2.0 * margin < high - low):
            self._refuse(names, [low, high, margin], "a margin above 0 that leaves room between")

    def _check_stop(self, i: int, actuator: str) -> None:
        rule, mode = self.stop[i], self.modes[i]
        damping, stiffness = self.damping[i], self.stiffness[i]
        if rule not in STOP_RULES[mode]:
            self._refuse(
                f"stop of {actuator}", rule, f"{' or '.join(STOP_RULES[mode])} in mode {mode}"
            )
        needed = {"damp": (True, False), "legged": (True, True)}.get(rule, (False, False))
        for name, value, need in zip(
            ("damping", "stiffness"), (damping, stiffness), needed, strict=True
        ):
            if need != (value is not None):
                expected = "a number" if need else '"none"'
                self._refuse(f"{name} of {actuator}", value, f"{expected} with stop = {rule!r}")
        if damping is not None and not (math.isfinite(damping) and damping >= 0.0):
            self._refuse(f"damping of {actuator}", damping, "a number of at least 0")
        if stiffness is not None and not (math.isfinite(stiffness) and stiffness > 0.0):
            self._refuse(f"stiffness of {actuator}", stiffness, "a number above 0")
        if damping and self.joints[i] is None:
            self._refuse(f"damping of {actuator}", damping, "0 where no joint is driven")

    def _refuse(self, what: str, got: object, expected: str) -> NoReturn:
        raise ProfileError(
            f"Profile {self.name!r} has {what} = {_shown(got)}. Expected {expected}. Mend the "
            "profile."
        )


def _shown(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_shown(v) for v in value)}]"
    return '"none"' if value is None else repr(value)
