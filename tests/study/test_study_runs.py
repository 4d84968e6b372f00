"""Runs of a study: begun, interrupted, resumed, refused, recorded."""

import fcntl
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from robot_gcrl.errors import ConfigError
from robot_gcrl.study import begun
from robot_gcrl.study import runs as study_runs
from robot_gcrl.study.cells import cells_of, run_name
from robot_gcrl.study.report import report
from robot_gcrl.study.results import RATES, append_line, read_lines
from robot_gcrl.study.runs import Runner
from robot_gcrl.train.config import override
from robot_gcrl.train.lock import FolderLock
from robot_gcrl.train.run_files import write_config
from tests.programs import ROOT
from tests.study.samples import LINES, RATE, TINY, make_study

MEASURED = dict.fromkeys(RATES, RATE)


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """A runner whose commands are noted and answered from a list of exit codes."""
    runner = Runner(study=make_study(), folder=tmp_path / "runs", out=tmp_path / "out.jsonl")
    calls, codes = [], []

    def command(self, run, slot, *words):
        assert slot == 0
        calls.append(words)
        code = codes.pop(0) if codes else 0
        if words[0] == "train":
            run.mkdir(exist_ok=True)
            if words[1] != "--resume":
                cell = next(c for c in cells_of(self.study) if run_name(c) == run.name)
                write_config(run, cell.config, "0" * 64)
            line = {
                "iteration": 1,
                "control_steps": 256,
                "gradient_steps": 4,
                "seconds": 1.0,
            } | dict.fromkeys(RATES, 0.25)
            (run / "metrics.jsonl").write_text(json.dumps(line) + "\n")
        elif code == 0:
            Path(words[words.index("--out") + 1]).write_text(json.dumps(MEASURED))
        return code, "robot-gcrl: critic_loss is nan"

    monkeypatch.setattr(Runner, "_command", command)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield runner, calls, codes
    for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
        signal.signal(number, handler)


# Seen to fail: every run saw all GPUs, and took the first.
def test_runs_side_by_side_have_a_gpu_each(monkeypatch, tmp_path):
    runner = Runner(study=make_study(), folder=tmp_path, out=tmp_path / "out.jsonl", parallel=2)
    together, seen = threading.Barrier(2), []

    class Child:
        def __init__(self, words: list[str], *, env: dict[str, str], **_: object) -> None:
            seen.append(env["CUDA_VISIBLE_DEVICES"])
            together.wait(30.0)

        def wait(self) -> int:
            return 1

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.setenv("JAX_PLATFORMS", "cuda,cpu")
    monkeypatch.setattr(study_runs.subprocess, "Popen", Child)
    monkeypatch.setattr(Runner, "_line", lambda *_: {})
    monkeypatch.setattr(Runner, "record", lambda *_: None)
    assert runner.do(cells_of(runner.study))
    pairs = [set(seen[i : i + 2]) for i in range(0, len(seen), 2)]
    assert pairs == [{"3", "5"}] * 2


def test_what_was_measured_is_not_measured_again(fake):
    runner, calls, _ = fake
    assert runner.do(cells_of(runner.study))
    lines = read_lines(runner.out)
    assert [(x["variant"], x["seed"]) for x in lines] == [
        ("default", 0), ("plain", 0), ("default", 1), ("plain", 1),
    ]  # fmt: skip
    assert lines[1]["options"]["agent.final_norm"] is False
    assert lines[0]["success_any"] == RATE
    assert lines[0]["curve"] == [[256, 1.0, 0.25, 0.25, 0.25]]
    assert lines[0]["machine"]["versions"]["jax"]
    assert calls[1][2:6] == ("--episodes", "4", "--seed", "10000")
    calls.clear()
    assert runner.do(cells_of(runner.study))
    assert calls == []


def test_an_interrupted_run_is_resumed_and_not_recorded(fake):
    runner, calls, codes = fake
    cells = cells_of(runner.study)[:1]
    codes.append(143)
    assert not runner.do(cells)
    assert not runner.out.exists()
    assert runner.do(cells)
    assert calls[1] == ("train", "--resume", str(runner.folder / "reacher-default-0"))
    assert len(read_lines(runner.out)) == 1


@pytest.mark.parametrize("code", [-15, 129, 130])
def test_what_a_signal_ended_before_it_could_save_is_no_failure(fake, code):
    # Seen to fail: a SIGTERM in the first seconds counted as 0% for ever
    runner, _, codes = fake
    codes.append(code)
    assert not runner.do(cells_of(runner.study)[:1])
    assert not runner.out.exists()


def test_what_another_process_did_meanwhile_is_not_done_again(fake):
    # Seen to fail: done by both, and refused by the report
    runner, calls, _ = fake
    cells = cells_of(runner.study)[:1]
    missing = runner.missing(cells)
    runner.do(cells)
    calls.clear()
    assert runner._do_one(*missing)
    assert calls == []
    assert len(read_lines(runner.out)) == 1


def test_what_another_process_is_at_is_left_to_it(fake):
    # Seen to fail: between training and evaluation the run's own lock is free
    runner, calls, _ = fake
    (cell, *_) = cells_of(runner.study)
    runner.folder.mkdir()
    with (runner.folder / f"{run_name(cell)}.log").open("w") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        assert not runner.do([cell])
    assert calls == []


def test_a_result_of_another_preset_is_not_taken_for_one_of_this(fake):
    # Seen to fail: beside options and evaluation nothing was compared
    runner, _, _ = fake
    cells = cells_of(runner.study)[:1]
    runner.do(cells)
    (line,) = read_lines(runner.out)
    runner.out.write_text(json.dumps(line | {"settings": "0" * 64}) + "\n")
    with pytest.raises(ConfigError, match="holds reacher-default-0 of other settings"):
        runner.do(cells)
    line.pop("settings")  # of a version that did not write it
    runner.out.write_text(json.dumps(line) + "\n")
    assert runner.do(cells)


def test_a_failed_run_is_recorded_with_its_reason_and_counts_as_none(fake):
    runner, _, codes = fake
    codes.append(2)
    assert runner.do(cells_of(runner.study))
    failed = read_lines(runner.out)[0]
    assert failed["failed"] == "robot-gcrl: critic_loss is nan"
    row = report(read_lines(runner.out), metric="success_any")[2]
    assert row.startswith("| `reacher` | default | 0, 1 (1 failed) |")
    assert "| 25.0% (0.0, 50.0) |" in row


def test_what_failed_is_done_again_where_that_is_asked_for(fake):
    # Seen to fail: what a full disk had ended was a success of 0 for good.
    runner, calls, codes = fake
    cells = cells_of(runner.study)
    codes.append(2)
    assert runner.do(cells)
    calls.clear()
    assert runner.do(cells)
    assert calls == []
    runner.retry_failed = True
    codes.append(2)  # once more
    assert runner.do(cells)
    assert [words[:2] for words in calls] == [("train", "--resume")]
    assert sum("failed" in line for line in read_lines(runner.out)) == 1
    assert runner.do(cells)
    lines = read_lines(runner.out)
    assert len(lines) == len(cells)
    assert not any("failed" in line for line in lines)
    calls.clear()
    assert runner.do(cells)
    assert calls == []


def test_other_settings_under_the_same_name_are_refused(fake):
    runner, _, _ = fake
    cells = cells_of(runner.study)
    runner.do(cells[:1])
    other = cells_of(make_study(options=TINY | {"steps": 512}))
    with pytest.raises(ConfigError, match=r"holds reacher-default-0 with options \{.*Rename"):
        runner.do(other)


def test_a_run_that_was_begun_with_other_settings_is_refused(fake):
    # Seen to fail: with finished runs alone compared.
    runner, calls, _ = fake
    (cell, *_) = cells_of(runner.study)
    run = runner.folder / run_name(cell)
    run.mkdir(parents=True)
    other = override(cell.config, {"run": run, "agent.batch_size": 16})
    write_config(run, other, "0" * 64)
    with pytest.raises(ConfigError) as caught:
        runner.do([cell])
    assert str(caught.value) == (
        f"The run {run} was begun with agent.batch_size 16. Expected agent.batch_size 32, as the "
        "study says now. Rename the variant, or remove the run."
    )
    # Seen to fail: with the end left out, which measures a run of another one under its name.
    write_config(run, override(cell.config, {"run": run, "steps": 64}), "0" * 64)
    with pytest.raises(
        ConfigError, match=r"begun with steps 64\. Expected steps \d+, as the study"
    ):
        runner.do([cell])
    # What is left of its minutes is no other run
    write_config(run, override(cell.config, {"run": run, "minutes": 0.5}), "0" * 64)
    assert runner.do([cell])
    assert calls[0][:2] == ("train", "--resume")


def test_a_run_that_another_process_writes_is_left_to_it(fake):
    # Seen to fail: without the look at the lock, which the run then fails by.
    runner, calls, _ = fake
    (cell, *_) = cells_of(runner.study)
    run = runner.folder / run_name(cell)
    run.mkdir(parents=True)
    lock = FolderLock(run)
    assert not runner.do([cell])
    lock.release()
    assert calls == []
    assert not runner.out.exists()


def test_a_torn_line_does_not_spoil_the_next(tmp_path):
    # Seen to fail: with lines that are only appended.
    path = tmp_path / "out.jsonl"
    append_line(path, LINES[0])
    with path.open("a") as file:
        file.write('{"study": "s", "ta')
    append_line(path, LINES[1])
    assert read_lines(path) == LINES[:2]


def test_signals_are_given_back(fake):
    # Seen to fail: with the handlers left in place.
    runner, _, _ = fake
    before = signal.getsignal(signal.SIGINT)
    runner.do(cells_of(runner.study)[:1])
    assert signal.getsignal(signal.SIGINT) is before


def test_a_run_of_equal_wall_time_gets_the_rest_of_it(fake, monkeypatch):
    runner, calls, codes = fake
    runner.study = make_study(options={"preset": "smoke"}, minutes=2.0)
    cells = cells_of(runner.study)[:1]
    codes.append(130)
    runner.do(cells)
    monkeypatch.setattr(study_runs, "trained_seconds", lambda run: 30.0)
    runner.do(cells)
    assert calls[1][-2:] == ("--minutes", "1.5")


def test_a_run_of_brax_begins_anew_or_is_measured_but_never_resumed(fake, monkeypatch, capsys):
    # Seen to fail: brax refuses a resumed run, which was then recorded as a failure for ever.
    runner, calls, codes = fake
    monkeypatch.setattr(study_runs, "require_brax", lambda config, resume: None)
    runner.study = make_study(variants={"ppo": {"algorithm": "ppo"}})
    (cell, *_) = cells = cells_of(runner.study)[:1]
    run = runner.folder / run_name(cell)
    codes.append(130)
    assert not runner.do(cells)
    assert [words[0] for words in calls] == ["train"]
    calls.clear()
    codes += [0, 130]
    assert not runner.do(cells)
    assert [words[:2] for words in calls] == [("train", "--task"), ("evaluate", str(run))]
    assert (run.parent / f"{run.name}.1" / "metrics.jsonl").exists()
    assert f"{run.name}: cannot be resumed, and begins anew" in capsys.readouterr().err
    calls.clear()
    done = {"info": {"control_steps": cell.config.steps, "seconds": 6.0}}
    monkeypatch.setattr(begun, "last_metadata", lambda folder: done)
    monkeypatch.setattr(study_runs, "last_metadata", lambda folder: {})
    assert runner.do(cells)
    assert [words[0] for words in calls] == ["evaluate"]


def test_a_package_that_is_missing_is_told_before_anything_is_run(fake, monkeypatch):
    # Seen to fail: each of the runs was recorded as a failure.
    runner, calls, _ = fake
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    runner.study = make_study(variants={"ppo": {"algorithm": "ppo"}})
    with pytest.raises(ConfigError, match="'ppo' needs brax, which is not installed"):
        runner.do(cells_of(runner.study))
    runner.study = make_study(options=TINY | {"track": "wandb"})
    with pytest.raises(ConfigError, match="--track wandb needs wandb, not installed"):
        runner.do(cells_of(runner.study))
    assert calls == []


@pytest.mark.slow
def test_a_study_is_run_interrupted_continued_and_reported(tmp_path):
    words = ["--tasks", "reacher", "--seeds", "0", "--name", "tiny", "--runs", str(tmp_path / "r"),
             "--out", str(tmp_path / "out.jsonl"), "--parallel", "2", "--vary",
             "agent.learning_rate=1e30"]  # fmt: skip
    file = tmp_path / "tiny.toml"
    file.write_text(
        'tasks = ["reacher"]\nseeds = [0]\n[options]\npreset = "smoke"\nsteps = 4096\n'
        "evaluations = 2\n[evaluation]\nepisodes = 8\n[variants.default]\n"
    )
    command = [sys.executable, str(ROOT / "tools" / "study.py"), "run", str(file), *words]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline().endswith("begins\n")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stderr
    lines = {line["variant"]: line for line in read_lines(tmp_path / "out.jsonl")}
    assert lines["default"]["control_steps"] == 4096
    assert len(lines["default"]["curve"]) == 2
    assert "Expected a finite number" in lines["agent.learning_rate=1e30"]["failed"]
    told = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "study.py"), "report", str(tmp_path / "out.jsonl"),
         "--each", "--plot", str(tmp_path / "curves.png")],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "curves.png").stat().st_size > 10_000
