"""`robot-gcrl sweep`: what a file describes by ranges, where it is run, what is left."""

import contextlib
import json
import os
import pickle
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from robot_gcrl import cli
from robot_gcrl.errors import CheckpointError, ConfigError
from robot_gcrl.study import cluster
from robot_gcrl.study import sweep as sweeping
from robot_gcrl.study.cells import cells_of, run_name
from robot_gcrl.study.cluster import Cluster
from robot_gcrl.study.draws import grid_variants, random_variants
from robot_gcrl.study.runs import Runner
from robot_gcrl.study.study import read_study
from robot_gcrl.study.sweep import make_sweep, sweep
from robot_gcrl.train.lock import FolderLock
from robot_gcrl.train.options import parse_train

ROOT = Path(__file__).resolve().parents[2]
FILE = """
tasks = ["reacher"]
seeds = [0, 1]
[options]
preset = "smoke"
engine = "native"
[grid]
"agent.depth" = [4, 8]
"""
RATE = {"mean": 0.5, "ci95": [0.1, 0.9], "n": 4}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "depths.toml"
    path.write_text(FILE)
    return path


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the cells that were run, by a runner that trains nothing."""
    names = []

    def do_one(self: Runner, cell: object) -> bool:
        names.append(run_name(cell))  # pyright: ignore[reportArgumentType]
        line = {
            "study": self.study.name, "task": cell.task, "variant": cell.variant,  # pyright: ignore
            "seed": cell.seed, "minutes": None, "options": dict(cell.differences),  # pyright: ignore
            "evaluation": self.study.measured, "wall_seconds": 60.0, "control_steps": 4096,
            "curve": [[2048, 1.0, 0.1, 0.1, 0.1], [4096, 2.0, 0.5, 0.5, 0.5]],
        }  # fmt: skip
        rates = dict.fromkeys(("success_any", "success_final", "time_at_goal", "distance"), RATE)
        self.record(line | rates)
        return True

    monkeypatch.setattr(Runner, "_do_one", do_one)
    monkeypatch.setattr(Runner, "_note", lambda *_: None)
    return names


def test_the_exit_code_tells_that_a_run_failed_and_it_can_be_done_again(
    file: Path, done: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    # Seen to fail: exit code 0, and nothing but a success of 0 in the table.
    folder = tmp_path / "out"
    words = ["sweep", str(file), "--folder", str(folder)]
    assert cli.main(words) == 0
    results = folder / "results.jsonl"
    first, *others = results.read_text().splitlines()
    spoilt = {k: v for k, v in json.loads(first).items() if k != "success_any"}
    results.write_text("\n".join([json.dumps(spoilt | {"failed": "disk full"}), *others, ""]))
    done.clear()
    assert cli.main(words) == 2
    assert done == []
    assert "1 of 4 runs failed: " in capsys.readouterr().err
    # Seen to fail: with what the file names no longer
    file.write_text(FILE.replace("[4, 8]", "[8]"))
    assert cli.main(words) == 0
    file.write_text(FILE)
    assert cli.main([*words, "--retry-failed"]) == 0
    assert done == ["reacher-agent.depth=4-0"]


def test_a_grid_is_every_combination():
    found = grid_variants({"agent.depth": [4, 8], "overlap": [True, False]})
    assert found == {
        "agent.depth=4 overlap=true": {"agent.depth": 4, "overlap": True},
        "agent.depth=4 overlap=false": {"agent.depth": 4, "overlap": False},
        "agent.depth=8 overlap=true": {"agent.depth": 8, "overlap": True},
        "agent.depth=8 overlap=false": {"agent.depth": 8, "overlap": False},
    }


def test_draws_fill_their_ranges_evenly():
    # Seen to fail: with whole numbers rounded without half a step of room at the ends, and with
    # the logarithm left out.
    drawn = random_variants(
        {
            "count": 2000,
            "rate": {"low": 1e-4, "high": 1e-2, "log": True},
            "width": {"low": 1, "high": 4},
            "gamma": {"low": 0.5, "high": 1.0},
            "loss": ["a", "b"],
        }
    )
    rows = list(drawn.values())
    assert len(rows) == 2000
    assert np.mean([row["rate"] < 1e-3 for row in rows]) == pytest.approx(0.5, abs=0.04)
    assert all(1e-4 <= row["rate"] <= 1e-2 for row in rows)
    counts = [sum(row["width"] == width for row in rows) for width in (1, 2, 3, 4)]
    assert counts == pytest.approx([500] * 4, abs=80)
    assert all(type(row["width"]) is int for row in rows)
    assert np.mean([row["gamma"] for row in rows]) == pytest.approx(0.75, abs=0.02)
    assert np.mean([row["loss"] == "a" for row in rows]) == pytest.approx(0.5, abs=0.04)


def test_draws_are_the_files_alone_and_of_each_option_by_itself():
    # Seen to fail: with one generator for all options.
    gamma = {"low": 0.5, "high": 1.0}
    alone = random_variants({"count": 5, "gamma": gamma})
    beside = random_variants({"count": 5, "rate": {"low": 1.0, "high": 2.0}, "gamma": gamma})
    assert [row["gamma"] for row in alone.values()] == [row["gamma"] for row in beside.values()]
    other = random_variants({"count": 5, "seed": 1, "gamma": gamma})
    assert list(other) != list(alone)


@pytest.mark.parametrize(
    ("random", "text"),
    [
        ({}, "The random draws have count = None. Expected a whole number of 1 or more."),
        ({"count": 2, "seed": -1}, "The random draws have seed = -1. Expected a whole number of 0"),
        ({"count": 2, "x": 3}, "The random draws have x = 3. Expected a list of values, or a"),
        ({"count": 2, "x": {"low": 1}}, "The random draws have x = {'low': 1}. Expected a list"),
        (
            {"count": 2, "x": {"low": 2, "high": 1}},
            "The random draws have x from 2 to 1. Expected numbers, the lower one first. Change",
        ),
        (
            {"count": 2, "x": {"low": 0.0, "high": 1.0, "log": True}},
            "The random draws have x from 0.0 to 1.0, logarithmic. Expected numbers, the lower one "
            "first and above 0. Change low or high.",
        ),
        (
            {"count": 9, "x": [1, 2]},
            "The 9 random draws gave 2 different variants. Expected ranges",
        ),
    ],
)
def test_draws_that_cannot_be(random: dict, text: str):
    with pytest.raises(ConfigError) as error:
        random_variants(random)
    assert str(error.value).startswith(text)


def test_a_grid_without_a_list_and_two_ways_at_once(tmp_path: Path):
    with pytest.raises(ConfigError) as error:
        grid_variants({"agent.depth": 4})
    assert str(error.value) == (
        "The grid has agent.depth = 4. Expected a list of values, as [4, 8]. Write one, or move "
        "the option to options."
    )
    path = tmp_path / "two.toml"
    path.write_text(FILE + "[random]\ncount = 2\n")
    with pytest.raises(ConfigError) as error:
        read_study(path)
    assert str(error.value) == (
        f"The study {path} has grid and random. Expected one of them, which says what is compared. "
        "Leave the others out."
    )


def test_names_of_many_options_are_cut_and_stay_apart(file: Path):
    first, second, *_ = cells_of(read_study(file))
    long = [cell._replace(variant="x" * 300 + cell.variant) for cell in (first, second)]
    names = [run_name(cell) for cell in long]
    assert len(set(names)) == 2
    assert max(map(len, names)) < 200


def test_a_sweep_leaves_table_and_picture_and_is_not_done_again(
    file: Path, done: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "out"
    assert cli.main(["sweep", str(file), "--folder", str(folder)]) == 0
    said = capsys.readouterr()
    assert "4 runs in" in said.err
    assert "| `reacher` | agent.depth=8 | 0, 1 |" in said.out
    assert "| `reacher` | agent.depth=8 | 0 |" in (folder / "table.md").read_text()
    assert (folder / "curves.png").stat().st_size > 10_000
    assert done == [f"reacher-agent.depth={d}-{s}" for s in (0, 1) for d in (4, 8)]
    done.clear()
    assert cli.main(["sweep", str(file), "--folder", str(folder), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["results"]) == 4
    assert done == []


def test_random_draws_are_shown_best_first_and_the_best_is_named(
    file: Path, done: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    # Seen to fail: in the order of the draws. A grid keeps its own.
    folder = tmp_path / "out"
    text = 'count = 3\n"agent.learning_rate" = { low = 1e-4, high = 3e-3, log = true }\n'
    file.write_text(FILE.split("[grid]")[0] + "[random]\n" + text)
    words = ["sweep", str(file), "--folder", str(folder)]
    assert cli.main(words) == 0
    first, second, third = read_study(file).variants
    rates = {first: 0.2, second: 0.9, third: 0.6}
    results = folder / "results.jsonl"
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    for line in lines:
        line["time_at_goal"] = RATE | {"mean": rates[line["variant"]]}
    results.write_text("".join(json.dumps(line) + "\n" for line in lines))
    capsys.readouterr()
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    for table in (said, (folder / "table.md").read_text()):
        shown = [row.split(" | ")[1] for row in table.splitlines() if row.startswith("| `reacher`")]
        assert shown[:3] == [second, third, first]
        assert f"Best of 3 by time at goal: {second} (90.0%)." in table
    assert f"P(better than {second})" in said
    file.write_text(FILE)
    assert not read_study(file).is_random


def test_command_lines_are_those_of_the_runs(file: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["sweep", str(file), "--commands", "--folder", "/runs here"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    train, evaluate = lines[1].split(" && ")
    config, _ = parse_train(shlex.split(train)[2:])
    assert (config.agent.depth, config.seed, config.preset) == (8, 0, "smoke")
    assert str(config.run) == "/runs here/reacher-agent.depth=8-0"
    assert shlex.split(evaluate)[:3] == ["robot-gcrl", "evaluate", str(config.run)]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--parallel", "0"], "parallel is 0. Expected a whole number of 1 or more."),
        (
            ["--cluster-options", "timeout_min=5"],
            "--cluster-options timeout_min=5 without --cluster. Expected a cluster that they are",
        ),
        (
            ["--cluster", "slurm", "--parallel", "2"],
            "--parallel 2 beside --cluster slurm. Expected one of them",
        ),
    ],
)
def test_options_that_contradict_each_other(
    file: Path, words: list[str], text: str, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(["sweep", str(file), *words]) == 2
    assert text in capsys.readouterr().err


def test_two_sweeps_do_not_share_a_folder(file: Path, tmp_path: Path, done: list[str]):
    # Seen to fail: without the lock.
    lock = FolderLock(tmp_path)
    with pytest.raises(CheckpointError, match="is in use by process"):
        sweep(make_sweep(file, folder=tmp_path))
    lock.release()
    assert done == []
    assert sweep(make_sweep(file, folder=tmp_path))


def test_without_submitit_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as error:
        Cluster(name="slurm")
    assert str(error.value) == (
        "--cluster slurm needs the package submitit, which is not installed. Expected it beside "
        "robot-gcrl. Install it with: pip install submitit; or let --commands print the command "
        "lines."
    )


class FakeExecutor:
    """Submitit's executor as far as it is used: a job is done when it was submitted."""

    def __init__(self, folder: Path, cluster: str, slurm_max_num_timeout: int = 3) -> None:
        assert (cluster, slurm_max_num_timeout) == ("slurm", 9)
        self.folder = folder

    def update_parameters(self, **options: object) -> None:
        if set(options) - {"name", "timeout_min"}:
            raise NameError("Unknown argument(s):\ncolour")

    def batch(self) -> contextlib.nullcontext:
        return contextlib.nullcontext()

    def submit(self, function: Callable, *given: object) -> SimpleNamespace:
        function(*given)
        paths = SimpleNamespace(stderr=self.folder / "1.err")
        return SimpleNamespace(job_id="1", done=lambda: True, paths=paths)


def test_jobs_leave_their_results_and_what_failed_is_told(
    file: Path,
    done: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    # Seen to fail: with results that stay where the jobs left them.
    monkeypatch.setitem(sys.modules, "submitit", SimpleNamespace(AutoExecutor=FakeExecutor))
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: object())
    folder = tmp_path / "out"
    slurm = Cluster(name="slurm", options={"timeout_min": 1, "slurm_max_num_timeout": 9})
    assert sweep(make_sweep(file, folder=folder, cluster=slurm))
    assert len(done) == 4
    results = sweeping.read_lines(folder / "results.jsonl")
    assert [line["variant"] for line in results] == ["agent.depth=4", "agent.depth=8"] * 2
    assert list(folder.glob("reacher*.jsonl")) == []
    # One more seed, whose jobs are preempted
    file.write_text(FILE.replace("[0, 1]", "[0, 1, 2]"))
    monkeypatch.setattr(Runner, "_do_one", lambda self, cell: False)
    assert not sweep(make_sweep(file, folder=folder, cluster=slurm))
    assert "reacher-agent.depth=8-2: no result; " in capsys.readouterr().err
    other = Cluster(name="slurm", options={"colour": 1, "slurm_max_num_timeout": 9})
    with pytest.raises(ConfigError) as error:
        sweep(make_sweep(file, folder=folder, cluster=other))
    assert str(error.value) == (
        "The cluster 'slurm' with {'colour': 1, 'slurm_max_num_timeout': 9} cannot be used: "
        "Unknown argument(s): colour. "
        "Expected options of submitit's executor, as timeout_min=600, on a machine that submits to "
        "it. Change --cluster-options, or let --commands print the command lines."
    )


# Seen to fail: without waiting for the run to save.
def test_a_job_that_is_told_to_leave_saves_and_is_queued_again(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    helpers = SimpleNamespace(DelayedSubmission=lambda function: ("again", function))
    monkeypatch.setitem(sys.modules, "submitit", SimpleNamespace(helpers=helpers))
    study = read_study(file)
    (cell, *_) = cells_of(study)
    saved = tmp_path / "saved"
    program = f"""
import pathlib, signal, sys, time
def save(number, frame):
    time.sleep(1)
    pathlib.Path({str(saved)!r}).touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
pathlib.Path({str(tmp_path / "begun")!r}).touch()
time.sleep(60)
"""
    start = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda words, **given: start([sys.executable, "-c", program], **given)
    )
    job = cluster.Job(study, tmp_path / "runs", cell, tmp_path / "part.jsonl")
    again = []

    def tell(number: int, frame: object) -> None:
        again.append((job.checkpoint(), saved.exists()))

    def notice() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.05)
        if signal.getsignal(signal.SIGUSR2) is tell:
            os.kill(os.getpid(), signal.SIGUSR2)

    before = signal.signal(signal.SIGUSR2, tell)
    threading.Thread(target=notice, daemon=True).start()
    try:
        assert not job()
    finally:
        signal.signal(signal.SIGUSR2, before)
    ((kind, queued), was_saved) = again[0]
    assert kind == "again"
    assert was_saved
    assert not (tmp_path / "part.jsonl").exists()
    # It goes through a pickle, and has no locks
    assert pickle.loads(pickle.dumps(queued))._given == (
        study, tmp_path / "runs", cell, tmp_path / "part.jsonl"
    )  # fmt: skip


def test_a_job_that_was_killed_as_it_wrote_has_no_result(file: Path, tmp_path: Path):
    # Seen to fail: with every part taken for a result and deleted.
    runner = Runner(study=read_study(file), folder=tmp_path, out=tmp_path / "results.jsonl")
    part = tmp_path / "reacher.jsonl"
    part.write_text('{"study": "de')
    assert not cluster._collected(runner, part)
    assert part.exists()
    assert not runner.out.exists()


def test_nodes_are_told_preset_and_engine(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: object())
    file.write_text(FILE.replace('engine = "native"', ""))
    what = make_sweep(file, folder=tmp_path, cluster=Cluster(name="slurm"))
    with pytest.raises(ConfigError, match="The study 'depths' has no engine under options"):
        sweep(what)


def test_the_files_of_the_documentation_are_studies(tmp_path: Path):
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "sweeps.md").read_text(), re.DOTALL)
    first, second = blocks
    path = tmp_path / "width.toml"
    path.write_text(first)
    assert len(cells_of(read_study(path))) == 24
    parts = re.split(r"\n(?=\[(?:random|variants\.default)\])", second)
    assert len(parts) == 3
    for part in parts:
        path.write_text('tasks = ["reacher"]\nseeds = [0]\n' + part)
        assert len(cells_of(read_study(path))) > 1
    assert tomllib.loads(parts[1])["random"]["count"] == 20
