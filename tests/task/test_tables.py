"""The numbers of tasks/README.md are those of the code, and the table on a terminal is readable."""

import re

import pytest

from robot_gcrl.rooms import room
from robot_gcrl.task.layouts import LAYOUTS
from robot_gcrl.task.registry import load_task, task_names
from robot_gcrl.task.table import family_rows, format_rows, markdown_row, task_rows

TEXT = (room("tasks") / "README.md").read_text(encoding="utf-8")


def rows(pattern):
    return {match[1]: match for match in re.finditer(pattern, TEXT)}


@pytest.fixture(scope="module")
def code():
    return task_rows()


def measured(family):
    """What the section of measurements says of a family: least and greatest "any" of the seeds."""
    section = TEXT.partition("## Measured success")[2]
    task = family.removesuffix("[_LAYOUT]")
    found = re.findall(rf"\| `{task}` \| \d+ \| [^|]* \| ([\d.]+)% \(", section)
    values = sorted(float(value) for value in found)
    if not values:
        return ""
    span = f"{values[0]:g}%" if len(values) == 1 else f"{values[0]:g}% to {values[-1]:g}%"
    return f"{span} ({len(values)} seed{'s' if len(values) > 1 else ''})"


def test_every_task_has_its_row(code):
    # seen to fail with the radius 0.5 of `cheetah_easy` and with a task added to tasks/point.py
    for cells in family_rows(code):
        row = re.sub(r"\|  (?=\|)", "| ", f"{markdown_row(cells)} | {measured(cells['task'])} |")
        assert row in TEXT.splitlines(), (
            f"tasks/README.md, the first table: the row of {cells['task']} must read\n{row}"
        )


def test_no_row_is_of_a_task_that_is_gone(code):
    # seen to fail with a row of `ant_maz`
    table = TEXT.partition("## All tasks")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(.*?)` ", table, re.MULTILINE)
    assert named == [cells["task"] for cells in family_rows(code)]


def test_the_table_of_mazes():
    # seen to fail with 24 goal cells in the row of `big`
    found = rows(r"\| `(\w+)` \| (\d+) x (\d+) \| (\d+) \| (\d+).*? \| (\d+) \| (\d+)")
    assert set(found) == set(LAYOUTS)
    for name, maze in LAYOUTS.items():
        assert [int(number) for number in found[name].groups()[1:]] == [
            len(maze.rows),
            len(maze.rows[0]),
            len(maze.goal_cells),
            max(maze.path_lengths),
            len(maze.far_goals),
            load_task(f"ant_maze_{name}").episode_length,
        ]


def test_the_table_of_starts_and_goals():
    # seen to fail with an episode of 150 steps in the row of `point`
    found = rows(
        r"\| `(\w+)` \| ([\d.]+) s \| (\d+) steps, ([\d.]+) s[^|]* \| \w+ within ([\d.]+) m"
    )
    assert {"reacher", "arm_reach", "point", "ant"} <= set(found)
    for name, row in found.items():
        task = load_task(name)
        assert [float(number) for number in row.groups()[1:]] == pytest.approx(
            [
                task.contract.control_dt,
                task.episode_length,
                task.episode_length * task.contract.control_dt,
                task.contract.success[0].radius,
            ]
        ), name


def test_every_task_belongs_to_one_family(code):
    # seen to fail with the short name `ant_maze` in a family of its own
    assert [row["name"] for row in code] == list(task_names())
    families = {row["name"]: row["family"] for row in code}
    assert families["ant_maze"] == families["ant_maze_u7"] == "ant_maze[_LAYOUT]"
    assert families["ant"] == "ant"
    assert families["arm_reach_hard"] == "arm_reach_hard"


@pytest.mark.parametrize("width", [40, 100, 160])
def test_the_table_fits_the_terminal(code, width):
    # seen to fail without the wrapping of observations
    lines = format_rows(code, width=width).splitlines()
    assert max(map(len, lines)) <= max(width, 100) + 12
    starts = [lines[0].index(name) for name in ("robot", "episode", "goal", "radius")]
    of_point = next(line for line in lines if line.startswith("point "))
    assert [of_point[i:].split()[0] for i in starts] == ["point", "8", "x,", "0.5"]


def test_the_json_has_every_number(code):
    (hard,) = (row for row in code if row["name"] == "arm_reach_hard")
    assert hard["success"] == [{"labels": ["x", "y", "z"], "radius": 0.03}]
    assert hard["goal"][0]["label"] == "x"
    assert hard["goal"][0]["high"] == pytest.approx(0.2)
    assert (hard["control_dt"], hard["episode_seconds"]) == (0.05, 5.0)
    assert hard["observation"] == {"qpos": 7, "tip_in_world": 3, "tip_velocity_in_world": 3}
    assert hard["action"] == {"joint position delta": 7}
