"""`robot-gcrl runs`: the runs of a folder, one row each, and how several of them compare.

A row is read from config.json and metrics.jsonl alone, so that a run that is under way, or whose
checkpoints are elsewhere, has one too. "Best" is the evaluation by which a run keeps its best
checkpoint: the greatest mean of the three rates.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from robot_gcrl.errors import CheckpointError, ConfigError, RobotGcrlError
from robot_gcrl.train.config import TrainConfig, contents, flat, option
from robot_gcrl.train.curves import AXES, Axis, Line, values_of
from robot_gcrl.train.lock import is_locked
from robot_gcrl.train.metrics import read_metrics
from robot_gcrl.train.run_files import CONFIG_FILE, DISTILLATION_FILE, stored_config

State = Literal["running", "done", "stopped", "distilled", "unreadable"]

RATES = ("success_any", "success_final", "time_at_goal")
# Settings that tell runs apart without saying anything of what is learned
_PRIVATE = {"run", "overlap", "physics_threads", "checkpoint_interval", "track"}
# A success of so much counts as having learned the task
LEARNED = 0.8
# Folders between a folder and its runs, at most: sweeps/NAME/RUN
_DEEPEST = 3
# The share of a budget of minutes that is not known to be over
_NEARLY = 0.99


def list_runs(folder: Path) -> list[dict[str, Any]]:
    """A row for each run in a folder and in its folders, as those of sweeps are, by name.

    Keys: run, name (its way from the folder), state, task, preset, agent, seed, control_steps (None
    of an offline run), gradient_steps, share (of its budget; 1 of what was distilled), minutes, and
    the rates of the best evaluation; None stands for what was not measured. A run that cannot be
    read has the reason in "problem" and nothing else but run, name and state.

    Raises:
      CheckpointError: no such folder.
    """
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder} is no folder. Expected one that holds run folders. Check the path."
        )
    runs = sorted(_run_folders(folder))
    return [run_row(run, _way(folder, run)) for run in runs]


def _run_folders(folder: Path, deepest: int = _DEEPEST) -> Iterator[Path]:
    """The folder if it is a run, within which nothing is one, else those within it.

    Hidden folders and those that cannot be listed have none; a link leads to a run and no further,
    for it may lead back.
    """
    if os.path.exists(folder / CONFIG_FILE):  # Path raises where access is refused
        yield folder
    elif deepest:
        try:
            inner = [each for each in os.scandir(folder) if each.name[0] != "." and each.is_dir()]
        except OSError:
            return
        for each in inner:
            yield from _run_folders(Path(each.path), 0 if each.is_symlink() else deepest - 1)


def run_row(run: Path, name: str | None = None) -> dict[str, Any]:
    """The row of one run, which is called `name`, without it as its folder; see `list_runs`."""
    known = {"run": str(run), "name": name or run.name}
    try:
        config, lines = stored_config(run), read_metrics(run)
    except RobotGcrlError as error:
        return known | {"state": "unreadable", "problem": str(error)}
    except OSError as error:
        problem = f"{error.filename or run} cannot be read: {error.strerror}"
        return known | {"state": "unreadable", "problem": problem}
    last = lines[-1] if lines else {}
    best = _best(lines)
    # Its config.json has the budget of its teacher
    is_distilled = (run / DISTILLATION_FILE).exists()
    share = 1.0 if is_distilled else _share(config, last)
    return {
        **known,
        "state": _state(run, share),
        "task": config.task,
        "preset": config.preset,
        "agent": _agent(config),
        "seed": config.seed,
        "control_steps": None if config.dataset else last.get("control_steps", 0),
        "gradient_steps": last.get("gradient_steps", 0),
        "share": share,
        "minutes": last["seconds"] / 60.0 if "seconds" in last else None,
    } | {name: None if best is None else best[name] for name in RATES}


def compare_runs(runs: Sequence[Path]) -> dict[str, Any]:
    """Rows, settings that differ, and success where the runs have had as much of the same.

    Keys: runs (rows of `list_runs`); settings {name: [value of each run]}, those that differ; equal
    {axis: {"at": x, rate: [of each run]}}, at the greatest number of control steps, minutes and
    gradient steps that each of them was evaluated at or beyond, interpolated; learned {axis: [x of
    each run]}, where success at any step was first LEARNED or more, None where it never was.

    Raises:
      ConfigError: fewer than two runs, or one that was not evaluated yet.
      CheckpointError: a folder is no run folder.
    """
    if len(runs) < 2:
        raise ConfigError(
            f"Cannot compare {len(runs)} run. Expected two or more run folders. Name another one."
        )
    stored = [stored_config(run) for run in runs]
    configs, told_apart = [flat(c) for c in stored], [contents(c) for c in stored]
    measured = [_evaluations(run) for run in runs]
    # An offline run has no control steps of its own
    axes: list[Axis] = [
        axis for axis, (key, *_) in AXES.items() if all(key in lines[-1] for lines in measured)
    ]
    return {
        "runs": [run_row(run, name) for run, name in zip(runs, _told_apart(runs), strict=True)],
        "settings": {
            name: [_plain(config[name]) for config in configs]
            for name in configs[0]
            if name not in _PRIVATE and len({str(found[name]) for found in told_apart}) > 1
        },
        "equal": {axis: _equal(measured, axis) for axis in axes},
        "learned": {axis: [_learned(lines, axis) for lines in measured] for axis in axes},
    }


def format_runs(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of `list_runs` as a table."""
    if not rows:
        return "No run here: robot-gcrl train --task TASK begins one."
    head = ("run", "state", "task", "agent", "seed", "control steps", "updates", "min", *_HEADS)
    body = [_cells(row) for row in rows if "problem" not in row]
    problems = [f"{row['run']}: {row['problem']}" for row in rows if "problem" in row]
    return "\n".join([*(_table([head, *body]) if body else ()), *problems])


def format_comparison(result: Mapping[str, Any]) -> str:
    """The result of `compare_runs` as tables: one column a run."""
    names = [row["name"] for row in result["runs"]]
    rows = [("", *names)]
    rows += [(option(name), *map(_text, values)) for name, values in result["settings"].items()]
    rows += [("", *[""] * len(names))]
    for head, rate in zip(_HEADS, RATES, strict=True):
        rows.append((f"best {head}", *(_percent(row[rate]) for row in result["runs"])))
    for axis, found in result["equal"].items():
        where = f"at {_number(found['at'], axis)} {_UNITS[axis]}"
        for head, rate in zip(_HEADS, RATES, strict=True):
            rows.append((f"{head} {where}", *map(_percent, found[rate])))
    for axis, found in result["learned"].items():
        first = f"{_UNITS[axis]} to {LEARNED:.0%} any"
        rows.append((first, *("never" if x is None else _number(x, axis) for x in found)))
    return "\n".join(_table(rows))


_HEADS = ("any", "final", "time at goal")
_UNITS = {"steps": "control steps", "minutes": "min", "updates": "gradient steps"}


def _share(config: TrainConfig, last: Line) -> float:
    """Of its budget that a run has spent, steps or minutes; an offline run's is of gradient steps.

    A resumed run counts its minutes anew, while its lines count all: that an evaluation came last
    says that they are over, for a signal leaves none.
    """
    counted = "gradient_steps" if config.dataset else "control_steps"
    share = min(last.get(counted, 0) / config.steps, 1.0)
    if config.minutes is None or share == 1.0:
        return share
    spent = last.get("seconds", 0.0) / (60.0 * config.minutes)
    return 1.0 if spent >= 1.0 and RATES[0] in last else min(max(share, spent), _NEARLY)


def _state(run: Path, share: float) -> State:
    if is_locked(run):
        return "running"
    if (run / DISTILLATION_FILE).exists():
        return "distilled"
    return "done" if share >= 1.0 else "stopped"


def _agent(config: TrainConfig) -> str:
    """Depth x width of the encoders, and of an actor that differs from them; algorithm first."""
    agent = config.agent
    encoders = f"{agent.depth}x{agent.width}"
    actor = f"{agent.actor_depth}x{agent.actor_width or agent.width}"
    sizes = encoders if actor == encoders else f"{encoders}, actor {actor}"
    return sizes if config.algorithm == "crl" else f"{config.algorithm} {sizes}"


def _best(lines: Sequence[Line]) -> Line | None:
    evaluated = [line for line in lines if "success_any" in line]
    return max(evaluated, key=lambda line: sum(line[name] for name in RATES), default=None)


def _evaluations(run: Path) -> list[Line]:
    lines: list[Line] = [line for line in read_metrics(run) if "success_any" in line]
    if not lines:
        raise ConfigError(
            f"The run {run} was not evaluated yet. Expected a run with an evaluation in its "
            "metrics.jsonl. Wait for its first one, or leave it out."
        )
    return lines


def _equal(measured: Sequence[Sequence[Line]], axis: Axis) -> dict[str, Any]:
    curves = {rate: [values_of(lines, rate, axis) for lines in measured] for rate in RATES}
    at = min(float(curve[0, -1]) for curve in curves[RATES[0]])
    # Before its first evaluation a run is what it was then: nothing is known of before
    found = {rate: [float(np.interp(at, *curve)) for curve in curves[rate]] for rate in RATES}
    return cast("dict[str, Any]", {"at": at}) | found


def _learned(lines: Sequence[Line], axis: Axis) -> float | None:
    places, values = values_of(lines, "success_any", axis)
    reached = np.flatnonzero(values >= LEARNED)
    return float(places[reached[0]]) if reached.size else None


def _way(folder: Path, run: Path) -> str:
    return run.name if run == folder else run.relative_to(folder).as_posix()


def _told_apart(runs: Sequence[Path]) -> list[str]:
    """Names of runs; where two have the same, as in two sweeps, from where their paths part."""
    names = [run.name for run in runs]
    if len(set(names)) == len(names):
        return names
    whole = [run.absolute() for run in runs]
    common = os.path.commonpath([run.parent for run in whole])
    return [run.relative_to(common).as_posix() for run in whole]


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    minutes, collected, share = row["minutes"], row["control_steps"], row["share"]
    return (
        row["name"],
        row["state"],
        row["task"],
        row["agent"],
        str(row["seed"]),
        "offline" if collected is None else f"{collected:,}",
        f"{row['gradient_steps']:,}" + ("" if share >= 1.0 else f" ({math.floor(100 * share)}%)"),
        "-" if minutes is None else f"{minutes:.1f}",
        *(_percent(row[name]) for name in RATES),
    )


def _number(value: float, axis: str) -> str:
    return f"{value:.1f}" if axis == "minutes" else f"{value:,.0f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _text(value: object) -> str:
    return "none" if value is None else str(value)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
