"""How a simulated robot departs from its model, as data: the way out of the simulator.

One block of a task's definition says it for training, evaluation, viewer and the simulated robot.
Drawn once per episode: masses, friction and the like, biases, the mean delays; drawn anew in every
control step: noise, jitter, losses, pushes. `robot_gcrl.contract.reality` draws and applies it.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from robot_gcrl.contract.departures import (
    QUANTITIES,
    Delay,
    GoalBias,
    Noise,
    Pose,
    Push,
    Variation,
    require_size,
)
from robot_gcrl.errors import ContractError

__all__ = [
    "LEVELS",
    "QUANTITIES",
    "Delay",
    "GoalBias",
    "Level",
    "Levels",
    "Noise",
    "Pose",
    "Push",
    "Realism",
    "Variation",
    "levels_from_json",
    "levels_to_json",
    "softened",
]

Level = Literal["off", "low", "full"]
LEVELS: tuple[Level, ...] = get_args(Level)


_NO_DELAY = Delay()


@dataclass(frozen=True, kw_only=True)
class Realism:
    """One level of realism; without arguments there is none.

    Attributes:
      variations: of the model.
      slope: greatest inclination of the ground [rad], in any direction: gravity is tilted, so that
        "up" stays the normal of the ground.
      poses: of the start.
      noises: of what is measured.
      goal_bias: of the goal that is told.
      observation_delay: from a measurement until the policy sees it.
      action_delay: from a command until it is in force, to a physics substep.
      push: None for no pushes.
    """

    variations: tuple[Variation, ...] = ()
    slope: float = 0.0
    poses: tuple[Pose, ...] = ()
    noises: tuple[Noise, ...] = ()
    goal_bias: tuple[GoalBias, ...] = ()
    observation_delay: Delay = _NO_DELAY
    action_delay: Delay = _NO_DELAY
    push: Push | None = None

    def __post_init__(self) -> None:
        require_size("Realism", "slope", self.slope)
        if self.slope >= math.pi / 4:
            raise ContractError(
                f"Realism has slope {self.slope}. Expected radians below {math.pi / 4:.2f}. Lower "
                "it."
            )

    @property
    def least_delay(self) -> float:
        """From a measurement until the command that answers it is in force, at least [s]."""
        delays = (self.observation_delay, self.action_delay)
        return sum(max(delay.low - delay.jitter, 0.0) for delay in delays)

    @property
    def greatest_delay(self) -> float:
        """From a measurement until the command that answers it is in force, at most [s]."""
        return self.observation_delay.greatest + self.action_delay.greatest


def softened(realism: Realism, share: float) -> Realism:
    """A level that departs by a share of another one: every range shrinks toward no departure.

    Pushes come as often, but weaker.
    """

    def toward(rest: float, value: float) -> float:
        return rest + share * (value - rest)

    def delay(of: Delay) -> Delay:
        return Delay(**{name: share * value for name, value in dataclasses.asdict(of).items()})

    variations = []
    for v in realism.variations:
        rest = 1.0 if QUANTITIES[v.quantity].by == "factor" else 0.0
        low, high = toward(rest, v.low), toward(rest, v.high)
        variations.append(dataclasses.replace(v, low=low, high=high))
    push = realism.push
    if push is not None:
        push = dataclasses.replace(push, velocity=share * push.velocity, spin=share * push.spin)
    return Realism(
        variations=tuple(variations),
        slope=share * realism.slope,
        poses=tuple(
            dataclasses.replace(p, low=share * p.low, high=share * p.high) for p in realism.poses
        ),
        noises=tuple(
            dataclasses.replace(n, std=share * n.std, bias=share * n.bias) for n in realism.noises
        ),
        goal_bias=tuple(dataclasses.replace(g, bias=share * g.bias) for g in realism.goal_bias),
        observation_delay=delay(realism.observation_delay),
        action_delay=delay(realism.action_delay),
        push=push,
    )


Levels = Mapping[str, Realism]
"""By level, of those but "off" that a task has."""


def levels_to_json(levels: Levels) -> str:
    """The levels as a JSON object."""
    content = {name: dataclasses.asdict(realism) for name, realism in levels.items()}
    return json.dumps(content, indent=1, allow_nan=False)


def levels_from_json(text: str) -> dict[str, Realism]:
    """What `levels_to_json` was called of.

    Raises:
      ContractError: the text is not such an object.
    """
    try:
        return {name: _realism(content) for name, content in json.loads(text).items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ContractError(
            f"The levels of realism cannot be read: {error}. Expected the JSON that levels_to_json "
            "writes."
        ) from error


def _realism(content: dict[str, Any]) -> Realism:
    push = content.pop("push")
    delays = {key: Delay(**content.pop(key)) for key in ("observation_delay", "action_delay")}
    parts = (
        ("variations", Variation), ("poses", Pose), ("noises", Noise), ("goal_bias", GoalBias),
    )  # fmt: skip
    lists = {
        key: tuple(kind(**_with_tuples(item)) for item in content.pop(key)) for key, kind in parts
    }
    return Realism(push=None if push is None else Push(**push), **delays, **lists, **content)


def _with_tuples(content: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
