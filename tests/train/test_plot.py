"""Learning curves: which runs are one curve, and what its band is."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from robot_gcrl.errors import CheckpointError, ConfigError
from robot_gcrl.train import curves, plot
from robot_gcrl.train.run_files import write_config
from robot_gcrl.train.settings import make_train_config


def line(iteration: int, **values: float) -> dict[str, float]:
    return {"iteration": iteration, "control_steps": 100 * iteration, **values}


def make_run(
    path: Path,
    *lines: dict[str, float],
    task: str = "reacher",
    seed: int = 0,
    depth: int = 4,
    learning_rate: float = 1e-3,
    **changes: Any,
) -> Path:
    path.mkdir()
    settings: dict[str, Any] = {"agent.depth": depth, "agent.learning_rate": learning_rate}
    config = make_train_config(task, preset="smoke", seed=seed, **settings)
    write_config(path, dataclasses.replace(config, run=path, **changes), "0" * 64)
    text = "".join(json.dumps(content) + "\n" for content in lines)
    (path / "metrics.jsonl").write_text(text)
    return path


def test_the_band_of_two_seeds_is_their_mean_least_and_greatest() -> None:
    # Seen to fail: with runs averaged line by line instead of at equal control steps
    first = [line(1, x=0.0), line(2, y=7.0), line(3, x=2.0)]
    second = [line(2, x=2.0), line(4, x=4.0)]
    steps, mean, low, high = curves.band([first, second], "x")
    assert (steps[0], steps[-1]) == (200.0, 300.0)
    np.testing.assert_allclose([low[0], mean[0], high[0]], [1.0, 1.5, 2.0])
    np.testing.assert_allclose([low[-1], mean[-1], high[-1]], [2.0, 2.5, 3.0])


def test_the_curve_of_one_run_is_what_it_measured() -> None:
    steps, mean, low, high = curves.band([[line(1, x=0.5), line(2), line(3, x=0.7)]], "x")
    assert steps.tolist() == [100.0, 300.0]
    assert mean.tolist() == low.tolist() == high.tolist() == [0.5, 0.7]


def test_the_band_of_quartiles_leaves_the_extremes_out() -> None:
    # Seen to fail: with the mean as the line, and with 0.0 and 1.0 as quantiles
    runs = [[line(1, x=value), line(2, x=value)] for value in (0.0, 1.0, 2.0, 3.0, 100.0)]
    _, middle, low, high = curves.band(runs, "x", spread="quartiles")
    assert (middle[0], low[0], high[0]) == (2.0, 1.0, 3.0)


@pytest.mark.parametrize(
    ("x", "places"), [("steps", [100.0, 200.0]), ("minutes", [1.0, 2.5]), ("updates", [0.0, 40.0])]
)
def test_curves_are_drawn_against_what_was_asked_for(x: curves.Axis, places: list[float]) -> None:
    # Seen to fail: with seconds instead of minutes
    run = [
        line(1, seconds=60.0, gradient_steps=0.0, entropy=3.0),
        line(2, seconds=150.0, gradient_steps=40.0, entropy=2.0),
    ]
    assert curves.band([run], "entropy", x=x)[0].tolist() == places
    figure = plot.draw([curves.Curves("a", [run])], x=x)
    (axes,) = figure.axes
    assert np.asarray(axes.lines[0].get_xdata()).tolist() == places
    titles = {"steps": "control steps", "minutes": "training time [min]"}
    assert axes.get_xlabel() == titles.get(x, "gradient steps")


def test_where_seeds_have_no_place_in_common_there_is_no_curve() -> None:
    # Seen to fail: with np.interp beyond the ends of a run, which repeats its last value
    places, *_ = curves.band([[line(1, x=1.0)], [line(2, x=2.0)]], "x")
    assert places.size == 0


def test_a_rate_with_its_interval_is_drawn_by_its_mean() -> None:
    measured: Any = {"mean": 0.5, "ci95": [0.4, 0.6], "n": 10}
    assert curves.band([[line(1, x=measured)]], "x")[1].tolist() == [0.5]


def legend_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_legend_of_many_differences_stays_within_the_figure() -> None:
    # Seen to fail: with the label in one line.
    label = ", ".join(f"setting number {i} 0.125" for i in range(20))
    figure = plot.draw(
        [curves.Curves(label, [[line(1, critic_loss=1.0), line(2, critic_loss=0.5)]])]
    )
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert legend_of(figure)[0].replace("\n", " ") == label


def test_the_legend_says_what_line_and_band_are() -> None:
    # Seen to fail: with the two entries left out
    run = [line(1, entropy=1.0), line(2, entropy=2.0)]
    groups = [curves.Curves("a (2 seeds)", [run, run]), curves.Curves("b", [run])]
    names = ["a (2 seeds)", "b"]
    assert legend_of(plot.draw(groups)) == [
        *names,
        "line: mean of the runs",
        "band: least to greatest",
    ]
    assert legend_of(plot.draw(groups, spread="quartiles")) == [
        *names,
        "line: median of the runs",
        "band: first to third quartile",
    ]
    assert legend_of(plot.draw(groups[1:])) == ["b"]


def test_groups_have_colours_of_their_own() -> None:
    # Seen to fail: with ten colours that come round again
    run = [line(1, entropy=1.0), line(2, entropy=2.0)]
    figure = plot.draw([curves.Curves(str(i), [run]) for i in range(12)])
    assert len({str(drawn.get_color()) for drawn in figure.axes[0].lines}) == 12


def test_the_axis_of_a_rate_holds_every_group() -> None:
    # Seen to fail: with the axis set to begin at 0 before the second group was drawn
    slow, fast = ([line(i, control_steps_per_second=rate) for i in (1, 2)] for rate in (9.0, 99.0))
    figure = plot.draw([curves.Curves("slow", [slow]), curves.Curves("fast", [fast])])
    low, high = figure.axes[0].get_ylim()
    assert low == 0.0
    assert high > 99.0


def test_labels_say_what_differs_within_a_task(tmp_path: Path) -> None:
    # Seen to fail: with all settings of two tasks, most of which follow from the task
    measured = line(1, entropy=1.0)
    runs = [
        make_run(tmp_path / "a", measured, learning_rate=1 / 3000),
        make_run(tmp_path / "b", measured, learning_rate=1e-3),
        make_run(tmp_path / "c", measured, learning_rate=1e-3),
        make_run(tmp_path / "d", measured, task="arm_reach"),
    ]
    labels = [group.label for group in curves.group_runs(runs, {"entropy"})]
    assert labels == [
        "reacher, learning rate 0.0003333",
        "reacher, learning rate 0.001 (2 runs)",
        "arm_reach",
    ]


def test_runs_that_differ_in_the_seed_alone_are_one_curve(tmp_path: Path) -> None:
    # Seen to fail: with `run` left in what tells settings apart
    measured = (line(1, success_any=0.1, critic_loss=3.0), line(2, success_any=0.2))
    runs = [
        make_run(tmp_path / "a", *measured, seed=0),
        make_run(tmp_path / "b", *measured, seed=1),
        make_run(tmp_path / "c", *measured, seed=0, depth=8),
    ]
    groups = curves.group_runs(runs, {"critic_loss"})
    assert [(group.label, len(group.runs)) for group in groups] == [
        ("reacher, depth 4 (2 seeds)", 2),
        ("reacher, depth 8", 1),
    ]
    figure = plot.draw(groups)
    assert [axes.get_title() for axes in figure.axes] == ["success", "losses"]


def test_seeds_of_one_setting_start_from_their_own_and_may_be_resumed(tmp_path: Path) -> None:
    # Seen to fail: each was a setting of its own
    runs = [
        make_run(tmp_path / "a", line(1, entropy=1.0), seed=1, start_from=Path("runs/ant-1")),
        make_run(
            tmp_path / "b", line(1, entropy=1.0), seed=2, start_from=Path("runs/ant-2"),
            minutes=3.0, evaluations=7,
        ),
        make_run(tmp_path / "c", line(1, entropy=1.0), seed=1, start_from=Path("runs/hop-1")),
    ]  # fmt: skip
    assert [len(group.runs) for group in curves.group_runs(runs, {"entropy"})] == [2, 1]


@pytest.mark.parametrize("name", ["curve.png", "curve.svg"])
def test_a_picture_is_written(name: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", line(1, entropy=1.0, temperature=0.1), line(2, entropy=0.5))
    path = plot.plot_runs([run], out=tmp_path / "new" / name)
    assert path.stat().st_size > 1000
    assert path.read_bytes()[:5] == (b"<?xml" if name.endswith("svg") else b"\x89PNG\r")
    assert plot.plot_runs([run]) == run / "curve.png"


def test_what_cannot_be_drawn_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        plot.plot_runs([])
    assert str(raised.value) == (
        "No run was given. Expected at least one run folder. Write: robot-gcrl plot RUN"
    )
    empty = make_run(tmp_path / "empty")
    with pytest.raises(ConfigError) as raised:
        plot.plot_runs([empty])
    assert str(raised.value) == (
        f"The run {empty} has measured nothing yet. Expected lines in its metrics.jsonl. Wait "
        "until it has trained for some seconds, or leave it out."
    )
    # Seen to fail: with no panel to draw the figure divided by zero
    idle = make_run(tmp_path / "idle", line(1))
    with pytest.raises(ConfigError, match="has measured nothing yet"):
        plot.plot_runs([idle])
    with pytest.raises(ConfigError) as raised:
        plot.plot_runs([empty], out=Path("a.pdf"))
    assert str(raised.value) == (
        "Cannot draw 'a.pdf'. Expected a file name that ends in .png or .svg. Change --out."
    )
    with pytest.raises(CheckpointError):
        plot.plot_runs([tmp_path / "nowhere"])


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", line(1, entropy=1.0))
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "curve.png"
    with pytest.raises(ConfigError, match=r"Expected a folder that can be written to\. Name"):
        plot.plot_runs([run], out=out)
