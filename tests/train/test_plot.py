"""Learning curves: which runs are one curve, and what its band is."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robot_gcrl.errors import CheckpointError, ConfigError
from robot_gcrl.train import plot
from robot_gcrl.train.run_files import write_config
from robot_gcrl.train.settings import make_train_config


def line(iteration: int, **values: float) -> dict[str, float]:
    return {"iteration": iteration, "control_steps": 100 * iteration, **values}


def make_run(path: Path, *lines: dict[str, float], seed: int = 0, depth: int = 4) -> Path:
    path.mkdir()
    settings: dict[str, Any] = {"agent.depth": depth}
    config = make_train_config("reacher", preset="smoke", seed=seed, **settings)
    write_config(path, dataclasses.replace(config, run=path), "0" * 64)
    text = "".join(json.dumps(content) + "\n" for content in lines)
    (path / "metrics.jsonl").write_text(text)
    return path


def test_the_band_of_two_seeds_is_their_mean_least_and_greatest() -> None:
    # Seen to fail: with runs averaged line by line instead of at equal control steps
    first = [line(1, x=0.0), line(2, y=7.0), line(3, x=2.0)]
    second = [line(2, x=2.0), line(4, x=4.0)]
    steps, mean, low, high = plot.band([first, second], "x")
    assert (steps[0], steps[-1]) == (200.0, 300.0)
    np.testing.assert_allclose([low[0], mean[0], high[0]], [1.0, 1.5, 2.0])
    np.testing.assert_allclose([low[-1], mean[-1], high[-1]], [2.0, 2.5, 3.0])


def test_the_curve_of_one_run_is_what_it_measured() -> None:
    steps, mean, low, high = plot.band([[line(1, x=0.5), line(2), line(3, x=0.7)]], "x")
    assert steps.tolist() == [100.0, 300.0]
    assert mean.tolist() == low.tolist() == high.tolist() == [0.5, 0.7]


def test_runs_that_differ_in_the_seed_alone_are_one_curve(tmp_path: Path) -> None:
    # Seen to fail: with `run` left in what tells settings apart
    measured = (line(1, success_any=0.1, critic_loss=3.0), line(2, success_any=0.2))
    runs = [
        make_run(tmp_path / "a", *measured, seed=0),
        make_run(tmp_path / "b", *measured, seed=1),
        make_run(tmp_path / "c", *measured, seed=0, depth=8),
    ]
    groups = plot._grouped(runs)
    assert [(group.label, len(group.runs)) for group in groups] == [
        ("reacher, agent.depth 4 (2 seeds)", 2),
        ("reacher, agent.depth 8", 1),
    ]
    figure = plot.draw(groups)
    assert [axes.get_title() for axes in figure.axes] == ["success", "losses"]


@pytest.mark.parametrize("name", ["curve.png", "curve.svg"])
def test_a_picture_is_written(name: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", line(1, entropy=1.0, temperature=0.1), line(2, entropy=0.5))
    path = plot.plot_runs([run], out=tmp_path / "new" / name)
    assert path.stat().st_size > 1000
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
