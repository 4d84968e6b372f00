"""Trackers get the lines of metrics.jsonl, and whatever they do, the run goes on."""

import contextlib
import importlib.util
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from robot_gcrl.errors import ConfigError
from robot_gcrl.train import trackers
from robot_gcrl.train.config import TrainConfig
from robot_gcrl.train.interrupt import Interrupted
from robot_gcrl.train.settings import make_train_config
from robot_gcrl.train.trackers import Tracking, require_tracker
from robot_gcrl.train.train import Run, train
from tests.train.samples import make_config

LINE = {
    "iteration": 2,
    "control_steps": 512,
    "gradient_steps": 8,
    "seconds": 1.5,
    "success_any": {"mean": 0.5, "ci95": [0.4, 0.6], "n": 10},
}
VALUES = {
    "iteration": 2.0,
    "control_steps": 512.0,
    "gradient_steps": 8.0,
    "seconds": 1.5,
    "success_any": 0.5,
}


class Fake:
    """Remembers what it was given; fails where it shall."""

    def __init__(self, config: TrainConfig, begin_step: int) -> None:
        made.append(self)
        self.begin_step, self.lines, self.ending = begin_step, [], None
        self.waits, self.fails = threading.Event(), False

    def log(self, values: Mapping[str, float], step: int) -> None:
        if self.fails:
            raise OSError("the server\nis away")
        self.lines.append((dict(values), step))

    def close(self, ending: trackers.Ending) -> None:
        self.ending = ending


made: list[Fake] = []


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[Fake]:
    made.clear()
    monkeypatch.setattr(trackers, "_TRACKERS", {"wandb": Fake})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    return made


def test_a_tracker_gets_every_line(fake: list[Fake], tmp_path: Path):
    with Tracking(make_config(tmp_path, track="wandb"), begin_step=256) as tracking:
        tracking.log(LINE)
        # of a run on recorded data
        tracking.log({"iteration": 3, "gradient_steps": 9})
    assert tracking.failed is None
    assert fake[0].begin_step == 256
    assert fake[0].lines == [(VALUES, 512), ({"iteration": 3.0, "gradient_steps": 9.0}, 9)]
    assert fake[0].ending == "finished"


# Seen to fail: a run that had diverged was finished like any other.
def test_a_tracker_is_told_of_a_run_that_failed(fake: list[Fake], tmp_path: Path):
    with pytest.raises(OSError, match="disk"), Tracking(make_config(tmp_path, track="wandb")):
        raise OSError("the disk is full")
    assert fake[0].ending == "failed"


def test_a_tracker_is_told_of_a_run_that_was_interrupted(
    fake: list[Fake], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Seen to fail: told as finished, since the exception came after the end of the tracking
    monkeypatch.setattr(Run, "go", lambda *_: signal.raise_signal(signal.SIGINT))
    config = make_train_config("reacher", preset="smoke", run=tmp_path / "run", track="wandb")
    with pytest.raises(Interrupted):
        train(config)
    assert fake[0].ending == "interrupted"


def test_without_a_tracker_nothing_is_made(fake: list[Fake], tmp_path: Path):
    with Tracking(make_config(tmp_path)) as tracking:
        tracking.log(LINE)
    assert not fake


def test_a_tracker_that_fails_stops_no_run(
    fake: list[Fake],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    # Seen to fail: without the catch in the thread.
    monkeypatch.setattr(
        Fake, "log", lambda *_: (_ for _ in ()).throw(OSError("the server\nis away"))
    )
    config = make_train_config("reacher", preset="smoke", run=tmp_path / "run", track="wandb")
    with caplog.at_level(logging.WARNING):
        train(config)
    assert caplog.messages == [
        "Tracking ended, the run goes on: wandb: OSError: the server is away. Its metrics are in "
        "metrics.jsonl."
    ]
    lines = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["control_steps"] == 4096
    assert fake[0].ending is None


@pytest.mark.parametrize("raised", [SystemExit(1), KeyboardInterrupt()])
def test_a_tracker_that_ends_the_process_ends_its_thread_alone(
    fake: list[Fake],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
):
    # Seen to fail: with `except Exception`, nothing was told
    monkeypatch.setattr(Fake, "log", lambda *_: (_ for _ in ()).throw(raised))
    with caplog.at_level(logging.WARNING), Tracking(make_config(tmp_path, track="wandb")) as ended:
        ended.log(LINE)
    assert ended.failed == f"wandb: {type(raised).__name__}: {raised}"
    assert "Tracking ended, the run goes on: wandb: " in caplog.text
    assert not fake[0].lines


def test_a_tracker_that_hangs_is_left_behind(
    fake: list[Fake],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    # Seen to fail: with a join of 30 s.
    release, began = threading.Event(), time.monotonic()
    monkeypatch.setattr(trackers, "_PATIENCE", 0.1)
    monkeypatch.setattr(Fake, "log", lambda *_: release.wait())
    with caplog.at_level(logging.WARNING), Tracking(make_config(tmp_path, track="wandb")) as hung:
        hung.log(LINE)
    assert time.monotonic() - began < 10.0
    release.set()
    assert hung.failed == "it did not end within 0.1 s"
    assert "Tracking ended, the run goes on: it did not end within 0.1 s." in caplog.text


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    # Seen to fail: without the packages of MLflow's own store
    installed = {"mlflow", "alembic"}
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name in installed or None)
    require_tracker("none")
    with pytest.raises(ConfigError) as error:
        require_tracker("mlflow")
    assert str(error.value) == (
        "--track mlflow needs sqlalchemy, not installed here. Expected it beside robot-gcrl. "
        "Install it with: pip install mlflow-skinny sqlalchemy alembic (or all trackers, from the "
        "checkout: pip install '.[track]')"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    require_tracker("mlflow")
    with pytest.raises(ConfigError, match="--track wandb needs wandb, not installed here"):
        require_tracker("wandb")


def test_tensorboard_reads_what_was_written(tmp_path: Path):
    # Seen to fail: without the session log where a resumed run begins, and with its step at 512.
    events = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="needs tensorboard: pip install tensorboard",
    )
    config = make_config(tmp_path, track="tensorboard")
    with Tracking(config) as tracking:
        tracking.log(LINE)
        tracking.log({**LINE, "control_steps": 1024, "seconds": 9.0})
    with Tracking(config, begin_step=512) as resumed:
        resumed.log({**LINE, "control_steps": 1024, "seconds": 2.5})
    assert tracking.failed is resumed.failed is None
    found = events.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(found.Tags()["scalars"]) == set(VALUES)
    # What the lost run wrote after its last checkpoint is gone
    assert [(e.step, e.value) for e in found.Scalars("seconds")] == [(512, 1.5), (1024, 2.5)]


def test_wandb_is_told_the_settings_and_finds_its_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Seen to fail: with a new id for a resumed run; with lines at a step, which W&B drops below
    # its last.
    calls, lines, ended, axes = [], [], [], []
    run = SimpleNamespace(
        define_metric=lambda name, step_metric: axes.append((name, step_metric)),
        log=lines.append,
        finish=lambda exit_code: ended.append(exit_code),
    )
    fake = SimpleNamespace(init=lambda **given: calls.append(given) or run)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    config = make_config(tmp_path, track="wandb")
    for begin in (0, 256):
        with Tracking(config, begin_step=begin) as tracking:
            tracking.log(LINE)
        assert tracking.failed is None
    assert (lines, ended) == ([VALUES] * 2, [0, 0])
    assert axes == [("*", "control_steps")] * 2
    assert calls[0]["id"] == calls[1]["id"]
    assert [call["resume"] for call in calls] == [None, "allow"]
    assert calls[0]["project"] == "robot-gcrl"
    assert calls[0]["config"]["agent.depth"] == 4
    assert calls[0]["config"]["run"] == str(tmp_path)
    # How it ended: Ctrl-C, a failure
    for failure in (False, True):
        with contextlib.suppress(OSError), Tracking(config) as tracking:
            tracking.ending = "interrupted"
            if failure:
                raise OSError("the disk is full")
    assert ended[2:] == [255, 1]


def test_mlflow_keeps_a_run_in_the_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mlflow = pytest.importorskip("mlflow", reason="needs mlflow: pip install mlflow-skinny")
    pytest.importorskip("alembic", reason="needs alembic: pip install alembic")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    config = make_config(tmp_path, track="mlflow")
    for begin, step in ((0, 512), (512, 1024)):
        with Tracking(config, begin_step=begin) as tracking:
            tracking.log({**LINE, "control_steps": step})
        assert tracking.failed is None
    ids = json.loads((tmp_path / "tracking.json").read_text())
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    history = client.get_metric_history(ids["mlflow"], "success_any")
    assert [(point.step, point.value) for point in history] == [(512, 0.5), (1024, 0.5)]
    found = client.get_run(ids["mlflow"])
    assert found.data.params["agent.depth"] == "4"
    assert found.info.status == "FINISHED"
    with Tracking(config, begin_step=1024) as tracking:
        tracking.ending = "interrupted"
    assert client.get_run(ids["mlflow"]).info.status == "KILLED"


def test_mlflow_is_told_how_a_run_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    statuses = []
    client = SimpleNamespace(
        get_experiment_by_name=lambda name: SimpleNamespace(experiment_id="0"),
        create_run=lambda *_, **__: SimpleNamespace(info=SimpleNamespace(run_id="1")),
        log_param=lambda *_: None,
        update_run=lambda *_, **__: None,
        set_terminated=lambda run, status: statuses.append(status),
    )
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(MlflowClient=lambda uri: client))
    monkeypatch.setitem(sys.modules, "mlflow.entities", SimpleNamespace(Metric=None))
    config = make_config(tmp_path, track="mlflow")
    for ending in ("finished", "interrupted"):
        with Tracking(config) as tracking:
            tracking.ending = ending
    with pytest.raises(OSError, match="disk"), Tracking(config):
        raise OSError("the disk is full")
    assert statuses == ["FINISHED", "KILLED", "FAILED"]
