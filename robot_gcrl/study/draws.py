"""The variants that a sweep's file describes by ranges: every combination, or random draws.

    [grid]                              [random]
    "agent.depth" = [4, 8, 16]          count = 20
    "agent.batch_size" = [256, 512]     seed = 0
                                        "agent.depth" = [4, 8, 16]
                                        "agent.gamma" = {low = 0.95, high = 0.99}

A variant is called by its options, "agent.depth=8 agent.batch_size=512", as `--vary` calls it. A
range whose ends are both whole numbers gives whole numbers, both ends among them.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from robot_gcrl.errors import ConfigError

Variants = dict[str, dict[str, Any]]

# Digits of a drawn number: what a name can hold, and more than a setting is known to
_DIGITS = 4
_RANGE = {"low", "high", "log"}


def grid_variants(grid: Mapping[str, Any]) -> Variants:
    """Every combination of the values; the last option varies fastest.

    Raises:
      ConfigError: an option without a list of values.
    """
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(
                f"The grid has {name} = {values!r}. Expected a list of values, as [4, 8]. Write "
                "one, or move the option to options."
            )
    return _named(
        dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
    )


def random_variants(random: Mapping[str, Any]) -> Variants:
    """`count` draws, each option by itself; the same file gives the same draws.

    The draws of an option do not depend on the other options of the file.

    Raises:
      ConfigError: no count, a range that is none, or fewer than `count` different draws.
    """
    options = dict(random)
    count, seed = options.pop("count", None), options.pop("seed", 0)
    for name, value, least in (("count", count, 1), ("seed", seed, 0)):
        if type(value) is not int or value < least:
            raise ConfigError(
                f"The random draws have {name} = {value!r}. Expected a whole number of {least} or "
                f"more. Set {name} under random."
            )
    columns = {name: _draws(name, values, count, seed) for name, values in options.items()}
    rows = _named(
        dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
    )
    if len(rows) < count:
        raise ConfigError(
            f"The {count} random draws gave {len(rows)} different variants. Expected ranges with "
            "room for all of them. Lower count, or write a grid."
        )
    return rows


def _draws(name: str, values: Any, count: int, seed: int) -> Sequence[Any]:
    generator = np.random.default_rng([seed, *name.encode()])
    if isinstance(values, list) and values:
        return [values[i] for i in generator.integers(len(values), size=count)]
    if not isinstance(values, Mapping) or not {"low", "high"} <= set(values) <= _RANGE:
        raise ConfigError(
            f"The random draws have {name} = {values!r}. Expected a list of values, or a range "
            "{low = 1e-4, high = 3e-3, log = true}. Write one of them."
        )
    low, high, is_log = values["low"], values["high"], values.get("log", False)
    if not (_is_number(low) and _is_number(high) and low < high and (low > 0 or not is_log)):
        raise ConfigError(
            f"The random draws have {name} from {low!r} to {high!r}"
            f"{', logarithmic' if is_log else ''}. Expected numbers, the lower one first"
            f"{' and above 0' if is_log else ''}. Change low or high."
        )
    is_whole = type(low) is int and type(high) is int
    # A whole number has the room of half a step on either side, so that the ends are as likely
    first, last = (low - 0.5, high + 0.5) if is_whole else (low, high)
    share = generator.random(count)
    if is_log:
        drawn = np.exp(math.log(first) + share * (math.log(last) - math.log(first)))
    else:
        drawn = first + share * (last - first)
    if is_whole:
        return [int(np.clip(round(value), low, high)) for value in drawn.tolist()]
    return [min(max(float(f"{value:.{_DIGITS}g}"), low), high) for value in drawn.tolist()]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _named(rows: Any) -> Variants:
    return {" ".join(f"{name}={_said(v)}" for name, v in row.items()): row for row in rows}


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
