"""What a study consists of: tasks x variants x seeds, each cell the settings of one run.

A variant is a named set of options by dotted name ("agent.loss"); no code knows any of them. Every
cell is resolved to the settings that `robot-gcrl train` would use before the first one is trained,
so that a misspelt option is told at once and not after hours.
"""

import hashlib
import inspect
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from robot_gcrl.errors import ConfigError
from robot_gcrl.study.draws import grid_variants, random_variants
from robot_gcrl.train.assess import evaluate_run
from robot_gcrl.train.collecting import refuse_collecting, refuse_unread
from robot_gcrl.train.config import TrainConfig, flat, option
from robot_gcrl.train.config_json import from_content, to_content
from robot_gcrl.train.presets import as_algorithm
from robot_gcrl.train.settings import make_train_config

DEFAULT = "default"
"""Name of the variant without options of its own."""

EVALUATION: Mapping[str, Any] = {"episodes": 1024, "seed": 10_000}
"""Options of `robot-gcrl evaluate` unless a study says others.

The seed is not the 0 of the published tables: what was chosen by a study is to be measured on
starts and goals that did not choose it.
"""

# What `train` resolves before any other option
_CHOICES = ("preset", "engine", "maze", "dataset", "algorithm")
_KEYS = ("tasks", "seeds", "minutes", "options", "per_task", "variants", "evaluation")
# What stands for variants, and what makes them of it
_DRAWN: Mapping[str, Callable[[Mapping[str, Any]], dict[str, dict[str, Any]]]] = {
    "grid": grid_variants,
    "random": random_variants,
}
_SEED = "{seed}"
_LONGEST_NAME = 160
# In a study over equal wall time the steps must not end a run: the budget so many times, with as
# many evaluations, so that they lie as densely as in a study over equal control steps
_MORE = 100


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
    """

    name: str
    tasks: Sequence[str]
    seeds: Sequence[int]
    minutes: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    per_task: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {DEFAULT: {}})
    evaluation: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_lists()
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
        known = inspect.signature(evaluate_run).parameters
        for name, value in self.measured.items():
            if name not in known or name == "path" or type(value) is not type(known[name].default):
                options = ", ".join(other for other in known if other != "path")
                raise ConfigError(
                    f"The study {self.name!r} has {name} = {value!r} under evaluation. Expected "
                    f"options of robot-gcrl evaluate, each of its type: {options}. Mend it."
                )

    @property
    def measured(self) -> dict[str, Any]:
        """The options of `robot-gcrl evaluate`."""
        return {**EVALUATION, **self.evaluation}


class Cell(NamedTuple):
    """One run of a study.

    Attributes:
      task: as the study names it.
      variant: its name.
      seed: of training.
      config: every setting of the run.
      words: the options that make `robot-gcrl train --run RUN` resolve to `config`.
      differences: from what the task and the preset resolve to, by dotted name.
    """

    task: str
    variant: str
    seed: int
    config: TrainConfig
    words: Sequence[str]
    differences: Mapping[str, Any]


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
    ways = [name for name in ("variants", *_DRAWN) if name in content]
    if len(ways) > 1:
        raise ConfigError(
            f"The study {path} has {' and '.join(ways)}. Expected one of them, which says what is "
            "compared. Leave the others out."
        )
    for name, make in _DRAWN.items():
        if name in content:
            content["variants"] = make(content.pop(name))
    if type(content.get("minutes")) is int:
        content["minutes"] = float(content["minutes"])
    return Study(**{"name": path.stem, "tasks": [], "seeds": []} | content)


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


def cells_of(study: Study) -> list[Cell]:
    """Every run of the study; all variants of a seed come before the next seed.

    Raises:
      RobotGcrlError: a task, option or value that does not exist.
    """
    cells = [
        _cell(study, task, variant, seed)
        for seed in study.seeds
        for task in study.tasks
        for variant in study.variants
    ]
    _require_apart(cells)
    return cells


def _require_apart(cells: Sequence[Cell]) -> None:
    names: dict[str, Cell] = {}
    for cell in cells:
        other = names.setdefault(run_name(cell), cell)
        if other is not cell:
            raise ConfigError(
                f"Two runs would have the folder {run_name(cell)!r}: {other.task} with "
                f"{other.variant!r} and {cell.task} with {cell.variant!r}. Expected names that "
                "differ in letters, digits, -, _, . or =. Rename a variant or a task file."
            )


def run_name(cell: Cell) -> str:
    """The cell as the name of its run folder."""
    words = f"{Path(cell.task).name}-{cell.variant}-{cell.seed}"
    name = "".join(c if c.isalnum() or c in "-_.=" else "_" for c in words)
    if len(name) <= _LONGEST_NAME:
        return name
    # Draws of many options: the system takes 255 characters, and logs have a few more
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"


def _cell(study: Study, task: str, variant: str, seed: int) -> Cell:
    options = {**study.options, **study.per_task.get(task, {}), **study.variants[variant]}
    options = {
        name: value.replace(_SEED, str(seed)) if isinstance(value, str) else value
        for name, value in options.items()
    }
    choices = {name: options.pop(name) for name in _CHOICES if name in options}
    if "dataset" in choices:
        refuse_collecting(options)
    refuse_unread(as_algorithm(choices.get("algorithm", "crl")), options)
    base = make_train_config(task, **choices)
    if study.minutes is not None:
        if "steps" in options or "minutes" in options:
            raise ConfigError(
                f"The variant {variant!r} sets steps or minutes, and the study gives every run "
                f"{study.minutes} min. Expected one of the two budgets. Leave one out."
            )
        options |= {
            "minutes": study.minutes,
            "steps": _MORE * base.steps,
            "evaluations": _MORE * base.evaluations,
        }
    config = _typed(base, {"seed": seed, **options})
    before, after = flat(base), flat(config)
    changed = {name: after[name] for name in after if after[name] != before[name]}
    words = ["--task", config.task]
    words += [word for name, value in choices.items() for word in (f"--{name}", str(value))]
    words += [word for name, value in changed.items() for word in as_words(name, value)]
    noted = choices | changed
    noted.pop("seed", None)
    return Cell(task, variant, seed, config, words, noted)


def _typed(base: TrainConfig, options: Mapping[str, Any]) -> TrainConfig:
    """The configuration with options that a file gave, checked, each of its field's type."""
    known = flat(base)
    content = to_content(base)
    for name, value in options.items():
        if name not in known or name in ("run", "task"):
            raise ConfigError(
                f"Unknown setting {name!r} with value {value!r}. Known: {', '.join(known)}. "
                "See: robot-gcrl train --help"
            )
        group, _, inner = name.rpartition(".")
        (content[group] if group else content)[inner] = value
    return from_content(content)


def as_words(name: str, value: Any) -> list[str]:
    """The words of a setting on the command line of `robot-gcrl train`."""
    spelled = option(name)
    if value is False:
        start, dot, last = spelled.rpartition(".") if "." in spelled else ("--", "", spelled[2:])
        return [f"{start}{dot}no-{last}"]
    return [spelled] if value is True else [spelled, str(value)]
