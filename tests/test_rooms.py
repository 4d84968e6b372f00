"""What files in the rooms tasks/ and controllers/ may import (they lie outside the package)."""

import ast
import sys
from pathlib import Path

import pytest

from robot_gcrl.rooms import room

TASKS = {"numpy", "jax", "mujoco", "robot_gcrl.task", "robot_gcrl.contract"}
CONTROLLERS = {
    "numpy",
    "robot_gcrl.bridge",
    "robot_gcrl.contract",
    "robot_gcrl.errors",
    "robot_gcrl.policy.runtime",
}


# The scene, in MuJoCo; without JAX
SIMULATOR = {"mujoco", "robot_gcrl.policy.departure", "robot_gcrl.policy.scene"}


def imported(source: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{'.' * node.level}{node.module or ''}"}
    return names


def forbidden(source: str, allowed: set[str]) -> set[str]:
    return {
        name
        for name in imported(source)
        if name.split(".")[0] not in sys.stdlib_module_names
        and not any(name == a or name.startswith(f"{a}.") for a in allowed)
    }


def files(name: str) -> list[Path]:
    return sorted(room(name).glob("*.py"))


@pytest.mark.parametrize("path", files("tasks"), ids=lambda p: p.name)
def test_tasks_import_only_what_they_may(path):
    # seen to fail with `from robot_gcrl.errors import TaskError` in tasks/point.py
    assert forbidden(path.read_text(), TASKS) == set()


@pytest.mark.parametrize("path", files("tasks"), ids=lambda p: p.name)
def test_task_files_end_in_the_table_of_their_tasks(path):
    last = ast.parse(path.read_text()).body[-1]
    assert isinstance(last, ast.Assign)
    assert [t.id for t in last.targets if isinstance(t, ast.Name)] == ["TASKS"]


def test_controllers_import_only_what_they_may():
    # a program may be split: its parts are its neighbors
    neighbors = {f".{path.stem}" for path in files("controllers")}
    for path in files("controllers"):
        allowed = CONTROLLERS | neighbors | (SIMULATOR if path.name == "sim.py" else set())
        assert forbidden(path.read_text(), allowed) == set(), path


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("import brax", "brax"),
        ("from robot_gcrl import train", "robot_gcrl"),
        ("from robot_gcrl.taskless import x", "robot_gcrl.taskless"),
        ("def f():\n    import torch.nn", "torch.nn"),
        ("from . import ant", "."),
    ],
)
def test_the_search_finds_every_form_of_import(line, name):
    # seen to fail (third line) with startswith(a) in place of startswith(f"{a}.")
    assert forbidden(line, TASKS) == {name}


def test_the_search_lets_through_what_is_allowed():
    source = "import json, jax.numpy as jnp\nfrom robot_gcrl.task.task import Task\nimport mujoco"
    assert forbidden(source, TASKS) == set()
