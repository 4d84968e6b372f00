"""Contract and profile -> limits: the narrower counts, and what cannot be joined is refused."""

import math
from collections.abc import Sequence

import numpy as np

from robot_gcrl.bridge.guard.limits import AxisLimits, Limits
from robot_gcrl.bridge.profile import UNITS, Profile
from robot_gcrl.bridge.rules import SECOND_NS, deadlines
from robot_gcrl.contract import Contract
from robot_gcrl.contract.difference import Difference
from robot_gcrl.errors import ProfileError

_LEAST_HOLD_NS = 50_000_000
_LEAST_STOP_NS = 200_000_000
_GREATEST_STOP_NS = 500_000_000
_STOP_PERIODS = 10


def fit(contract: Contract, profile: Profile) -> Limits:
    """What may be written to the motors of this robot under this contract.

    Raises:
      ProfileError: the profile is of another robot, set or order of actuators, joint, mode or unit;
        the limits of the two exclude each other; or their times do.
    """
    differing = profile_differences(contract, profile)
    if differing:
        rows = "; ".join(f"{name}: expected {a}, got {b}" for name, a, b in differing)
        raise ProfileError(
            f"Profile {profile.name!r} does not fit the contract {contract.name!r}. {rows}. Take "
            "the profile of the robot that the policy was trained for."
        )
    hold_ns, stop_ns = _timers(contract, profile)
    return Limits(
        axes=tuple(_axis(contract, profile, i) for i in range(contract.action_size)),
        period_ns=deadlines(contract.control_dt).period,
        command_age_ns=deadlines(contract.control_dt).command_age,
        hold_ns=hold_ns,
        stop_ns=stop_ns,
        ramp_ns=round(profile.ramp_time * SECOND_NS),
    )


def profile_differences(contract: Contract, profile: Profile) -> tuple[Difference, ...]:
    """(name, expected, got) of all in which a profile is not one of the contract's robot."""
    action, rows = contract.action, []

    def compare(name: str, expected: object, got: object) -> None:
        if expected != got:
            rows.append((name, str(expected), str(got)))

    compare("robot", contract.robot, profile.robot)
    compare("actuators", ", ".join(action.actuators), ", ".join(profile.actuators))
    for i, actuator in enumerate(action.actuators):
        if actuator not in profile.actuators:
            continue  # the row above names it
        j = profile.actuators.index(actuator)
        compare(f"joint of {actuator}", action.joints[i] or "none", profile.joints[j] or "none")
        compare(f"mode of {actuator}", action.modes[i], profile.modes[j])
        unit = _unit(contract, i)
        if unit is not None:
            compare(f"unit of {actuator}", unit, profile.units[j])
    return tuple(rows)


def _unit(contract: Contract, actuator: int) -> str | None:
    """Of the ctrl, as far as the observation of the joint tells; None if it does not."""
    at_hinge, at_slide = UNITS[contract.action.modes[actuator]]
    kinds = {"rad": at_hinge, "rad/s": at_hinge, "m": at_slide, "m/s": at_slide}
    for field in contract.observation:
        is_joint = field.source in ("qpos", "qvel")
        if is_joint and field.name == contract.action.joints[actuator]:
            return kinds.get(field.unit)
    return None


def _timers(contract: Contract, profile: Profile) -> tuple[int, int]:
    """Hold and stop [ns]: those of the bridge, or sooner if the profile says so."""
    period = deadlines(contract.control_dt).period
    hold = max(deadlines(contract.control_dt).command_age, _LEAST_HOLD_NS)
    stop = min(max(_STOP_PERIODS * period, _LEAST_STOP_NS), _GREATEST_STOP_NS)
    if stop <= period:
        raise ProfileError(
            f"Contract {contract.name!r} has control_dt {contract.control_dt:g} s. Expected below "
            f"{stop / SECOND_NS:g} s, after which a robot without commands stops. Train the policy "
            "at a higher rate."
        )
    hold = min(hold, stop)
    if profile.hold_time is not None:
        hold = _sooner("hold_time", profile.hold_time, hold, period, profile)
    if profile.stop_time is not None:
        stop = _sooner("stop_time", profile.stop_time, stop, period, profile)
    return min(hold, stop), stop


def _sooner(name: str, seconds: float, default: int, period: int, profile: Profile) -> int:
    chosen = round(seconds * SECOND_NS)
    if not period < chosen <= default:
        raise ProfileError(
            f"Profile {profile.name!r} has {name} = {seconds:g} s. Expected above the control "
            f"period of {period / SECOND_NS:g} s and at most {default / SECOND_NS:g} s: a profile "
            "may only be quicker. Mend the profile."
        )
    return chosen


def _axis(contract: Contract, profile: Profile, i: int) -> AxisLimits:
    action, (least, greatest) = contract.action, contract.action.ctrl_range
    axis = AxisLimits(
        actuator=action.actuators[i],
        mode=action.modes[i],
        rule=profile.stop[i],
        has_joint=action.joints[i] is not None,
        low=max(_exact(profile.low[i]), float(least[i])),
        high=min(_exact(profile.high[i]), float(greatest[i])),
        velocity=_narrower(profile.velocity_limit, action.velocity_limit, i),
        acceleration=_narrower(profile.acceleration_limit, action.acceleration_limit, i),
        position_low=_exact(_number(profile.position_low[i], -math.inf)),
        position_high=_exact(_number(profile.position_high[i], math.inf)),
        margin=_number(profile.margin[i], 0.0),
        damping=_number(profile.damping[i], 0.0) / _number(profile.stiffness[i], 1.0),
    )
    low, high = axis.target_range
    if not (low < high and (axis.is_position or low <= 0.0 <= high)):
        raise ProfileError(
            f"Profile {profile.name!r} and contract {contract.name!r} leave {axis.actuator} the "
            f"ctrl from {low:g} to {high:g}. Expected a range, and 0 in it unless it is of "
            "positions. Mend the profile."
        )
    if axis.rule == "zero_velocity" and math.isinf(axis.velocity):
        raise ProfileError(
            f'Profile {profile.name!r} has velocity_limit of {axis.actuator} = "none". Expected '
            "how fast its velocity may be ramped to zero, because it stops by zero_velocity. Mend "
            "the profile."
        )
    return axis


def _number(value: float | None, missing: float) -> float:
    return missing if value is None else value


def _exact(value: float) -> float:
    """The float32 number: a policy that commands its bound commands this."""
    return float(np.float32(value))


def _narrower(mine: Sequence[float | None], theirs: Sequence[float | None] | None, i: int) -> float:
    return min(
        _number(mine[i], math.inf), math.inf if theirs is None else _number(theirs[i], math.inf)
    )
