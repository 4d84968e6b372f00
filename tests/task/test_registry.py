import jax
import numpy as np
import pytest

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
    short = {"ant_maze": "ant_maze_u", "point_maze": "point_maze_u"}
    for name in task_names():
        assert load_task(name).name == short.get(name, name)


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


def test_a_maze_for_a_task_without_one(tmp_path):
    path = tmp_path / "hall.txt"
    path.write_text("####\n#SG#\n####\n")
    for name in ("reacher", "ant_maze_big"):
        with pytest.raises(TaskError) as caught:
            load_task(name, maze=path)
        assert str(caught.value) == (
            f"Task {name!r} takes no maze, got {str(path)!r}. Tasks that take one: ant_maze, "
            "point_maze. Use one of these, or leave the maze out."
        )


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
