"""CONTRIBUTING.md's example of a task is complete."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from robot_gcrl.task.check import check_task
from robot_gcrl.task.registry import load_task
from robot_gcrl.task.task import Distribution
from tests.test_rooms import TASKS, forbidden

BLOCKS = re.findall(
    r"```python\n(.*?)```",
    (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8"),
    re.DOTALL,
)


def test_the_example_is_a_task_that_conforms(tmp_path):
    # seen to fail with the goal's `low` in the example raised to 0.6
    path = tmp_path / "my_task.py"
    path.write_text(BLOCKS[0])
    task = load_task(f"{path}:pendulum_height")
    assert [check for check in check_task(task) if check.problems] == []
    own: dict = {}
    exec(BLOCKS[1], own)
    other = Distribution(start=task.eval.start, goal=own["upright_goals"])
    assert [c for c in check_task(replace(task, eval=other)) if c.problems] == []


def test_the_example_imports_what_tasks_may():
    for block in BLOCKS:
        assert forbidden(block, TASKS) == set()


def test_the_forms_are_forms_and_name_pages_that_exist():
    root = Path(__file__).parent.parent
    forms = sorted((root / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    if not forms:
        pytest.skip("an sdist has no .github")
    assert [form.stem for form in forms] == ["bug", "config", "question", "task"]
    for form in forms:
        text = form.read_text(encoding="utf-8")
        assert isinstance(yaml.safe_load(text), dict)
        for page in re.findall(r"docs/[a-z_]+\.md", text):
            assert (root / page).exists(), page
    assert "robot-gcrl doctor" in (root / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text()
