"""The examples of docs/tasks.md, as they stand there: checked, trained, measured, exported, run."""

import dataclasses
import re
import shlex
from pathlib import Path

import pytest

from robot_gcrl import cli
from robot_gcrl.contract import Field
from robot_gcrl.contract.plan import make_plan
from robot_gcrl.errors import ContractError
from robot_gcrl.policy.runtime import load_policy
from robot_gcrl.task.registry import load_task
from tests.test_rooms import TASKS, forbidden

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")
# What makes a command of the page take seconds instead of minutes
BRIEF = {
    "train": ["--preset", "smoke", "--engine", "native", "--num-envs", "8", "--evaluations", "1"],
    "evaluate": ["--episodes", "8"],
}


def part(title):
    """The blocks under a heading: [(language, text)]."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found is not None, title
    return re.findall(r"```(\w+)\n(.*?)```", found[1], re.DOTALL)


def only(blocks, language):
    return [text for kind, text in blocks if kind == language]


def run_commands(blocks):
    for line in "".join(only(blocks, "sh")).splitlines():
        program, *words = shlex.split(line)
        assert program == "robot-gcrl"
        assert cli.main([*words, *BRIEF.get(words[0], [])]) == 0, line


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_maze_is_one(folder, capsys):
    # seen to fail with a row of the page's grid one cell shorter
    blocks = part("A maze")
    (grid,) = only(blocks, "text")
    (folder / "my_grid.txt").write_text(grid)
    run_commands(blocks)
    assert "Task 'point_maze_my_grid' keeps the rules" in capsys.readouterr().out


def test_the_task_goes_from_its_file_to_a_policy(folder, capsys):
    # seen to fail with the page's `rim` of two numbers (check: goal has shape (2,))
    blocks = part("A task")
    (example,) = only(blocks, "python")
    assert len(example.splitlines()) < 40
    assert forbidden(example, TASKS) == set()
    (folder / "my_task.py").write_text(example)
    run_commands(blocks)
    assert "Task 'reach_cup' keeps the rules" in capsys.readouterr().out
    assert load_policy(folder / "runs" / "cup" / "policy" / "reach_cup.policy")


def test_the_robot_goes_from_its_mjcf_to_a_policy_that_moves_it(folder, capsys):
    # seen to fail with the page's actuator called `force` in gantry.xml
    blocks = part("A robot")
    (mjcf,) = only(blocks, "xml")
    task, steps = only(blocks, "python")
    assert forbidden(task, TASKS) == set()
    (folder / "gantry.xml").write_text(mjcf)
    (folder / "gantry.py").write_text(task)
    run_commands(blocks)
    assert (
        "Task 'gantry' keeps the rules, on the engines native and mjx." in capsys.readouterr().out
    )
    names: dict = {}
    exec(compile(steps, "docs/tasks.md", "exec"), names)
    assert names["data"].time == pytest.approx(1.0)
    assert abs(names["data"].qpos[0]) > 0.0


def test_the_realism_of_the_page_fits_its_gantry(folder):
    # Seen to fail: without the field of the previous action, which the page did not have
    blocks = part("A robot")
    task = only(blocks, "python")[0]
    (folder / "gantry.xml").write_text(only(blocks, "xml")[0])
    (folder / "gantry.py").write_text(task)
    levels, field = only(part("Realism"), "python")
    names: dict = {}
    exec(compile(levels, "docs/tasks.md", "exec"), names)
    gantry = load_task("gantry.py:gantry")
    (previous,) = eval(field, {"Field": Field})
    contract = dataclasses.replace(
        gantry.contract, observation=(*gantry.contract.observation, previous)
    )
    model = gantry.scene.compile()
    for level in names["levels"].values():
        make_plan(level, contract, model, substeps=5, variants=4)
        with pytest.raises(ContractError, match="does not observe the action of 'rail' 1 control"):
            make_plan(level, gantry.contract, model, substeps=5, variants=4)
