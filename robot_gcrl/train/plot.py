"""Learning curves of one or several runs, as a picture.

Runs that differ in nothing but seed and folder are one curve: the mean over seeds with a band from
the least to the greatest. A panel appears for what was measured, and only for that.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from robot_gcrl.errors import ConfigError
from robot_gcrl.train.config import TrainConfig, flat
from robot_gcrl.train.metrics import read_metrics
from robot_gcrl.train.run_files import stored_config

Line = Mapping[str, Any]  # of metrics.jsonl
_SUFFIXES = (".png", ".svg")
# Where curves of several seeds are compared: enough points for any screen
_GRID = 400
_STYLES = ("-", "--", ":", "-.")


class Panel(NamedTuple):
    """One diagram.

    Attributes:
      title: with the unit.
      curves: key in metrics.jsonl -> name in the legend.
      limits: of the vertical axis, or None.
      logarithmic: whether that axis is.
    """

    title: str
    curves: Mapping[str, str]
    limits: tuple[float, float] | None = None
    logarithmic: bool = False


PANELS = (
    Panel("success", {"success_any": "any", "success_final": "final"}, (-0.02, 1.02)),
    Panel("time at goal", {"time_at_goal": ""}, (-0.02, 1.02)),
    Panel("distance at the end", {"distance": ""}),
    Panel("losses", {"critic_loss": "critic", "actor_loss": "actor"}),
    Panel("critic's accuracy", {"categorical_accuracy": ""}, (-0.02, 1.02)),
    Panel("entropy [nat]", {"entropy": ""}),
    Panel("temperature", {"temperature": ""}, logarithmic=True),
    Panel("control steps per second", {"control_steps_per_second": ""}),
    Panel("gradient steps per second", {"gradient_steps_per_second": ""}),
)


class Curves(NamedTuple):
    """The runs of one setting.

    Attributes:
      label: what the legend calls them.
      runs: the lines of metrics.jsonl of each.
    """

    label: str
    runs: Sequence[Sequence[Line]]


def plot_runs(runs: Sequence[Path], *, out: Path | None = None) -> Path:
    """Draws the curves of run folders into `out` (.png or .svg) and returns its path.

    Args:
      runs: at least one run folder.
      out: None is curve.png in the first of them.

    Raises:
      ConfigError: no run, a run that has measured nothing yet, or a file that cannot be written.
      CheckpointError: a folder is no run folder.
    """
    if not runs:
        raise ConfigError(
            "No run was given. Expected at least one run folder. Write: robot-gcrl plot RUN"
        )
    path = out or runs[0] / "curve.png"
    if path.suffix not in _SUFFIXES:
        raise ConfigError(
            f"Cannot draw {str(path)!r}. Expected a file name that ends in "
            f"{' or '.join(_SUFFIXES)}. Change --out."
        )
    figure = draw(_grouped(runs))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise ConfigError(
            f"Cannot write {str(path)!r}: {error.strerror or error}. Expected a folder that can "
            "be written to. Name another one with --out."
        ) from error
    return path


def draw(groups: Sequence[Curves]) -> Figure:
    """The figure: one panel for each quantity that a run has measured."""
    measured = {key for group in groups for run in group.runs for line in run for key in line}
    panels = [panel for panel in PANELS if measured & set(panel.curves)]
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.9 * rows), layout="constrained")
    for i, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, i + 1)
        _draw_panel(axes, panel, groups)
    if len(groups) > 1:
        handles = [figure.axes[0].plot([], [], color=f"C{i}")[0] for i in range(len(groups))]
        figure.legend(
            handles, [group.label for group in groups], loc="outside lower center", fontsize=8
        )
    return figure


def _draw_panel(axes: Axes, panel: Panel, groups: Sequence[Curves]) -> None:
    axes.set_title(panel.title, fontsize=10)
    axes.set_xlabel("control steps", fontsize=8)
    axes.tick_params(which="both", labelsize=8)
    axes.grid(alpha=0.3)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if panel.logarithmic:
        axes.set_yscale("log")
    if panel.limits is not None:
        axes.set_ylim(*panel.limits)
    for i, group in enumerate(groups):
        for style, (key, name) in zip(_STYLES, panel.curves.items(), strict=False):
            steps, mean, low, high = band(group.runs, key)
            if len(steps):
                axes.plot(steps, mean, style, color=f"C{i}", label=name if i == 0 else None)
            if len(group.runs) > 1:
                axes.fill_between(steps, low, high, color=f"C{i}", alpha=0.2, linewidth=0)
    if any(panel.curves.values()):
        axes.legend(fontsize=8)


def band(
    runs: Sequence[Sequence[Line]], key: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Control steps, and mean, least and greatest of `key` over the runs that measured it.

    Several runs are interpolated to common control steps, as far as all of them go.
    """
    curves = []
    for run in runs:
        points = [(line["control_steps"], line[key]) for line in run if key in line]
        if points:
            curves.append(np.array(points, float).T)
    if not curves:
        nothing = np.zeros(0)
        return nothing, nothing, nothing, nothing
    if len(curves) == 1:
        steps, values = curves[0]
        return steps, values, values, values
    first, last = max(c[0, 0] for c in curves), min(c[0, -1] for c in curves)
    steps = np.linspace(first, max(first, last), _GRID)
    values = np.stack([np.interp(steps, *curve) for curve in curves])
    return steps, values.mean(0), values.min(0), values.max(0)


def _grouped(runs: Sequence[Path]) -> list[Curves]:
    groups: dict[TrainConfig, list[int]] = {}
    mazes: dict[str, Path] = {}
    for i, run in enumerate(runs):
        config = stored_config(run)
        maze = config.maze
        if maze is not None:
            # Every run folder has its own copy of the grid
            maze = mazes.setdefault(maze.read_text(encoding="utf-8"), maze)
        setting = dataclasses.replace(config, seed=0, run=Path(), maze=maze)
        groups.setdefault(setting, []).append(i)
    lines = [_measured(run) for run in runs]
    return [
        Curves(
            label=f"{label} ({len(members)} seeds)" if len(members) > 1 else label,
            runs=[lines[i] for i in members],
        )
        for label, members in zip(_labels(list(groups)), groups.values(), strict=True)
    ]


def _measured(run: Path) -> Sequence[Line]:
    lines = read_metrics(run)
    if not lines:
        raise ConfigError(
            f"The run {run} has measured nothing yet. Expected lines in its metrics.jsonl. Wait "
            "until it has trained for some seconds, or leave it out."
        )
    return lines


def _labels(settings: Sequence[TrainConfig]) -> list[str]:
    """The task and what tells a setting from the others."""
    values = [flat(config) for config in settings]
    differing = [
        name
        for name in values[0]
        if name != "task" and len({str(value[name]) for value in values}) > 1
    ]
    return [
        ", ".join((value["task"], *(f"{name} {value[name]}" for name in differing)))
        for value in values
    ]
