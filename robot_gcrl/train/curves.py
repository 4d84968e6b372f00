"""What a learning curve is: which runs it stands for, what it is drawn against, and its band.

Runs of the same settings but for seed and folder are one group. Its runs are interpolated to common
places, as far as all of them go.
"""

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from robot_gcrl.errors import ConfigError
from robot_gcrl.train.config import RESUMABLE, TrainConfig, flat
from robot_gcrl.train.metrics import mean_of, read_metrics
from robot_gcrl.train.run_files import stored_config

Line = Mapping[str, Any]  # of metrics.jsonl
Axis = Literal["steps", "minutes", "updates"]
Band = Literal["range", "quartiles"]

# Where curves of several runs are compared: enough points for any screen
_GRID = 400


class Abscissa(NamedTuple):
    """What curves are drawn against: a key of metrics.jsonl, its scale, and what the axis says."""

    key: str
    scale: float
    title: str


class Statistic(NamedTuple):
    """What is drawn of several runs: the words for line and band, and the three quantiles.

    Attributes:
      line: what the line is.
      band: what the band is.
      quantiles: of the band's edges.
    """

    line: str
    band: str
    quantiles: tuple[float, float]


AXES: Mapping[Axis, Abscissa] = {
    "steps": Abscissa("control_steps", 1.0, "control steps"),
    "minutes": Abscissa("seconds", 1.0 / 60.0, "training time [min]"),
    "updates": Abscissa("gradient_steps", 1.0, "gradient steps"),
}
BANDS: Mapping[Band, Statistic] = {
    "range": Statistic("mean", "least to greatest", (0.0, 1.0)),
    "quartiles": Statistic("median", "first to third quartile", (0.25, 0.75)),
}


class Curves(NamedTuple):
    """The runs of one setting.

    Attributes:
      label: what the legend calls them.
      runs: the lines of metrics.jsonl of each.
    """

    label: str
    runs: Sequence[Sequence[Line]]


def band(
    runs: Sequence[Sequence[Line]], key: str, *, x: Axis = "steps", spread: Band = "range"
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Places on the horizontal axis, and there the line and the band's edges of `key`, all [P].

    Of one run they are what it measured; of several, what lies between. P is 0 where no run has
    measured `key`, or where there is no place that all those that did have passed.
    """
    curves = [curve for run in runs if (curve := values_of(run, key, x)).size]
    if len(curves) == 1:
        places, values = curves[0]
        return places, values, values, values
    first = max((curve[0, 0] for curve in curves), default=np.inf)
    last = min((curve[0, -1] for curve in curves), default=-np.inf)
    if first > last:
        nothing = np.zeros(0)
        return nothing, nothing, nothing, nothing
    places = np.unique(np.linspace(first, last, _GRID))
    values = np.stack([np.interp(places, *curve) for curve in curves])
    middle = values.mean(0) if spread == "range" else np.median(values, axis=0)
    low, high = np.quantile(values, BANDS[spread].quantiles, axis=0)
    return places, middle, low, high


def axis_of(runs: Sequence[Path], x: Axis) -> Axis:
    """The axis asked for; gradient steps where runs that collected nothing have no control steps.

    Raises:
      ConfigError: some of the runs collected and some did not, so that they share no such axis.
      CheckpointError: a folder is no run folder.
    """
    if x != "steps":
        return x
    offline = [run for run in runs if stored_config(run).dataset is not None]
    if offline and len(offline) < len(runs):
        raise ConfigError(
            f"The run {offline[0]} learned from a dataset and has no control steps, others have. "
            "Expected an axis that all of them have. Choose --x updates or --x minutes."
        )
    return "updates" if offline else "steps"


def group_runs(runs: Sequence[Path], keys: Collection[str]) -> list[Curves]:
    """The runs as curves, in the order in which their settings first appear.

    Args:
      runs: run folders.
      keys: of metrics.jsonl; each run must have measured at least one of them.

    Raises:
      ConfigError: a run that has measured none of them yet.
      CheckpointError: a folder is no run folder.
    """
    configs = [stored_config(run) for run in runs]
    # Of how long it was let run, how often it looked and on what, nothing makes another setting
    alike = {name: getattr(configs[0], name) for name in RESUMABLE - {"steps"}} if configs else {}
    groups: dict[TrainConfig, list[int]] = {}
    mazes: dict[str, Path] = {}
    for i, config in enumerate(configs):
        maze = config.maze
        if maze is not None:
            # Every run folder has its own copy of the grid
            maze = mazes.setdefault(maze.read_text(encoding="utf-8"), maze)
        setting = dataclasses.replace(
            config, seed=0, run=Path(), maze=maze, start_from=_start_of(config), **alike
        )
        groups.setdefault(setting, []).append(i)
    lines = [_measured(run, keys) for run in runs]
    return [
        Curves(
            label=label + _count([configs[i].seed for i in members]),
            runs=[lines[i] for i in members],
        )
        for label, members in zip(_labels(list(groups)), groups.values(), strict=True)
    ]


def _start_of(config: TrainConfig) -> Path | None:
    """Where a run starts from, its seed left open: runs/ant-{seed} of runs/ant-2."""
    if config.start_from is None:
        return None
    return Path(re.sub(rf"(?<!\d){config.seed}(?!\d)", "{seed}", str(config.start_from)))


def values_of(run: Sequence[Line], key: str, x: Axis) -> np.ndarray:
    """Places and values [2, P] of what a run has measured of `key`."""
    axis = AXES[x]
    lines = [line for line in run if key in line and axis.key in line]
    points = [(axis.scale * line[axis.key], mean_of(line[key])) for line in lines]
    return np.array(points, float).reshape(-1, 2).T


def _measured(run: Path, keys: Collection[str]) -> Sequence[Line]:
    lines = read_metrics(run)
    if not any(key in line for line in lines for key in keys):
        raise ConfigError(
            f"The run {run} has measured nothing yet. Expected lines in its metrics.jsonl. Wait "
            "until it has trained for some seconds, or leave it out."
        )
    return lines


def _count(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return ""
    return f" ({len(seeds)} {'seeds' if len(set(seeds)) == len(seeds) else 'runs'})"


def _labels(settings: Sequence[TrainConfig]) -> list[str]:
    """The task, and what tells a setting from the others of the same task."""
    by_task: dict[str, list[dict[str, Any]]] = {}
    for config in settings:
        by_task.setdefault(config.task, []).append(flat(config))
    return [_label(flat(config), by_task[config.task]) for config in settings]


def _label(value: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> str:
    parts = [value["task"]]
    for name in value:
        if len({str(other[name]) for other in others}) > 1:
            words = name.removeprefix("agent.").replace("_", " ")
            parts.append(f"{words} {_said(value[name], [other[name] for other in others])}")
    return ", ".join(parts)


def _said(value: object, others: Sequence[object]) -> str:
    """A value in few digits, where these tell it from the others."""

    def short(number: object) -> str:
        return f"{number:.4g}" if isinstance(number, float) else f"{number}"

    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return short(value) if len(set(map(short, others))) == len(set(others)) else str(value)
