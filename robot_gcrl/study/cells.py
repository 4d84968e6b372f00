"""The cells of a study, tasks x variants x seeds: each the settings of one run.

Every cell is resolved to the settings that `robot-gcrl train` would use before the first one is
trained, so that a misspelt option is told at once and not after hours.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from robot_gcrl.errors import ConfigError, unknown_name
from robot_gcrl.study.study import Study
from robot_gcrl.task.registry import load_task
from robot_gcrl.train.collecting import refuse_collecting, refuse_idle, refuse_unread
from robot_gcrl.train.config import TrainConfig, flat, option, override
from robot_gcrl.train.config_json import from_content, to_content
from robot_gcrl.train.presets import as_algorithm
from robot_gcrl.train.settings import make_train_config

# What `train` resolves before any other option
_CHOICES = ("preset", "engine", "maze", "dataset", "algorithm")
_SEED = "{seed}"
_LONGEST_NAME = 160
# In a study over equal wall time the steps must not end a run: the budget so many times, with as
# many evaluations, so that they lie as densely as in a study over equal control steps
_MORE = 100


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
    if study.minutes is not None and ("steps" in options or "minutes" in options):
        raise ConfigError(
            f"The variant {variant!r} sets steps or minutes, and the study gives every run "
            f"{study.minutes} min. Expected one of the two budgets. Leave one out."
        )
    if "seed" in options:
        raise ConfigError(
            f"The variant {variant!r} sets seed = {options['seed']!r}. Expected seeds of the study "
            f"alone, of which every variant gets each: seeds = {list(study.seeds)}. Leave it out."
        )
    config = _typed(base, {"seed": seed, **options})
    loaded = load_task(config.task, maze=config.maze)
    refuse_idle(config, options, starts_anywhere=loaded.anywhere is not None)
    if study.minutes is not None:
        more = {"steps": _MORE * base.steps, "evaluations": _MORE * config.evaluations}
        config = override(config, {"minutes": study.minutes, **more})
    level = study.measured.get("randomize", "off")
    if level != "off":
        loaded.level(level)
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
            raise unknown_name("setting", name, known, see="robot-gcrl train --help", lists=False)
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
