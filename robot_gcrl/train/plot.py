"""Learning curves of one or several runs, as a picture.

Runs that differ in nothing but seed and folder are one curve with a band (`robot_gcrl.train.curves`
says which); the legend tells what line and band are. A panel appears for what was measured, and
only for that.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter

from robot_gcrl.errors import ConfigError
from robot_gcrl.train.curves import AXES, BANDS, Axis, Band, Curves, axis_of, band, group_runs

_SUFFIXES = (".png", ".svg")
_STYLES = ("-", "--", ":", "-.")
# A curve of so few points shows each of them: they are evaluations, and between them lies nothing
_FEW = 50
_GRAY = "0.35"
# Characters of the legend in an inch of the figure, so that runs of many differences fit
_PER_INCH = 14


class Panel(NamedTuple):
    """One diagram.

    Attributes:
      title: with the unit.
      curves: key in metrics.jsonl -> name in the legend.
      limits: of the vertical axis, or None.
      logarithmic: whether that axis is.
      rate: whether that axis starts at 0 and says 10k.
    """

    title: str
    curves: Mapping[str, str]
    limits: tuple[float, float] | None = None
    logarithmic: bool = False
    rate: bool = False


PANELS = (
    Panel("success", {"success_any": "any", "success_final": "final"}, (-0.02, 1.02)),
    Panel("time at goal", {"time_at_goal": ""}, (-0.02, 1.02)),
    Panel("distance at the end", {"distance": ""}),
    Panel("losses", {"critic_loss": "critic", "actor_loss": "actor"}),
    Panel("critic's accuracy", {"categorical_accuracy": ""}, (-0.02, 1.02)),
    Panel("entropy [nat]", {"entropy": ""}),
    Panel("temperature", {"temperature": ""}, logarithmic=True),
    Panel("control steps per second", {"control_steps_per_second": ""}, rate=True),
    Panel("gradient steps per second", {"gradient_steps_per_second": ""}, rate=True),
)


def plot_runs(
    runs: Sequence[Path], *, out: Path | None = None, x: Axis = "steps", spread: Band = "range"
) -> Path:
    """Draws the curves of run folders into `out` (.png or .svg) and returns its path.

    Args:
      runs: at least one run folder.
      out: None is curve.png in the first of them.
      x: what curves are drawn against: control steps (gradient steps of runs that learned from a
        dataset), wall-clock minutes or gradient steps.
      spread: line and band of runs that differ in the seed alone.

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
    keys = {key for panel in PANELS for key in panel.curves}
    figure = draw(group_runs(runs, keys), x=axis_of(runs, x), spread=spread)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise ConfigError(
            f"Cannot write {str(path)!r}: {error.strerror or error}. Expected a folder that can "
            "be written to. Name another one with --out."
        ) from error
    return path


def draw(groups: Sequence[Curves], *, x: Axis = "steps", spread: Band = "range") -> Figure:
    """The figure: one panel for each quantity that a run has measured, and a legend."""
    measured = {key for group in groups for run in group.runs for line in run for key in line}
    panels = [panel for panel in PANELS if measured & set(panel.curves)]
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.9 * rows), layout="constrained")
    colors = _colors(len(groups))
    for i, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, i + 1)
        _prepare(axes, panel, x)
        for group, color in zip(groups, colors, strict=True):
            _draw_group(axes, panel, group, x=x, spread=spread, color=color)
        if panel.rate:
            # After the curves: a limit that is set stops the other from growing with them
            axes.set_ylim(bottom=0.0)
        if len(panel.curves) > 1:
            styles = zip(panel.curves.values(), _STYLES, strict=False)
            handles = [Line2D([], [], color=_GRAY, ls=style, label=name) for name, style in styles]
            axes.legend(handles=handles, fontsize=8)
    figure.legend(
        handles=list(_legend(groups, colors, spread)), loc="outside lower center", fontsize=8
    )
    for text in figure.legends[0].get_texts():
        text.set_text(textwrap.fill(text.get_text(), int(_PER_INCH * figure.get_figwidth())))
    return figure


def _prepare(axes: Axes, panel: Panel, x: Axis) -> None:
    axes.set_title(panel.title, fontsize=10)
    axes.set_xlabel(AXES[x].title, fontsize=8)
    axes.tick_params(which="both", labelsize=8)
    axes.grid(alpha=0.3)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if panel.logarithmic:
        axes.set_yscale("log")
    if panel.limits is not None:
        axes.set_ylim(*panel.limits)
    if panel.rate:
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))


def _draw_group(
    axes: Axes, panel: Panel, group: Curves, *, x: Axis, spread: Band, color: Any
) -> None:
    for style, key in zip(_STYLES, panel.curves, strict=False):
        places, middle, low, high = band(group.runs, key, x=x, spread=spread)
        if not len(places):
            continue
        marker = "o" if len(places) <= _FEW else ""
        axes.plot(places, middle, style, color=color, marker=marker, ms=2.5, lw=1.3)
        if len(group.runs) > 1:
            axes.fill_between(places, low, high, color=color, alpha=0.2, linewidth=0)


def _legend(groups: Sequence[Curves], colors: Sequence[Any], spread: Band) -> Iterator[Any]:
    for group, color in zip(groups, colors, strict=True):
        yield Line2D([], [], color=color, label=group.label)
    if any(len(group.runs) > 1 for group in groups):
        says = BANDS[spread]
        yield Line2D([], [], color=_GRAY, label=f"line: {says.line} of the runs")
        yield Patch(color=_GRAY, alpha=0.2, linewidth=0, label=f"band: {says.band}")


def _colors(count: int) -> list[Any]:
    """Colours that can be told apart; beyond ten, neighbours in the legend are alike."""
    ten = matplotlib.colormaps["tab10"]
    many = matplotlib.colormaps["turbo"]
    return [ten(i) if count <= 10 else many(0.05 + 0.9 * i / (count - 1)) for i in range(count)]
