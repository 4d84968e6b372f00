"""The contract between a robot and a policy, as data.

A contract says which measured quantities make the observation, which of them the goal compares
with, how an action in [-1, 1] becomes a ctrl in SI units, and at what rate. Robot and policy agree
when the sha256 of `Contract.canonical_json` is equal; hints, terminal states and anything else that
only training needs are outside it.

Letters: O observation components, I inputs (distinct measured numbers), G goal, A action, P numbers
of the previous actions that a policy remembers.
"""

import dataclasses
import functools
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_gcrl.contract.fields import (
    STARTS_AT_MEASURED,
    ActionMap,
    Field,
    GoalField,
    Healthy,
    Source,
    SuccessGroup,
)
from robot_gcrl.errors import ContractError


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
        _ = self.goal_index, self.actuated_input  # fail here, where the author sees it

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
    def actuated_input(self) -> np.ndarray:
        """Int [A]: the input that is the position of each actuator's joint; -1 where none is."""
        action, position = self.action, {entry: i for i, entry in enumerate(self.inputs)}
        index = []
        for actuator, joint, mode in zip(
            action.actuators, action.joints, action.modes, strict=True
        ):
            found = -1 if joint is None else position.get(("qpos", joint, 0), -1)
            if found < 0 and mode in STARTS_AT_MEASURED:
                raise ContractError(
                    f"Actuator {actuator!r} of contract {self.name!r} commands a position, and the "
                    f"observation does not contain that of its joint ({joint!r}). A robot could "
                    "not start from where it is. Observe the qpos of that joint."
                )
            index.append(found)
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

    def __hash__(self) -> int:
        """Of the JSON, once: functions that cache by contract run in every control step."""
        return self._hash

    @functools.cached_property
    def _hash(self) -> int:
        return hash(self.canonical_json)

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
    def history(self) -> int:
        """How many previous actions a policy remembers, at least 1: the observed ones."""
        ages = [c for f, c in self.components if f.source == "previous_action"]
        return 1 + max(ages, default=0)

    @property
    def previous_action_size(self) -> int:
        """P: history times A."""
        return self.history * self.action_size

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
