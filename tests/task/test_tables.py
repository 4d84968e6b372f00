"""The numbers of tasks/README.md are those of the code."""

import re

from robot_gcrl.rooms import room
from robot_gcrl.task.layouts import LAYOUTS
from robot_gcrl.task.registry import load_task

TEXT = (room("tasks") / "README.md").read_text(encoding="utf-8")


def rows(pattern):
    return {match[1]: match for match in re.finditer(pattern, TEXT)}


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


def test_the_table_of_tasks():
    # seen to fail with an episode of 150 steps in the row of `point`
    found = rows(r"\| `(\w+)` \| ([\d.]+) s \| (\d+) steps, (\d+) s \| \w+ within ([\d.]+) m")
    assert {"reacher", "arm_reach", "point", "ant"} <= set(found)
    for name, row in found.items():
        task = load_task(name)
        (group,) = task.contract.success
        assert [float(number) for number in row.groups()[1:]] == [
            task.contract.control_dt,
            task.episode_length,
            task.episode_length * task.contract.control_dt,
            group.radius,
        ]
