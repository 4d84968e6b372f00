"""The contract between a robot and a policy, as data.

A contract says which measured quantities make the observation, which of them the goal compares
with, how an action in [-1, 1] becomes a ctrl in SI units, and at what rate. Robot and policy agree
when the sha256 of `Contract.canonical_json` is equal; hints, terminal states and anything else that
only training needs are outside it.

Letters: O observation components, I inputs (distinct measured numbers), G goal, A action.
"""

import dataclasses
import functools
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from robot_gcrl.errors import ContractError

Source = Literal["qpos", "qvel", "sensor", "previous_action"]
Transform = Literal["identity", "cos", "sin"]
Mode = Literal["torque", "joint_position", "joint_position_delta", "joint_velocity", "gripper"]

_POSITION_MODES = ("joint_position", "joint_position_delta", "gripper")


@dataclass(frozen=True, kw_only=True)
class Field:
    """A group of observation components that come from one joint, sensor or actuator.

    The observation holds `scale * transform(raw)` for each component.

    Attributes:
      source: where the raw value is read.
      name: the joint (qpos, qvel), sensor or actuator (previous_action) in the MJCF.
      components: which numbers of it, counted within that joint or sensor.
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
      modes: one for each actuator.
      scale: one for each actuator.
      offset: one for each actuator.
      low: least ctrl, one for each actuator.
      high: greatest ctrl, one for each actuator.
      velocity_limit: greatest change of a ctrl per second, or None where none is prescribed.
      acceleration_limit: greatest change of that change per second, or None.
    """

    actuators: tuple[str, ...]
    modes: tuple[Mode, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    velocity_limit: tuple[float, ...] | None = None
    acceleration_limit: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        count = len(self.actuators)
        for name in ("modes", "scale", "offset", "low", "high", "velocity_limit",
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


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What a robot and a policy must agree on, and what ends an episode.

    Attributes:
      name: of the task that the policy was trained on.
      version: raised when the meaning changes under the same name.
      robot: the robot's name.
      control_dt: time between two actions [s].
      observation: fields, in order.
      goal: fields, in order.
      success: every group must be within its radius.
      action: the action map.
      healthy: terminal outside; empty for most tasks. Not part of the sha256.
      needs: what a robot cannot measure by itself, for a person to read.
    """

    name: str
    version: int = 1
    robot: str
    control_dt: float
    observation: tuple[Field, ...]
    goal: tuple[GoalField, ...]
    success: tuple[SuccessGroup, ...]
    action: ActionMap
    healthy: tuple[Healthy, ...] = ()
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.control_dt) and self.control_dt > 0.0):
            raise ContractError(
                f"Contract {self.name!r} has control_dt {self.control_dt}. Expected seconds "
                "above 0."
            )
        labels = [field.label for field in self.goal]
        grouped = sorted(label for group in self.success for label in group.labels)
        if sorted(labels) != grouped or len(set(labels)) != len(labels):
            raise ContractError(
                f"Contract {self.name!r} has goal fields {labels} and success groups over "
                f"{grouped}. Expected each goal field, named once, in one group."
            )
        _ = self.goal_index  # fails here, where the author sees it

    @functools.cached_property
    def components(self) -> tuple[tuple[Field, int], ...]:
        """(field, component) of each of the O observation components."""
        return tuple((field, c) for field in self.observation for c in field.components)

    @functools.cached_property
    def inputs(self) -> tuple[tuple[Source, str, int], ...]:
        """(source, name, component) of each of the I distinct measured numbers, in order."""
        measured: list[tuple[Source, str, int]] = [
            (f.source, f.name, c) for f, c in self.components if f.source != "previous_action"
        ]
        return tuple(dict.fromkeys(measured))

    @functools.cached_property
    def goal_index(self) -> np.ndarray:
        """Int [G]: the observation component that each goal field compares with."""
        index = []
        for goal in self.goal:
            wanted = (goal.source, goal.name, goal.component)
            found = [
                i
                for i, (field, c) in enumerate(self.components)
                if (field.source, field.name, c) == wanted and field.transform == "identity"
            ]
            if not found:
                raise ContractError(
                    f"Goal field {goal.label!r} of contract {self.name!r} compares with {wanted}, "
                    "which the observation does not contain untransformed. Add that field."
                )
            index.append(found[0])
        return np.array(index, np.int32)

    @functools.cached_property
    def goal_scale(self) -> np.ndarray:
        """float32 [G]: observation units per SI unit of each goal field."""
        scales = [self.components[i][0].scale for i in self.goal_index]
        return np.array(scales, np.float32)

    @functools.cached_property
    def goal_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """float32 [G] twice: the least and the greatest goal that is accepted."""
        return (
            np.array([g.low for g in self.goal], np.float32),
            np.array([g.high for g in self.goal], np.float32),
        )

    @property
    def observation_size(self) -> int:
        """O."""
        return len(self.components)

    @property
    def goal_size(self) -> int:
        """G."""
        return len(self.goal)

    @property
    def action_size(self) -> int:
        """A."""
        return len(self.action.actuators)

    @functools.cached_property
    def canonical_json(self) -> str:
        """What robot and policy must agree on, as JSON with sorted keys and no spaces."""
        content = dataclasses.asdict(self)
        del content["healthy"]
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @functools.cached_property
    def sha256(self) -> str:
        """Hex digest of `canonical_json`."""
        return hashlib.sha256(self.canonical_json.encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str) -> "Contract":
        """The contract that `canonical_json` was taken of (without its terminal states).

        Raises:
          ContractError: the text is not such a JSON object.
        """
        try:
            content = json.loads(text)
            return cls(
                observation=tuple(Field(**_tuples(f)) for f in content.pop("observation")),
                goal=tuple(GoalField(**f) for f in content.pop("goal")),
                success=tuple(SuccessGroup(**_tuples(f)) for f in content.pop("success")),
                action=ActionMap(**_tuples(content.pop("action"))),
                **_tuples(content),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ContractError(
                f"The contract cannot be read: {error}. Expected the JSON that "
                "Contract.canonical_json writes."
            ) from error


def _tuples(content: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
