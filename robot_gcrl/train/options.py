"""The options of `robot-gcrl train`, parsed twice so that help shows the values that are used.

First the choices that decide the defaults (task, preset, engine), then every setting of a
TrainConfig beside the defaults that those choices resolve to. What the user wrote is then resolved
once more together with the choices, so that a setting that follows from another one does.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from robot_gcrl.agents.baselines.config import Algorithm
from robot_gcrl.errors import ConfigError
from robot_gcrl.train.collecting import refuse_collecting, refuse_unread
from robot_gcrl.train.config import Engine, Preset, TrainConfig, flat, resumed

# Whose settings `robot-gcrl train --help` shows where no task is given
_EXAMPLE_TASK = "arm_reach"
_PROGRAM = "robot-gcrl train"
# What people write; `from` cannot be a field's name
_FROM = re.compile(r"^--from(?=$|=)")
_DESCRIPTION = (
    "Trains a policy; shows progress and writes checkpoints. --task NAME or FILE.py:NAME begins a "
    "run, --resume RUN continues one with the settings of its folder. The defaults below are those "
    "of task {task}, preset {preset}; --preset default, paper, laptop or smoke, another --task "
    "and another --algorithm change them. --engine auto is native on a CPU, mjx on an accelerator."
)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What decides the defaults of everything else."""

    task: str | None = None
    """Name of the task, or FILE.py:NAME for one of your own."""
    maze: Path | None = None
    """Text grid of a maze that replaces the task's own."""
    preset: Preset | None = None
    """Preset; without it, laptop on a CPU and default on an accelerator."""
    engine: Literal["auto", "native", "mjx", "warp"] = "auto"
    """Physics engine; auto is native on a CPU and mjx on an accelerator."""
    algorithm: Algorithm | None = None
    """How is learned; without it, crl."""
    dataset: Path | None = None
    """File of recorded trajectories to learn from."""
    resume: Path | None = None
    """Run folder to continue."""


@dataclass(frozen=True, kw_only=True)
class _Shown(TrainConfig):
    """The settings as help shows them, beside what only begins a run.

    Parsed before, as a `Choice`: named here so that help has all options in one list.
    """

    engine: Annotated[Engine, tyro.conf.arg(metavar="{auto,native,mjx,warp}")]
    """Physics engine that steps the worlds; auto is native on a CPU and mjx on an accelerator."""
    resume: Path | None = None
    """Run folder to continue with the settings in it, without --task."""


def parse_train(words: Sequence[str]) -> tuple[TrainConfig, bool]:
    """The settings of a command line (without "train"), and whether a run is resumed.

    Raises:
      RobotGcrlError: no task, or settings that contradict each other or the resumed run.
      SystemExit: an option that cannot be parsed (code 2), or a request for help (0).
    """
    choice, rest = tyro.cli(
        Choice,
        prog=_PROGRAM,
        args=list(words),
        return_unknown_args=True,
        add_help=False,  # --help is for the second stage
    )
    if choice.resume is not None:
        return _resume(choice, choice.resume, rest), True
    if choice.task is None and not rest:
        raise _no_task()
    return _fresh(choice, rest), False


def _fresh(choice: Choice, rest: list[str]) -> TrainConfig:
    # Imports JAX, so only when settings are wanted
    from robot_gcrl.train.settings import make_train_config

    def resolve(**given: Any) -> TrainConfig:
        return make_train_config(
            choice.task or _EXAMPLE_TASK,
            maze=choice.maze,
            preset=choice.preset,
            engine=choice.engine,
            algorithm=choice.algorithm or "crl",
            **({} if choice.dataset is None else {"dataset": choice.dataset}),
            **given,
        )

    given = _given(resolve(), rest)
    if choice.task is None:
        raise _no_task()
    return resolve(**given)


def _resume(choice: Choice, folder: Path, rest: list[str]) -> TrainConfig:
    from robot_gcrl.train.run_files import stored_config

    stored = stored_config(folder)
    chosen = {
        "task": choice.task,
        "maze": choice.maze,
        "preset": choice.preset,
        "algorithm": choice.algorithm,
        "engine": None if choice.engine == "auto" else choice.engine,
        "dataset": None if choice.dataset is None else choice.dataset.resolve(),
    }
    written = {name: value for name, value in chosen.items() if value is not None}
    given = written | _given(stored, rest)
    if stored.dataset is not None:
        refuse_collecting(given)
    refuse_unread(stored.algorithm, given)
    return resumed(stored, given)


def _given(defaults: TrainConfig, rest: list[str]) -> dict[str, Any]:
    """The settings on the command line that differ from the defaults, by dotted name."""
    shown = {entry.name: getattr(defaults, entry.name) for entry in fields(defaults)}
    parsed = tyro.cli(
        _Shown,
        prog=_PROGRAM,
        description=_DESCRIPTION.format(task=defaults.task, preset=defaults.preset),
        args=[_FROM.sub("--start-from", word) for word in rest],
        default=_Shown(**shown),
    )
    before, after = flat(defaults), flat(parsed)
    return {name: after[name] for name in before if after[name] != before[name]}


def _no_task() -> ConfigError:
    return ConfigError(
        "No task was given. Expected --task NAME, --task FILE.py:NAME or --resume RUN. "
        "See: robot-gcrl tasks"
    )
