import re

import jax
import numpy as np
import pytest

from robot_gcrl import cli
from robot_gcrl.contract.observe import Report
from robot_gcrl.errors import TaskError, UnknownNameError
from robot_gcrl.task import registry
from robot_gcrl.task.layouts import LAYOUTS
from robot_gcrl.task.registry import load_task, task_names

OWN = """
from dataclasses import replace
from robot_gcrl.task.registry import load_task

def near():
    return replace(load_task("reacher"), episode_length=7)

TASKS = {"near": near}
"""


def test_names():
    names = task_names()
    assert names == tuple(sorted(names))
    expected = {"reacher", "arm_reach", "arm_reach_easy", "arm_reach_hard", "point", "point_maze",
                "ant", "ant_maze"}  # fmt: skip
    mazes = {f"{robot}_maze_{layout}" for robot in ("ant", "point") for layout in LAYOUTS}
    assert expected | mazes <= set(names)


def test_every_task_is_called_as_its_name_says():
    # NAME_maze is short for NAME_maze_u
    for name in task_names():
        short = f"{name}_u" in task_names()
        assert load_task(name).name == (f"{name}_u" if short else name)


def test_a_task_in_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    assert load_task(f"{path}:near").episode_length == 7


def test_a_maze_in_a_file_of_ones_own(tmp_path):
    path = tmp_path / "hall.txt"
    path.write_text("######\n#S..G#\n######\n")
    task = load_task("ant_maze", maze=path)
    assert task.name == "ant_maze_hall"
    assert task.episode_length == 300
    assert task.regions.names == ("(0, 12) 3 cells",)
    empty = np.zeros(0, np.float32)
    goal = task.eval.goal(jax.random.key(0), Report(empty, empty, empty))
    np.testing.assert_array_equal(np.asarray(goal), [0.0, 12.0])


def test_unknown_names(tmp_path):
    with pytest.raises(UnknownNameError) as caught:
        load_task("ant_maz")
    assert str(caught.value) == (
        "Unknown task 'ant_maz'. Did you mean 'ant_maze'? See: robot-gcrl tasks"
    )
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    with pytest.raises(UnknownNameError) as caught:
        load_task(f"{path}:far")
    assert str(caught.value) == f"Unknown task 'far'. Known: near. See: the end of {path}"
    with pytest.raises(UnknownNameError) as caught:
        load_task(f"{path}:nera")
    assert str(caught.value) == (
        f"Unknown task 'nera'. Did you mean 'near'? See: the end of {path}"
    )


def test_several_names_may_have_been_meant():
    # seen to fail with the one closest name alone
    with pytest.raises(UnknownNameError) as caught:
        load_task("arm_reach_heasy")
    assert str(caught.value) == (
        "Unknown task 'arm_reach_heasy'. Did you mean 'arm_reach_easy'? See: robot-gcrl tasks"
    )
    with pytest.raises(UnknownNameError) as caught:
        load_task("point_maze_u9")
    assert str(caught.value) == (
        "Unknown task 'point_maze_u9'. Did you mean 'point_maze_u', 'point_maze_u2' or "
        "'point_maze_u3'? See: robot-gcrl tasks"
    )
    with pytest.raises(UnknownNameError) as caught:
        load_task("zzz")
    assert re.fullmatch(
        r"Unknown task 'zzz'[.] There are \d+; the closest: \w+, \w+, \w+[.] See: robot-gcrl tasks",
        str(caught.value),
    )


def test_errors_of_files(tmp_path):
    path = tmp_path / "mine.py"
    with pytest.raises(TaskError) as caught:
        load_task(f"{path}:near")
    assert str(caught.value) == (
        f"The task file {str(path)!r} does not exist. Expected FILE.py:NAME with a file that ends "
        "in TASKS = {name: factory}. Check the path."
    )
    path.write_text("x = 1\n")
    with pytest.raises(TaskError) as caught:
        load_task(f"{path}:near")
    assert str(caught.value) == (
        f"The task file {str(path)!r} has no TASKS. Expected it to end in TASKS = {{name: "
        "factory}. Add that line."
    )
    path.write_text(OWN)
    with pytest.raises(TaskError) as caught:
        load_task(str(path))
    assert str(caught.value) == (
        f"The task {str(path)!r} lacks a name. mine.py has: near. Write {path}:NAME."
    )


def refusal(reference):
    with pytest.raises(TaskError) as caught:
        load_task(reference)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x = 1\ndef f(:\n",
            "The task file '{}' is no Python: invalid syntax in line 2, column 7. Expected a file "
            "that Python can run. Correct that line.",
        ),
        (
            "\nimport numpi\n",
            "The task file '{}' fails in line 2: ModuleNotFoundError: No module named 'numpi'. "
            "Expected code that runs without an error. Correct the file.",
        ),
        (
            "def f():\n    return 1 / 0\nx = f()\n",
            "The task file '{}' fails in line 2: ZeroDivisionError: division by zero. Expected "
            "code that runs without an error. Correct the file.",
        ),
        (
            "import sys\nsys.exit()\n",
            "The task file '{}' fails in line 2: SystemExit. Expected code that runs without an "
            "error. Correct the file.",
        ),
        (
            "TASKS = {'near': 3}\n",
            "The task file '{}' ends in TASKS = {{'near': 3}}. Expected names with functions that "
            "return a task. Write TASKS = {{'my_task': my_task}}, without calling it.",
        ),
        (
            "\ndef near():\n    return names[0]\nTASKS = {'near': near}\n",
            "The task 'near' of '{}' fails in line 3: NameError: name 'names' is not defined. "
            "Expected code that runs without an error. Correct the file.",
        ),
        (
            "from robot_gcrl.task.maze import Maze\n"
            "TASKS = {'near': lambda: Maze(name='m', rows=())}\n",
            "The task 'near' of '{}' fails in line 2: Maze 'm' is empty. Expected lines of # "
            "(wall), S (start), G (goal cell) and . (free). Change the grid.",
        ),
        (
            "TASKS = {'near': lambda: 7}\n",
            "The task 'near' of '{}' is of type int. Expected the factory to return a "
            "robot_gcrl.task.task.Task. Check what it returns.",
        ),
    ],
)
def test_what_goes_wrong_in_a_file_is_told_by_its_line(text, message, tmp_path):
    # seen to fail with the first of the file's lines in the traceback (3 for the division) and
    # with `except ImportError` alone
    path = tmp_path / "mine.py"
    path.write_text(text)
    assert refusal(f"{path}:near") == message.format(path)


def test_an_error_in_a_file_has_exit_code_2_and_no_traceback(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text("1 / 0\n")
    for words in (["check", f"{path}:near"], ["train", "--task", f"{path}:near"]):
        assert cli.main(words) == 2
        assert (
            capsys.readouterr()
            .err.splitlines()[-1]
            .startswith(
                f"robot-gcrl: The task file {str(path)!r} fails in line 1: ZeroDivisionError"
            )
        )


def test_a_file_may_be_called_like_a_library_and_hold_dataclasses(tmp_path):
    # seen to fail without the entry in sys.modules, in which dataclasses look annotations up
    path = tmp_path / "numpy.py"
    path.write_text(
        "from __future__ import annotations\nimport dataclasses\n\n"
        "@dataclasses.dataclass\nclass Size:\n    x: float\n" + OWN.replace("7", "int(Size(9).x)")
    )
    assert load_task(f"{path}:near").episode_length == 9
    assert np.zeros(1).size == 1


def test_a_maze_for_a_task_without_one(tmp_path):
    path = tmp_path / "hall.txt"
    path.write_text("####\n#SG#\n####\n")
    for name in ("reacher", "ant_maze_big"):
        with pytest.raises(TaskError) as caught:
            load_task(name, maze=path)
        start, able = str(caught.value).split(" Tasks that take one: ")
        assert start == f"Task {name!r} takes no maze, got {str(path)!r}."
        able, end = able.split(". ", 1)
        assert {"ant_maze", "point_maze"} <= set(able.split(", ")) <= set(task_names())
        assert end == "Use one of these, or leave the maze out."


def test_two_files_with_one_name(tmp_path, monkeypatch):
    for name in ("first", "second"):
        (tmp_path / f"registry_{name}.py").write_text("TASKS = {'a': None}\n")
    monkeypatch.setattr(registry.robot_gcrl.tasks, "__path__", [str(tmp_path)])
    registry._factories.cache_clear()
    try:
        with pytest.raises(TaskError) as caught:
            task_names()
        assert str(caught.value) == (
            "The task 'a' of tasks/registry_second.py exists already. Expected every name once. "
            "Rename one of them."
        )
    finally:
        registry._factories.cache_clear()
