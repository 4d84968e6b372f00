"""What a study is: tasks x variants x seeds, read from a TOML file and checked as a whole.

A variant is a named set of options by dotted name ("agent.loss"); no code knows any of them.
"""

import inspect
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from robot_gcrl.errors import ConfigError
from robot_gcrl.study.draws import grid_variants, random_variants
from robot_gcrl.train.assess import check_numbers, evaluate_run

DEFAULT = "default"
"""Name of the variant without options of its own."""

EVALUATION: Mapping[str, Any] = {"episodes": 1024, "seed": 10_000}
"""Options of `robot-gcrl evaluate` unless a study says others.

The seed is not the 0 of the published tables: what was chosen by a study is to be measured on
starts and goals that did not choose it.
"""

_KEYS = ("tasks", "seeds", "minutes", "options", "per_task", "variants", "evaluation")
# What stands for variants, and what makes them of it
_DRAWN: Mapping[str, Callable[[Mapping[str, Any]], dict[str, dict[str, Any]]]] = {
    "grid": grid_variants,
    "random": random_variants,
}
# What is a table in a file, and what is a table of tables
_TABLES = ("options", "evaluation", *_DRAWN)
_TABLES_OF_TABLES = ("per_task", "variants")


@dataclass(frozen=True, kw_only=True)
class Study:
    """What a study file says; every field but the first three may be left out.

    Attributes:
      name: of the file.
      tasks: names, or FILE.py:NAME.
      seeds: of training.
      minutes: wall time of every run [min]; None gives every run the same control steps.
      options: of every run, by dotted name; in texts, {seed} becomes the run's seed.
      per_task: options of the runs on a task; they win over `options`.
      variants: options by the variant's name; they win over both.
      evaluation: options of `robot-gcrl evaluate`.
      is_random: whether the variants are random draws, whose order says nothing.
    """

    name: str
    tasks: Sequence[str]
    seeds: Sequence[int]
    minutes: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    per_task: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {DEFAULT: {}})
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    is_random: bool = False

    def __post_init__(self) -> None:
        self._check_lists()
        self._check_evaluation()
        for name in ("tasks", "seeds", "variants"):
            if not getattr(self, name):
                raise ConfigError(
                    f"The study {self.name!r} has no {name}. Expected at least one. Add {name}."
                )
        strange = set(self.per_task) - set(self.tasks)
        if strange:
            raise ConfigError(
                f"The study {self.name!r} has options for {', '.join(sorted(strange))}. Expected "
                f"its tasks: {', '.join(self.tasks)}. Correct the name under per_task."
            )
        if self.measured["seed"] in self.seeds:
            raise ConfigError(
                f"The study {self.name!r} evaluates on seed {self.measured['seed']}, with which it "
                f"trains too. Expected another one. Change the seed under evaluation."
            )

    def _check_lists(self) -> None:
        for name, kind, what in (("tasks", str, "names"), ("seeds", int, "whole numbers")):
            values = getattr(self, name)
            is_list = isinstance(values, list | tuple) and all(type(v) is kind for v in values)
            if not is_list or len(set(values)) < len(values):
                raise ConfigError(
                    f"The study {self.name!r} has {name} = {values!r}. Expected a list of "
                    f"different {what}. Mend {name}."
                )

    def _check_evaluation(self) -> None:
        known = inspect.signature(evaluate_run).parameters
        for name, value in self.measured.items():
            if name not in known or name == "path" or not _fits(value, known[name]):
                options = ", ".join(_said(p) for other, p in known.items() if other != "path")
                raise ConfigError(
                    f"The study {self.name!r} has {name} = {value!r} under evaluation. Expected "
                    f"options of robot-gcrl evaluate, each of its type: {options}. Mend it."
                )
        numbers = inspect.signature(check_numbers).parameters
        check_numbers(**{n: self.measured.get(n, known[n].default) for n in numbers})

    @property
    def measured(self) -> dict[str, Any]:
        """The options of `robot-gcrl evaluate`."""
        return {**EVALUATION, **self.evaluation}


def _fits(value: object, parameter: inspect.Parameter) -> bool:
    """Whether a value is one that an option of `evaluate_run` takes."""
    if get_origin(parameter.annotation) is Literal:
        return value in get_args(parameter.annotation)
    return type(value) is type(parameter.default)


def _said(parameter: inspect.Parameter) -> str:
    """An option of `evaluate_run`, and which values it takes where they have names."""
    if get_origin(parameter.annotation) is not Literal:
        return parameter.name
    return f"{parameter.name} ({' or '.join(get_args(parameter.annotation))})"


def read_study(path: Path) -> Study:
    """The study that a TOML file describes.

    Raises:
      ConfigError: the file cannot be read, or says what a study does not have.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The study {path} cannot be read: {error}. Expected a TOML file with tasks and "
            "seeds. See docs/sweeps.md, and mend it."
        ) from error
    known = (*_KEYS, *_DRAWN)
    strange = set(content) - set(known)
    if strange:
        raise ConfigError(
            f"The study {path} has {', '.join(sorted(strange))}. Expected only {', '.join(known)}. "
            "Options of training belong under options, per_task, variants, grid or random."
        )
    _require_tables(path, content)
    ways = [name for name in ("variants", *_DRAWN) if name in content]
    if len(ways) > 1:
        raise ConfigError(
            f"The study {path} has {' and '.join(ways)}. Expected one of them, which says what is "
            "compared. Leave the others out."
        )
    is_random = "random" in content
    for name, make in _DRAWN.items():
        if name in content:
            content["variants"] = make(content.pop(name))
    if type(content.get("minutes")) is int:
        content["minutes"] = float(content["minutes"])
    return Study(**{"name": path.stem, "tasks": [], "seeds": []} | content, is_random=is_random)


def _require_tables(path: Path, content: Mapping[str, Any]) -> None:
    for name, value in content.items():
        inner = value.values() if name in _TABLES_OF_TABLES and isinstance(value, dict) else ()
        is_wrong = not isinstance(value, dict) or not all(isinstance(v, dict) for v in inner)
        if name in (*_TABLES, *_TABLES_OF_TABLES) and is_wrong:
            what = f"[{name}.NAME] tables" if name in _TABLES_OF_TABLES else f"a [{name}] table"
            raise ConfigError(
                f"The study {path} has {name} = {value!r}. Expected {what} of NAME = value. See "
                "docs/sweeps.md, and mend it."
            )


def parse_variant(texts: Sequence[str], given: str = "--vary") -> dict[str, dict[str, Any]]:
    """The variant of `--vary NAME=VALUE ...`, called by those words; values as in TOML, or a text.

    Args:
      texts: NAME=VALUE each.
      given: the option of which they are.

    Raises:
      ConfigError: no "=".
    """
    options = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(
                f"{given} {text!r} has no value. Expected NAME=VALUE, as agent.depth=8. Add it."
            )
        try:
            options[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[name] = value
    return {" ".join(texts): options}
