"""What `robot-gcrl runs` reads from run folders, and what it says of several."""

import json
from pathlib import Path
from typing import Any

import pytest

from robot_gcrl import cli
from robot_gcrl.errors import CheckpointError, ConfigError
from robot_gcrl.train.lock import FolderLock
from robot_gcrl.train.run_files import write_config
from robot_gcrl.train.runs import compare_runs, format_comparison, format_runs, list_runs
from tests.train.samples import SHA256, make_config


def evaluated(iteration: int, reached: float, **values: float) -> dict[str, float]:
    return {
        "iteration": iteration,
        "control_steps": 1024 * iteration,
        "gradient_steps": 16 * iteration,
        "seconds": 30.0 * iteration,
        "success_any": reached,
        "success_final": reached / 2,
        "time_at_goal": reached / 4,
    } | values


def make_run(path: Path, *lines: dict[str, float], **settings: Any) -> Path:
    path.mkdir(parents=True)
    write_config(path, make_config(path, **settings), SHA256)
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_row_holds_the_best_evaluation_and_where_the_run_is(tmp_path: Path):
    # Seen to fail: with the last evaluation for the best, and with the last line's rates.
    late = {"iteration": 3, "control_steps": 3072, "seconds": 90.0, "gradient_steps": 44}
    make_run(tmp_path / "b", evaluated(1, 0.9), evaluated(2, 0.4), late, seed=7)
    make_run(tmp_path / "a", evaluated(4, 0.8), **{"agent.actor_width": 64})
    make_run(tmp_path / "c")
    (tmp_path / "no run").mkdir()
    a, b, c = list_runs(tmp_path)
    assert (b["run"], b["state"], b["task"], b["seed"]) == (
        str(tmp_path / "b"), "stopped", "reacher", 7,
    )  # fmt: skip
    assert (b["control_steps"], b["share"], b["minutes"]) == (3072, 0.75, 1.5)
    assert (b["success_any"], b["success_final"], b["time_at_goal"]) == (0.9, 0.45, 0.225)
    assert (a["state"], a["agent"]) == ("done", "4x256, actor 4x64")
    assert (c["state"], c["success_any"], c["minutes"]) == ("stopped", None, None)
    assert list_runs(tmp_path / "b") == [b]
    text = format_runs([a, b, c])
    assert "  3,072          44 (75%)  " in text
    assert text.splitlines()[3].split() == (
        ["c", "stopped", "reacher", "4x256", "0", "0", "0", "(0%)", "-", "-", "-", "-"]
    )


# Seen to fail: with the runs beside each other alone.
def test_runs_of_sweeps_are_found_and_nothing_within_a_run(tmp_path: Path):
    make_run(tmp_path / "a", evaluated(1, 0.9))
    make_run(tmp_path / "a" / "maze" / "inner", evaluated(1, 0.9))
    make_run(tmp_path / "sweeps" / "depths" / "depth_4-0", evaluated(1, 0.9))
    make_run(tmp_path / "sweeps" / "depths" / "deeper" / "still", evaluated(1, 0.9))
    rows = list_runs(tmp_path)
    assert [row["name"] for row in rows] == ["a", "sweeps/depths/depth_4-0"]
    assert rows[1]["run"] == str(tmp_path / "sweeps" / "depths" / "depth_4-0")
    assert format_runs(rows).splitlines()[2].split()[0] == "sweeps/depths/depth_4-0"


def test_links_hidden_folders_and_broken_runs(tmp_path: Path):
    # Seen to fail: a linked run was lost, a hidden one listed, and a run whose metrics cannot be
    # opened ended the listing.
    runs = tmp_path / "runs"
    far = make_run(tmp_path / "far" / "run", evaluated(1, 0.9))
    make_run(runs / ".trash" / "old", evaluated(1, 0.9))
    (runs / "linked").symlink_to(far)
    (runs / "back").symlink_to(tmp_path)
    (runs / "nowhere").symlink_to(tmp_path / "nothing")
    broken = make_run(runs / "sweeps" / "depths" / "broken")
    (broken / "metrics.jsonl").unlink()
    (broken / "metrics.jsonl").mkdir()
    linked, row = list_runs(runs)
    assert (linked["name"], linked["success_any"]) == ("linked", 0.9)
    assert row == {
        "run": str(broken),
        "name": "sweeps/depths/broken",
        "state": "unreadable",
        "problem": f"{broken / 'metrics.jsonl'} cannot be read: Is a directory",
    }


def test_runs_of_two_sweeps_are_told_apart(tmp_path: Path):
    # Seen to fail: two columns of the same head.
    runs = [make_run(tmp_path / "sweeps" / name / "x-0", evaluated(1, 0.2)) for name in "ab"]
    assert format_comparison(compare_runs(runs)).split()[:2] == ["a/x-0", "b/x-0"]
    beside = make_run(tmp_path / "sweeps" / "a" / "x-1", evaluated(1, 0.2))
    assert format_comparison(compare_runs([runs[0], beside])).split()[:2] == ["x-0", "x-1"]


def test_a_run_of_so_many_minutes_is_done_when_they_are_over(tmp_path: Path):
    # Seen to fail: "stopped (0%)" for every run of a sweep with minutes, whose steps have no end.
    late = {"iteration": 3, "control_steps": 3072, "seconds": 130.0, "gradient_steps": 44}
    endless = {"steps": 10**9, "minutes": 2.0}
    make_run(tmp_path / "a", evaluated(1, 0.9), evaluated(4, 0.8), **endless)
    make_run(tmp_path / "b", evaluated(1, 0.9), late | {"seconds": 60.0}, **endless)
    make_run(tmp_path / "c", evaluated(1, 0.9), late, **endless)  # resumed, and stopped again
    found = [(row["state"], row["share"]) for row in list_runs(tmp_path)]
    assert found == [("done", 1.0), ("stopped", 0.5), ("stopped", 0.99)]


def test_a_run_that_is_being_written_is_running(tmp_path: Path):
    # Seen to fail: with the state told by steps alone.
    run = make_run(tmp_path / "a", evaluated(4, 0.8))
    lock = FolderLock(run)
    assert list_runs(tmp_path)[0]["state"] == "running"
    lock.release()
    assert list_runs(tmp_path)[0]["state"] == "done"
    FolderLock(run).release()  # who looked holds nothing


def test_a_run_that_cannot_be_read_hides_no_other(tmp_path: Path):
    make_run(tmp_path / "a", evaluated(4, 0.8))
    broken = make_run(tmp_path / "b")
    (broken / "config.json").write_text("{")
    a, b = list_runs(tmp_path)
    assert a["state"] == "done"
    assert b["state"] == "unreadable"
    assert "is damaged" in b["problem"]
    assert b["problem"] in format_runs([a, b])


def test_runs_are_compared_at_what_all_of_them_had(tmp_path: Path):
    # Seen to fail: at the longest run's end, and with the last evaluation for the interpolated one.
    short = make_run(tmp_path / "short", evaluated(1, 0.2), evaluated(2, 0.6))
    long = make_run(
        tmp_path / "long",
        evaluated(1, 0.0),
        evaluated(3, 0.8, seconds=240.0),
        evaluated(4, 1.0),
        **{"agent.depth": 8, "seed": 1},
    )
    result = compare_runs([short, long])
    assert result["settings"] == {"seed": [0, 1], "agent.depth": [4, 8]}
    assert result["equal"]["steps"]["at"] == 2048
    assert result["equal"]["steps"]["success_any"] == pytest.approx([0.6, 0.4])
    assert result["equal"]["updates"]["success_final"] == pytest.approx([0.3, 0.2])
    assert result["equal"]["minutes"]["at"] == 1.0
    assert result["equal"]["minutes"]["success_any"][1] == pytest.approx(0.8 * 30 / 210)
    assert result["learned"]["steps"] == [None, 3072.0]
    text = format_comparison(result)
    assert "--agent.depth" in text
    assert "never" in text
    assert "any at 2,048 control steps" in text


def test_a_maze_is_what_is_in_its_file(tmp_path: Path):
    # Seen to fail: with the paths compared, which are of each run's own folder.
    grids = {"a": "####\n#SG#\n####\n", "b": "####\n#SG#\n####\n", "c": "####\n#GS#\n####\n"}
    runs = []
    for name, grid in grids.items():
        maze = tmp_path / f"{name}.txt"
        maze.write_text(grid)
        runs.append(make_run(tmp_path / name, evaluated(1, 0.2), maze=maze))
    assert compare_runs(runs[:2])["settings"] == {}
    assert list(compare_runs(runs[1:])["settings"]) == ["maze"]


def test_an_offline_run_has_updates_alone(tmp_path: Path):
    # Seen to fail: with the control steps of a run that has none, and with their axis.
    line = evaluated(256, 0.5)
    del line["control_steps"]
    offline = make_run(tmp_path / "off", line, dataset=tmp_path / "d.npz")
    online = make_run(tmp_path / "on", evaluated(1, 0.2), evaluated(300, 0.6))
    row, _ = list_runs(tmp_path)
    assert (row["control_steps"], row["gradient_steps"], row["state"]) == (None, 4096, "done")
    assert "  offline  " in format_runs([row])
    assert set(compare_runs([offline, online])["equal"]) == {"minutes", "updates"}


def test_what_cannot_be_compared(tmp_path: Path):
    run, new = make_run(tmp_path / "a", evaluated(1, 0.2)), make_run(tmp_path / "b")
    with pytest.raises(ConfigError) as error:
        compare_runs([run])
    assert str(error.value) == (
        "Cannot compare 1 run. Expected two or more run folders. Name another one."
    )
    with pytest.raises(ConfigError) as error:
        compare_runs([run, new])
    assert str(error.value) == (
        f"The run {new} was not evaluated yet. Expected a run with an evaluation in its "
        "metrics.jsonl. Wait for its first one, or leave it out."
    )
    with pytest.raises(CheckpointError) as error:
        list_runs(tmp_path / "nothing")
    assert str(error.value) == (
        f"{tmp_path / 'nothing'} is no folder. Expected one that holds run folders. Check the path."
    )


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    runs = [make_run(tmp_path / name, evaluated(4, 0.8)) for name in ("a", "b")]
    assert cli.main(["runs", str(tmp_path), "--json"]) == 0
    assert [row["run"] for row in json.loads(capsys.readouterr().out)["runs"]] == [*map(str, runs)]
    assert cli.main(["runs", "compare", *map(str, runs)]) == 0
    assert "best any" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    assert cli.main(["runs", str(tmp_path / "empty")]) == 0
    assert capsys.readouterr().out == "No run here: robot-gcrl train --task TASK begins one.\n"
