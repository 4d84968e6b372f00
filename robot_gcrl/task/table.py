"""The table of tasks: what each one is, in numbers."""

from collections.abc import Sequence
from typing import Any

from robot_gcrl.task.registry import load_task, task_names


def task_rows() -> list[dict[str, Any]]:
    """One JSON object for each task, in the order of names."""
    return [_row(name) for name in task_names()]


def _row(name: str) -> dict[str, Any]:
    task = load_task(name)
    contract = task.contract
    return {
        "name": name,
        "summary": task.summary,
        "robot": contract.robot,
        "control_dt": contract.control_dt,
        "episode_length": task.episode_length,
        "observation_size": contract.observation_size,
        "action_size": contract.action_size,
        "goal": [field.label for field in contract.goal],
        "success_radius": [group.radius for group in contract.success],
        "presets": sorted(task.hints.budgets),
    }


def format_rows(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as aligned text: name, control step [s], episode [s], sizes, goal, summary."""
    head = ("task", "step", "episode", "O", "A", "goal", "radius", "what it is")
    cells = [
        head,
        *(
            (
                row["name"],
                f"{row['control_dt']:g} s",
                f"{row['control_dt'] * row['episode_length']:g} s",
                str(row["observation_size"]),
                str(row["action_size"]),
                " ".join(row["goal"]),
                " ".join(f"{radius:g}" for radius in row["success_radius"]),
                row["summary"],
            )
            for row in rows
        ),
    ]
    widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )
