"""A training configuration as JSON and back: the `config.json` of a run folder.

Every field is written, paths as text. Reading refuses what the fields do not say: a key too many or
too few, or a value of another type.
"""

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, Literal, TypeVar

from robot_gcrl.agents.baselines.config import BaselineConfig
from robot_gcrl.errors import ConfigError
from robot_gcrl.train.config import TrainConfig

T = TypeVar("T")


# Settings that older versions did not have and did without
_SINCE = {
    "randomize": "off",
    "actor_width": None,
    "energy": "l2",
    "cosine_scale": 10.0,
    "learn_cosine_scale": True,
    "num_critics": 1,
    "eval_action": "mode",
    "norm": "layer",
    "chunk": 1,
    "replan": False,
    "critic": "contrastive",
    "time_bins": 8,
    "goal_proposal": "task",
    "goal_proposal_share": 0.5,
    "goal_noise": None,
    "curriculum_radius": None,
    "start_from": None,
    "from_checkpoint": "best",
    "track": "none",
    "cloning": 0.0,
    "ema_decay": 0.0,
    "random_goals": 0.0,
    "horizon_spread": 1.0,
    "rows_per_episode": 1,
    "input_bias": 0.0,
    "moving_share": 0.0,
    "bootstrap": 0.0,
    "target_rate": 0.02,
    "dataset": None,
    "algorithm": "crl",
    "baseline": dataclasses.asdict(BaselineConfig()),
}


# Settings that this version does without: read where they changed nothing
_GONE = {"far_share": 0.0}


def to_content(config: TrainConfig) -> dict[str, Any]:
    """What json.dump accepts; the settings of the agent are the object under "agent"."""
    content = dataclasses.asdict(config)
    return {k: str(v) if isinstance(v, Path) else v for k, v in content.items()}


def from_content(content: dict[str, Any]) -> TrainConfig:
    """The configuration that `to_content` was taken of.

    Raises:
      ConfigError: a key is missing or unknown, or a value has another type or is out of range.
    """
    return _read(TrainConfig, content, prefix="")


def _read(kind: type[T], content: dict[str, Any], *, prefix: str) -> T:
    hints = typing.get_type_hints(kind)
    content = {n: v for n, v in _SINCE.items() if n in hints} | {
        n: v for n, v in content.items() if n not in _GONE or v != _GONE[n]
    }
    missing = sorted(set(hints) - set(content))
    unknown = sorted(set(content) - set(hints))
    if missing or unknown:
        what = [f"lacks {', '.join(prefix + n for n in missing)}"] * bool(missing)
        what += [f"has the unknown {', '.join(prefix + n for n in unknown)}"] * bool(unknown)
        raise ConfigError(
            f"The configuration {' and '.join(what)}. Expected exactly the settings of this "
            "version of robot-gcrl. Use the version that wrote it, or start a new run."
        )
    return kind(**{n: _value(prefix + n, content[n], hint) for n, hint in hints.items()})


def _value(name: str, value: Any, hint: Any) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        return _read(hint, value, prefix=f"{name}.")
    if isinstance(hint, types.UnionType):
        choices = typing.get_args(hint)
        if value is None and type(None) in choices:
            return None
        (hint,) = (choice for choice in choices if choice is not type(None))
    if typing.get_origin(hint) is Literal:
        if value in typing.get_args(hint):
            return value
    elif hint is Path and isinstance(value, str):
        return Path(value)
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif isinstance(hint, type) and type(value) is hint:
        return value
    raise ConfigError(
        f"The configuration has {name} = {value!r}. Expected {_expected(hint)}. Mend the file, or "
        "start a new run."
    )


def _expected(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, typing.get_args(hint)))}"
    return {float: "a number", int: "a whole number", bool: "true or false"}.get(hint, "a text")
