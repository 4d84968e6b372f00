"""The options of `robot-gcrl train`: two stages, so that defaults are those of the task."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from robot_gcrl.errors import ConfigError
from robot_gcrl.train import run_files
from robot_gcrl.train.config import flat, option
from robot_gcrl.train.options import parse_train
from robot_gcrl.train.settings import make_train_config

DEEPER: dict[str, Any] = {"agent.depth": 8}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default run folder depends on what lies in the current one."""
    monkeypatch.chdir(tmp_path)


def test_defaults_are_those_that_task_and_preset_resolve_to() -> None:
    # Seen to fail: with the preset left out of the second stage
    config, resume = parse_train(["--task", "ant_maze", "--preset", "paper"])
    assert not resume
    assert config == make_train_config("ant_maze", preset="paper")
    assert config.agent.batch_size == 512


def test_an_option_wins_over_preset_and_hints() -> None:
    words = ["--seed", "3", "--agent.depth", "8", "--task=reacher", "--no-overlap", "--minutes"]
    config, _ = parse_train([*words, "1.5"])
    expected = make_train_config("reacher", seed=3, overlap=False, minutes=1.5, **DEEPER)
    assert config == expected


def test_help_shows_the_settings_of_the_task(capsys: pytest.CaptureFixture[str]) -> None:
    # Seen to fail: without add_help=False in the first stage
    with pytest.raises(SystemExit) as ended:
        parse_train(["--task", "ant_maze", "--help"])
    assert ended.value.code == 0
    text = re.sub(r"[│\s]+", " ", capsys.readouterr().out)
    gamma = make_train_config("ant_maze").agent.gamma
    assert f"(default: {gamma})" in text
    assert "of task ant_maze, preset laptop" in text


def test_every_setting_is_an_option_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_train(["--help"])
    text = re.sub(r"[│\s]+", " ", capsys.readouterr().out)
    for name, value in flat(make_train_config("arm_reach")).items():
        *group, last = option(name).removeprefix("--").split(".")
        spelled = "--" + ".".join((*group, last))
        if isinstance(value, bool):
            spelled += ", --" + ".".join((*group, f"no-{last}"))
        described = re.search(rf"{spelled} (.*?)\(default", text)
        assert described, spelled
        assert len(re.findall(r"\b[a-z]+\b", described[1])) >= 3, spelled


def test_help_has_what_only_begins_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    # Seen to fail: the list of options had no --resume, and --engine no auto
    with pytest.raises(SystemExit):
        parse_train(["--help"])
    text = re.sub(r"[│\s]+", " ", capsys.readouterr().out)
    assert "--resume {None}|PATH Run folder to continue" in text
    assert "--engine {auto,native,mjx,warp} Physics engine" in text


def test_a_flag_can_be_given_either_way() -> None:
    # Seen to fail: --no-overlap alone existed, with a help that said what --overlap does
    for word, value in (("--overlap", True), ("--no-overlap", False)):
        assert parse_train(["--task", "reacher", word])[0].overlap is value
    config, _ = parse_train(["--task", "reacher", "--preset", "paper", "--agent.final-norm"])
    assert config.agent.final_norm


def test_without_a_task_one_line_says_so() -> None:
    with pytest.raises(ConfigError) as raised:
        parse_train([])
    assert str(raised.value) == (
        "No task was given. Expected --task NAME, --task FILE.py:NAME or --resume RUN. "
        "See: robot-gcrl tasks"
    )
    with pytest.raises(ConfigError):
        parse_train(["--seed", "1"])


def test_a_mistyped_option_suggests_the_close_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_train(["--taks", "reacher"])
    assert ended.value.code == 2
    assert "--task" in capsys.readouterr().err


def test_a_resumed_run_takes_its_stored_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = dataclasses.replace(make_train_config("reacher", preset="smoke"), run=Path("old"))
    monkeypatch.setattr(run_files, "stored_config", lambda folder: stored)
    assert parse_train(["--resume", "old"]) == (stored, True)
    longer, _ = parse_train(["--resume", "old", "--minutes", "2"])
    assert longer == dataclasses.replace(stored, minutes=2.0)


@pytest.mark.parametrize("words", [["--seed", "9"], ["--task", "ant"], ["--preset", "paper"]])
def test_a_contradiction_to_the_resumed_run_is_an_error(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seen to fail: with the choices of the first stage not passed to `resumed`
    stored = dataclasses.replace(make_train_config("reacher", preset="smoke"), run=Path("old"))
    monkeypatch.setattr(run_files, "stored_config", lambda folder: stored)
    with pytest.raises(ConfigError, match=f"^{words[0]} {words[1]} contradicts the run old"):
        parse_train(["--resume", "old", *words])
