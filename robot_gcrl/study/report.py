"""The results of a study as tables in Markdown and as curves.

A run that failed has the score 0, and its curve is 0 from where it ended.
"""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robot_gcrl.errors import ConfigError
from robot_gcrl.study.results import RATES, Line, is_offline
from robot_gcrl.study.stats import Estimate, improvement, interquartile_mean, iqm

_TITLES = {"success_any": "any", "success_final": "final", "time_at_goal": "time at goal"}
_GRID = 101
# A band at every place of a curve: fewer draws than for one number
_CURVE_DRAWS = 1000
# Colours that can be told apart; more variants take other dashes
_MANY = 10
_DASHES = ("-", "--", ":", "-.")


def report(
    lines: Sequence[Line],
    *,
    metric: str,
    each: bool = False,
    wall: bool = False,
    best: bool = False,
) -> list[str]:
    """Lines of Markdown: per task and variant, over all tasks, and with `each` every run.

    With `best` the variant that leads the table over all tasks is named below it. With `wall` also
    what the curves had when the quickest run of the task was over: a comparison of equal wall time,
    as far as nothing else ran beside.

    Raises:
      ConfigError: there is no result, or two of the same task, variant and seed.
    """
    _require_distinct(lines)
    tables = [_by_task(lines), _overall(lines, metric)]
    if best:
        tables += _best(lines, metric)
    if wall:
        tables.append(_at_equal_time(lines))
    if each:
        tables.append(_each(lines))
    return [line for table in tables for line in (*table, "")]


def best_first(lines: Sequence[Line], *, metric: str) -> list[Line]:
    """The results, those of the best variant first, by the table over all tasks."""
    totals = _totals(lines, metric)
    # Of variants that are alike the first stays first, with its runs together
    order = sorted(totals, key=lambda variant: -totals[variant])
    return sorted(lines, key=lambda line: order.index(line["variant"]))


def best_variants(lines: Sequence[Line], *, metric: str) -> list[str]:
    """The variant with the highest interquartile mean over all tasks, or several that share it.

    None of a single variant, of variants without a task in common, and where all runs scored 0.
    """
    totals = _totals(lines, metric)
    most = max(totals.values())
    if len(totals) == 1 or not _common(lines, metric) or most == 0.0:
        return []
    return [variant for variant, total in totals.items() if total == most]


def draw(lines: Sequence[Line], *, metric: str) -> Figure:
    """Curves of the interquartile mean with its 95% band: each task, and all of them together.

    Of more than ten variants the bands would hide each other; they are left out.
    """
    _require_distinct(lines)
    tasks, variants = _names(lines, "task"), _names(lines, "variant")
    by_time = all(line["minutes"] is not None for line in lines)
    panels = len(tasks) + (len(tasks) > 1)
    many = len(variants) > _MANY
    figure = Figure(figsize=(4.6 * panels + 1.6 * many, 3.8), layout="constrained")
    colors = matplotlib.colormaps["tab10"]
    for i in range(panels):
        axes = figure.add_subplot(1, panels, i + 1)
        shown = [tasks[i]] if i < len(tasks) else tasks
        unit = "training time [min]" if by_time else _counted(lines)
        _prepare(axes, shown[0] if i < len(tasks) else "all tasks", metric, banded=not many)
        axes.set_xlabel(unit if i < len(tasks) else f"{unit} / the most on the task", fontsize=8)
        for j, variant in enumerate(variants):
            some = [line for line in lines if line["variant"] == variant]
            if not set(shown) <= {line["task"] for line in some}:
                continue
            places, estimate = _curve(lines, some, shown, metric, by_time)
            if len(places):
                axes.plot(places, estimate.value, color=colors(j % _MANY), lw=1.3, label=variant,
                          ls=_DASHES[j // _MANY % len(_DASHES)])  # fmt: skip
                axes.fill_between(places, estimate.low, estimate.high, color=colors(j % _MANY),
                                  alpha=0.0 if many else 0.2, linewidth=0)  # fmt: skip
        if not many:
            axes.legend(fontsize=7)
    if many:
        handles, names = figure.axes[0].get_legend_handles_labels()
        # Its stubs lack what a constrained layout adds
        figure.legend(handles, names, loc="outside right", fontsize=7)  # pyright: ignore[reportArgumentType]
    return figure


def _prepare(axes: Axes, title: str, metric: str, *, banded: bool) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_ylabel(f"{_TITLES[metric]}, IQM{' with 95% band' * banded}", fontsize=8)
    axes.set_ylim(-0.02, 1.02)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)


def _curve(
    lines: Sequence[Line], some: Sequence[Line], tasks: Sequence[str], metric: str, by_time: bool
) -> tuple[np.ndarray, Estimate]:
    """Places [P] and the estimate there, of the runs `some` of the results `lines`."""
    column, scale = (1, 1.0 / 60.0) if by_time else (0, 1.0)
    scores, first, last = [], 0.0, 0.0
    for task in tasks:
        ends = [scale * max(_points(line)[:, column])
                for line in lines if line["task"] == task and line["curve"]]  # fmt: skip
        most = max(ends, default=1.0)
        runs = [line for line in some if line["task"] == task]
        places = np.linspace(0.0, most / scale, _GRID)
        scores.append(np.stack([_between(line, metric, places, column) for line in runs]))
        # Before its first evaluation nothing is known of a run
        begins = [scale * _points(line)[0, column] / most for line in runs if line["curve"]]
        first, last = max([first, *begins]), most
    shares = np.linspace(0.0, 1.0, _GRID)
    kept = shares >= first
    estimate = iqm([task[:, kept] for task in scores], draws=_CURVE_DRAWS)
    return shares[kept] * (last if len(tasks) == 1 else 1.0), estimate


def _by_task(lines: Sequence[Line]) -> list[str]:
    table = [
        f"| task | variant | seeds | {_counted(lines)} | wall [min] | any | final | time at goal |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for task in _names(lines, "task"):
        for variant in _names(lines, "variant"):
            runs = [x for x in lines if (x["task"], x["variant"]) == (task, variant)]
            if not runs:
                continue
            steps = [_steps(line) for line in runs]
            steps = dict.fromkeys(f"{count:,}" for count in (min(steps), max(steps)))
            wall = np.mean([line["wall_seconds"] for line in runs]) / 60.0
            failed = sum("failed" in line for line in runs)
            seeds = ", ".join(str(line["seed"]) for line in runs)
            seeds += f" ({failed} failed)" if failed else ""
            cells = " | ".join(_mean_and_all([score(x, name) for x in runs]) for name in _TITLES)
            table.append(
                f"| `{task}` | {variant} | {seeds} | {' to '.join(steps)} | {wall:.1f} | {cells} |"
            )
    return table


def _at_equal_time(lines: Sequence[Line]) -> list[str]:
    table = [
        "| task | variant | seeds | after [min] | any | final | time at goal |",
        "|---|---|---|---|---|---|---|",
    ]
    for task in _names(lines, "task"):
        runs = [line for line in lines if line["task"] == task]
        curves = [_points(line) for line in runs if line["curve"] and "failed" not in line]
        if not curves:
            continue
        # Of a run nothing is known before its first evaluation
        first = max(curve[0, 1] for curve in curves)
        after = max(first, min(curve[-1, 1] for curve in curves))
        for variant in _names(runs, "variant"):
            some = [line for line in runs if line["variant"] == variant]
            seeds = ", ".join(str(line["seed"]) for line in some)
            cells = " | ".join(
                _mean_and_all([float(_between(line, name, np.array(after), 1)) for line in some])
                for name in _TITLES
            )
            table.append(f"| `{task}` | {variant} | {seeds} | {after / 60:.1f} | {cells} |")
    return table


def _points(line: Line) -> np.ndarray:
    """Evaluations of a run [N, 5]: control or gradient steps, seconds, and rates."""
    return np.array(line["curve"]).reshape(-1, 5)


def _between(line: Line, metric: str, places: np.ndarray, column: int) -> np.ndarray:
    """A run's rate at places of a column of its curve; 0 beyond what a failed one has."""
    points = _points(line)
    if not len(points):
        return np.zeros(places.shape)
    rates = points[:, 2 + RATES.index(metric)]
    beyond = 0.0 if "failed" in line else None
    return np.asarray(np.interp(places, points[:, column], rates, left=beyond, right=beyond))


def _overall(lines: Sequence[Line], metric: str) -> list[str]:
    first, *others = _names(lines, "variant")
    every = _names(lines, "task")
    common = _common(lines, metric)
    where = "all tasks" if common == every else ", ".join(common) or "its own tasks each"
    table = [
        f"Over {where}, {_TITLES[metric]} (IQM: interquartile mean of all runs; P: probability "
        f"that a run scores higher than one of {first}; 95% bootstrap bands):",
        "",
        f"| variant | tasks | runs | IQM | P(better than {first}) |",
        "|---|---|---|---|---|",
    ]
    for variant in (first, *others):
        tasks = [task for task in every if _scores(lines, task, variant, metric).size]
        pooled = common or tasks
        scores = [_scores(lines, task, variant, metric) for task in pooled]
        shared = [task for task in tasks if _scores(lines, task, first, metric).size]
        beside = ""
        if variant != first and shared:
            mine = [_scores(lines, task, variant, metric) for task in shared]
            theirs = [_scores(lines, task, first, metric) for task in shared]
            beside = _percent(improvement(mine, theirs))
            beside += "" if shared == pooled else f" on {', '.join(shared)}"
        runs = sum(map(len, scores))
        table.append(f"| {variant} | {len(pooled)} | {runs} | {_percent(iqm(scores))} | {beside} |")
    return table


def _best(lines: Sequence[Line], metric: str) -> list[list[str]]:
    names = best_variants(lines, metric=metric)
    if not names:
        return []
    of = len(_names(lines, "variant"))
    value = _totals(lines, metric)[names[0]]
    shared = ", each" if len(names) > 1 else ""
    return [[f"Best of {of} by {_TITLES[metric]}: {' and '.join(names)} ({value:.1%}{shared})."]]


def _totals(lines: Sequence[Line], metric: str) -> dict[str, float]:
    """The interquartile mean of each variant, as the table over all tasks has it."""
    pooled = _common(lines, metric) or _names(lines, "task")
    return {
        variant: float(
            interquartile_mean(
                np.concatenate([_scores(lines, task, variant, metric) for task in pooled])
            )
        )
        for variant in _names(lines, "variant")
    }


def _common(lines: Sequence[Line], metric: str) -> list[str]:
    """The tasks that every variant was run on: a mean over other tasks compares the tasks."""
    variants = _names(lines, "variant")
    return [
        task
        for task in _names(lines, "task")
        if all(_scores(lines, task, variant, metric).size for variant in variants)
    ]


def _each(lines: Sequence[Line]) -> list[str]:
    table = [
        f"| task | variant | seed | wall [min] | {_counted(lines)} | any | final | time at goal | "
        "zero: any | random: any |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        start = f"| `{line['task']}` | {line['variant']} | {line['seed']} |"
        if "failed" in line:
            table.append(f"{start} {line['wall_seconds'] / 60:.1f} | failed: {line['failed']} |")
            continue
        beside = (f"{line[x]['success_any']['mean']:.1%}" if x in line else "" for x in _BESIDE)
        table.append(
            f"{start} {line['wall_seconds'] / 60:.1f} | {_steps(line):,} | {_rates(line)} "
            f"| {' | '.join(beside)} |"
        )
        table += [
            f"| | | | | {name} | {_rates(row)} | | |"
            for name, row in line.get("regions", {}).items()
        ]
    return table


_BESIDE = ("zero", "random")


def score(line: Line, metric: str) -> float:
    """What a run reached, in [0, 1]; 0 if it failed."""
    return 0.0 if "failed" in line else line[metric]["mean"]


def _counted(lines: Sequence[Line]) -> str:
    """What the steps of the runs are; they are alike."""
    return "gradient steps" if is_offline(lines[0]) else "control steps"


def _steps(line: Line) -> int:
    return line.get("gradient_steps" if is_offline(line) else "control_steps", 0)


def _scores(lines: Sequence[Line], task: str, variant: str, metric: str) -> np.ndarray:
    runs = [line for line in lines if (line["task"], line["variant"]) == (task, variant)]
    return np.array([score(line, metric) for line in runs])


def _names(lines: Sequence[Line], key: str) -> list[str]:
    return list(dict.fromkeys(line[key] for line in lines))


def _mean_and_all(values: Sequence[float]) -> str:
    return f"{np.mean(values):.1%} ({', '.join(f'{100 * v:.1f}' for v in values)})"


def _rates(row: Line) -> str:
    return " | ".join(_rate(row[name]) for name in _TITLES)


def _rate(value: dict[str, Any]) -> str:
    low, high = value["ci95"]
    return f"{value['mean']:.1%} ({low:.1%} to {high:.1%})"


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:.1%} ({estimate.low:.1%} to {estimate.high:.1%})"


def _require_distinct(lines: Sequence[Line]) -> None:
    keys = [(line["task"], line["variant"], line["seed"]) for line in lines]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice or not keys:
        got = f"several of {sorted(twice)[0]}" if twice else "none"
        raise ConfigError(
            f"The results hold {got}. Expected at least one run, and one of each task, variant "
            "and seed. Choose files of one study, or of studies whose variants have other names."
        )
    if len({is_offline(line) for line in lines}) > 1:
        raise ConfigError(
            "The results are of runs that collected and of runs on a dataset. Expected one of "
            "them: their steps cannot be compared. Report them one by one."
        )
    budgets = {line["minutes"] for line in lines}
    if len(budgets) > 1:
        raise ConfigError(
            f"The results have the budgets {sorted(map(str, budgets))} [min]. Expected one: equal "
            "control steps (None) or one wall time. Report them one by one."
        )
