"""The parts of a contract: observation fields, goal fields, success, health, the action map.

Each checks itself where it is made, so that a mistake is told to the author of the task and not to
the user of a robot.
"""

import functools
import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from robot_gcrl.errors import ContractError

Source = Literal["qpos", "qvel", "sensor", "previous_action"]
Transform = Literal["identity", "cos", "sin"]
Mode = Literal["torque", "joint_position", "joint_position_delta", "joint_velocity", "gripper"]

_POSITION_MODES = ("joint_position", "joint_position_delta", "gripper")
STARTS_AT_MEASURED = ("joint_position", "joint_position_delta")
"""Modes in which the first ctrl is the measured position, which a robot must therefore observe."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """A group of observation components that come from one joint, sensor or actuator.

    The observation holds `scale * transform(raw)` for each component.

    Attributes:
      source: where the raw value is read.
      name: the joint (qpos, qvel), sensor or actuator (previous_action) in the MJCF.
      components: which numbers of it, counted within that joint or sensor; of a previous action
        its ages in control steps: 0 is the newest.
      transform: applied to the raw value first; cos and sin take radians.
      scale: multiplies the transformed value.
      unit: of the raw value: "m", "rad", "m/s", "rad/s", "1".
      frame: in which the raw value is expressed: "world", "joint", a body's name.
    """

    source: Source
    name: str
    components: tuple[int, ...] = (0,)
    transform: Transform = "identity"
    scale: float = 1.0
    unit: str
    frame: str = "joint"

    def __post_init__(self) -> None:
        if self.source not in get_args(Source):
            raise ContractError(
                f"Field {self.name!r} has source {self.source!r}. Expected one of "
                f"{', '.join(get_args(Source))}."
            )
        if self.transform not in get_args(Transform):
            raise ContractError(
                f"Field {self.name!r} has transform {self.transform!r}. Expected one of "
                f"{', '.join(get_args(Transform))}."
            )
        if not self.components or min(self.components) < 0:
            raise ContractError(
                f"Field {self.name!r} has components {self.components}. Expected at least one "
                "index, none below 0."
            )
        if not math.isfinite(self.scale) or self.scale == 0.0:
            raise ContractError(
                f"Field {self.name!r} has scale {self.scale}. Expected a finite number other "
                "than 0."
            )


@dataclass(frozen=True, kw_only=True)
class GoalField:
    """One number of the goal: the raw value of an observed component that shall be reached.

    Attributes:
      label: what a user calls it: "x".
      source: of the observation field that it compares with.
      name: of that field.
      component: of that field; its transform must be the identity.
      unit: SI.
      low: the least goal that is accepted.
      high: the greatest.
    """

    label: str
    source: Source
    name: str
    component: int = 0
    unit: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ContractError(
                f"Goal field {self.label!r} has bounds [{self.low}, {self.high}]. Expected finite "
                "numbers, the lower first."
            )


@dataclass(frozen=True, kw_only=True)
class SuccessGroup:
    """Goal fields whose Euclidean distance to the achieved values must be within `radius`."""

    labels: tuple[str, ...]
    radius: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.radius) and self.radius > 0.0):
            raise ContractError(
                f"Success group {self.labels} has radius {self.radius}. Expected a number above 0."
            )


@dataclass(frozen=True, kw_only=True)
class Healthy:
    """A transformed, scaled quantity that ends the episode (terminates it) outside [low, high]."""

    field: Field
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ActionMap:
    """How an action in [-1, 1]^A becomes a ctrl, per actuator, in contract order.

    torque, joint_position, joint_velocity, gripper: ctrl = offset + scale * action.
    joint_position_delta: ctrl = previous ctrl + scale * action (no offset).
    Every ctrl is then clipped to [low, high]. Units: N m (torque), rad or m (position), rad/s or
    m/s (velocity); limits of change in units/s and units/s^2 of the commanded quantity.

    Attributes:
      actuators: names in the MJCF, in the order of the action.
      joints: the joint that each actuator drives, or None (a tendon, a site). A robot measures it:
        position modes start from its position, and a damped stop works against its velocity.
      modes: one for each actuator.
      scale: one for each actuator.
      offset: one for each actuator.
      low: least ctrl, one for each actuator.
      high: greatest ctrl, one for each actuator.
      velocity_limit: greatest change of a ctrl per second, or None where none is prescribed.
      acceleration_limit: greatest change of that change per second, or None.
    """

    actuators: tuple[str, ...]
    joints: tuple[str | None, ...]
    modes: tuple[Mode, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    velocity_limit: tuple[float, ...] | None = None
    acceleration_limit: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        count = len(self.actuators)
        for name in ("joints", "modes", "scale", "offset", "low", "high", "velocity_limit",
                     "acceleration_limit"):  # fmt: skip
            value = getattr(self, name)
            if value is not None and len(value) != count:
                raise ContractError(
                    f"ActionMap.{name} has {len(value)} values for {count} actuators. Expected "
                    "one for each."
                )
        for actuator, mode in zip(self.actuators, self.modes, strict=True):
            if mode not in get_args(Mode):
                raise ContractError(
                    f"Actuator {actuator!r} has mode {mode!r}. Expected one of "
                    f"{', '.join(get_args(Mode))}."
                )
        for actuator, low, high in zip(self.actuators, self.low, self.high, strict=True):
            if not low < high:
                raise ContractError(
                    f"Actuator {actuator!r} has limits [{low}, {high}]. Expected the lower first."
                )

    @functools.cached_property
    def ctrl_range(self) -> tuple[np.ndarray, np.ndarray]:
        """float32 [A] twice: the least and the greatest ctrl."""
        return np.array(self.low, np.float32), np.array(self.high, np.float32)

    @functools.cached_property
    def is_delta(self) -> np.ndarray:
        """Bool [A]: where the action is a change of the previous ctrl."""
        return np.array([mode == "joint_position_delta" for mode in self.modes])

    @functools.cached_property
    def is_position(self) -> np.ndarray:
        """Bool [A]: where the ctrl is a position, so that it starts at the measured one."""
        return np.array([mode in _POSITION_MODES for mode in self.modes])
