"""The parts of a level of realism: quantities of the model, noise, delays, pushes, starts.

Each checks itself where it is made. Everything is in SI units, and 0 is no departure.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from robot_gcrl.contract.fields import Source
from robot_gcrl.errors import ContractError, unknown_name


class Quantity(NamedTuple):
    """What a quantity of the model is.

    Attributes:
      kind: of the elements that have it.
      by: whether a draw multiplies it or is added to it.
      fields: arrays of the model that change, each with its columns.
      unit: of a draw.
    """

    kind: Literal["body", "geom", "joint", "actuator"]
    by: Literal["factor", "offset"]
    fields: Mapping[str, tuple[int, ...]]
    unit: str


QUANTITIES: Mapping[str, Quantity] = {
    # of a body whose shape stays, the inertia grows with the mass
    "mass": Quantity("body", "factor", {"body_mass": (), "body_inertia": (0, 1, 2)}, "1"),
    "center_of_mass": Quantity("body", "offset", {"body_ipos": (0, 1, 2)}, "m"),
    "friction": Quantity("geom", "factor", {"geom_friction": (0,)}, "1"),
    # stiffness and damping of a position servo, strength of a motor
    "actuator_gain": Quantity(
        "actuator", "factor", {"actuator_gainprm": (0,), "actuator_biasprm": (1, 2)}, "1"
    ),
    "damping": Quantity("joint", "factor", {"dof_damping": ()}, "1"),
    "friction_loss": Quantity("joint", "offset", {"dof_frictionloss": ()}, "N m"),
    "armature": Quantity("joint", "factor", {"dof_armature": ()}, "1"),
}


def require_range(what: str, low: float, high: float) -> None:
    """Raises a ContractError where `low` and `high` are no range."""
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ContractError(
            f"{what} has the range [{low}, {high}]. Expected finite numbers, the lower first. "
            "Exchange or change them."
        )


def require_size(what: str, name: str, value: float) -> None:
    """Raises a ContractError where `value` is no size."""
    if not (math.isfinite(value) and value >= 0.0):
        raise ContractError(
            f"{what} has {name} {value}. Expected a finite number, 0 or more. Change it."
        )


@dataclass(frozen=True, kw_only=True)
class Variation:
    """A quantity of the model that differs from episode to episode, uniform in [low, high].

    Attributes:
      quantity: one of QUANTITIES, which say whether a draw is a factor or an offset.
      names: of the bodies, geoms, joints or actuators; empty for all.
      low: the least draw.
      high: the greatest.
      together: whether one draw serves all of `names`; else each has its own.
    """

    quantity: str
    names: tuple[str, ...] = ()
    low: float
    high: float
    together: bool = False

    def __post_init__(self) -> None:
        if self.quantity not in QUANTITIES:
            raise unknown_name("quantity", self.quantity, QUANTITIES, see="docs/tasks.md")
        require_range(f"Variation of {self.quantity!r}", self.low, self.high)
        quantity = QUANTITIES[self.quantity]
        if quantity.by == "factor" and self.low <= 0.0:
            raise ContractError(
                f"Variation of {self.quantity!r} has the least factor {self.low}. Expected a "
                "number above 0: nothing has a mass, friction or gain of 0 or below. Raise it."
            )
        if self.quantity == "friction_loss" and self.low < 0.0:
            raise ContractError(
                f"Variation of 'friction_loss' has the least offset {self.low}. Expected 0 or "
                "more: friction does not drive. Raise it."
            )


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What a measured number differs by from the true one.

    Attributes:
      source: qpos, qvel or sensor.
      names: of the joints or sensors; all of their components that are observed.
      std: of normal noise, drawn in every control step.
      bias: greatest constant error, drawn in [-bias, bias] once per episode (of an encoder).
    """

    source: Source
    names: tuple[str, ...]
    std: float = 0.0
    bias: float = 0.0

    def __post_init__(self) -> None:
        for name in ("std", "bias"):
            require_size(f"Noise of {', '.join(self.names)}", name, getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class GoalBias:
    """How far the goal that the robot is told may be from the goal that counts, per component.

    Attributes:
      labels: of goal fields.
      bias: greatest error, drawn in [-bias, bias] once per episode.
    """

    labels: tuple[str, ...]
    bias: float

    def __post_init__(self) -> None:
        require_size(f"GoalBias of {', '.join(self.labels)}", "bias", self.bias)


@dataclass(frozen=True, kw_only=True)
class Delay:
    """How late something arrives [s], and what is lost.

    Attributes:
      low: least mean of an episode.
      high: greatest mean of an episode.
      jitter: greatest deviation from the mean, drawn in every control step.
      hold: probability that nothing new arrives in a control step, and the old one stays.
    """

    low: float = 0.0
    high: float = 0.0
    jitter: float = 0.0
    hold: float = 0.0

    def __post_init__(self) -> None:
        require_range("Delay", self.low, self.high)
        for name in ("low", "jitter"):
            require_size("Delay", name, getattr(self, name))
        if not 0.0 <= self.hold < 1.0:
            raise ContractError(
                f"Delay has hold {self.hold}. Expected a probability, below 1. Choose one."
            )

    @property
    def greatest(self) -> float:
        """The greatest delay of a control step [s]."""
        return self.high + self.jitter if self.high + self.jitter > 0.0 else 0.0


@dataclass(frozen=True, kw_only=True)
class Push:
    """A kick: what somebody who bumps into the robot does to its velocity.

    Attributes:
      joint: a free joint.
      interval: mean time between two kicks [s].
      velocity: greatest change of velocity in the plane, in any direction [m/s].
      spin: greatest change of the angular velocity around the vertical [rad/s].
    """

    joint: str
    interval: float
    velocity: float = 0.0
    spin: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.interval) and self.interval > 0.0):
            raise ContractError(
                f"Push has interval {self.interval}. Expected seconds above 0. Choose some."
            )
        for name in ("velocity", "spin"):
            require_size("Push", name, getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class Pose:
    """A hinge or slide that starts elsewhere: moved by [low, high], kept within its range.

    Attributes:
      joint: its name.
      low: least offset [rad, m].
      high: greatest.
    """

    joint: str
    low: float
    high: float

    def __post_init__(self) -> None:
        require_range(f"Pose of {self.joint!r}", self.low, self.high)
