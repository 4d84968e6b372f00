"""The table of tasks: what each one is, in numbers; tasks that differ in the maze share a row."""

import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from robot_gcrl.contract.contract import Contract
from robot_gcrl.task.layouts import LAYOUTS
from robot_gcrl.task.registry import load_task, task_names
from robot_gcrl.task.task import Task

Row = dict[str, Any]

_WIDTH = 100  # of a terminal, at least
_GAP = 2
# What is wrapped where a terminal is narrow, and the least width that it keeps
_LEAST = {"observation": 18, "goal": 12, "action": 14}
_NO_SENSORS = ("qpos", "qvel", "previous action")
_HEAD = ("task", "robot", "episode", "observation", "goal", "action", "radius")


def task_rows() -> list[Row]:
    """One JSON object for each task, in the order of names."""
    names = task_names()
    return [_row(name, load_task(name), _family(name, names)) for name in names]


def family_rows(rows: Sequence[Row]) -> list[dict[str, str]]:
    """The cells of one row for each family, by the names of the columns, and "about"."""
    return [
        _cells(list(members)) for _, members in groupby(_sorted(rows), key=lambda r: r["family"])
    ]


def format_rows(rows: Sequence[Row], *, width: int = _WIDTH) -> str:
    """The families as aligned text: numbers in a line, beneath it what the task is and needs.

    Args:
      rows: of `task_rows`.
      width: of the terminal, in characters; less than 100 count as 100.
    """
    width = max(width, _WIDTH)
    families = family_rows(rows)
    widths = _widths([dict(zip(_HEAD, _HEAD, strict=True)), *families], width)
    lines = ["  ".join(name.ljust(widths[name]) for name in _HEAD).rstrip()]
    for cells in families:
        wrapped = [textwrap.wrap(cells[name], widths[name]) or [""] for name in _HEAD]
        for i in range(max(map(len, wrapped))):
            parts = [(cell[i] if i < len(cell) else "") for cell in wrapped]
            lines.append(
                "  ".join(
                    part.ljust(widths[name]) for part, name in zip(parts, _HEAD, strict=True)
                ).rstrip()
            )
        lines += textwrap.wrap(
            cells["about"], width, initial_indent="    ", subsequent_indent="    "
        )
    layouts = ", ".join(LAYOUTS)
    note = (
        f"[_LAYOUT] stands for a maze: {layouts}; without one it is u, or a grid of your own by "
        "--maze FILE. --json has every task and every number."
    )
    return "\n".join((*lines, "", *textwrap.wrap(note, width)))


def markdown_row(cells: dict[str, str]) -> str:
    """A family's row of the table in tasks/README.md, without what was measured."""
    columns = (*(cells[name] for name in _HEAD[1:]), cells["needs"])
    return " | ".join((f"| `{cells['task']}`", *columns))


def _row(name: str, task: Task, family: str) -> Row:
    contract = task.contract
    return {
        "name": name,
        "family": family,
        "summary": task.summary,
        "robot": contract.robot,
        "control_dt": contract.control_dt,
        "episode_length": task.episode_length,
        "episode_seconds": round(contract.control_dt * task.episode_length, 9),
        "observation_size": contract.observation_size,
        "observation": _observation(contract),
        "action_size": contract.action_size,
        "action": _action(contract),
        "goal": [
            {"label": g.label, "unit": g.unit, "low": g.low, "high": g.high} for g in contract.goal
        ],
        "success_radius": [group.radius for group in contract.success],
        "success": [
            {"labels": list(group.labels), "radius": group.radius} for group in contract.success
        ],
        "needs": list(contract.needs),
        "terminal": [limit.field.name for limit in contract.healthy],
        "horizon": task.hints.horizon,
        "presets": sorted(task.hints.budgets),
        "realism": list(task.realism),
    }


def _family(name: str, names: Iterable[str]) -> str:
    """The name without its layout, if others differ from it in the layout alone."""
    stem, _, layout = name.rpartition("_")
    if layout in LAYOUTS and {f"{stem}_{other}" for other in LAYOUTS} & set(names) != {name}:
        return f"{stem}[_LAYOUT]"
    return f"{name}[_LAYOUT]" if f"{name}_u" in names else name


def _observation(contract: Contract) -> dict[str, int]:
    """How many components of joints' positions and velocities, previous action and each sensor."""
    counts: dict[str, int] = {}
    for field, _ in contract.components:
        source = field.name if field.source == "sensor" else field.source.replace("_", " ")
        counts[source] = counts.get(source, 0) + 1
    return counts


def _action(contract: Contract) -> dict[str, int]:
    counts: dict[str, int] = {}
    for mode in contract.action.modes:
        counts[mode.replace("_", " ")] = counts.get(mode.replace("_", " "), 0) + 1
    return counts


def _sorted(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["family"], row["name"]))


def _cells(members: Sequence[Row]) -> dict[str, str]:
    first = members[0]
    seconds = sorted({row["episode_seconds"] for row in members})
    length = f"{seconds[0]:.3g}" + (f"-{seconds[-1]:.3g}" if len(seconds) > 1 else "")
    needs = "; ".join(first["needs"])
    return {
        "task": first["family"],
        "robot": first["robot"],
        "episode": f"{length} s",
        "observation": _counted(first["observation_size"], _sensors_together(first["observation"])),
        "goal": _goal(first["goal"]),
        "action": _counted(first["action_size"], first["action"]),
        "radius": "; ".join(f"{radius:g}" for radius in first["success_radius"]),
        "needs": needs,
        "about": first["summary"] + (f" Needs: {needs}." if needs else ""),
    }


def _counted(total: int, counts: dict[str, int]) -> str:
    if len(counts) == 1:
        return f"{total} {next(iter(counts))}"
    return f"{total}: " + ", ".join(f"{name} {count}" for name, count in counts.items())


def _sensors_together(counts: dict[str, int]) -> dict[str, int]:
    """The counts with one number for all sensors, whose names would fill the table."""
    others = {name: counts[name] for name in counts if name in _NO_SENSORS}
    sensors = sum(counts.values()) - sum(others.values())
    return others | ({"sensors": sensors} if sensors else {})


def _goal(fields: Sequence[dict[str, Any]]) -> str:
    """Labels, those of one thing and of one unit together: "cube x, y, z [m], heading [rad]"."""
    units = []
    for unit, group in groupby(fields, key=lambda field: field["unit"]):
        things = []
        for thing, labels in groupby((f["label"] for f in group), lambda x: x.rpartition(".")[0]):
            named = ", ".join(label.rpartition(".")[2] for label in labels)
            things.append(f"{thing} {named}" if thing else named)
        units.append(f"{', '.join(things)} [{unit}]")
    return ", ".join(units)


def _widths(lines: Sequence[dict[str, str]], width: int) -> dict[str, int]:
    """Widths of the columns: the widest cell's, less where the table would be too wide."""
    widths = {name: max(len(line[name]) for line in lines) for name in _HEAD}
    while sum(widths.values()) + _GAP * (len(_HEAD) - 1) > width:
        spare = {name: widths[name] - least for name, least in _LEAST.items()}
        widest = max(spare, key=lambda name: spare[name])
        if spare[widest] <= 0:
            break
        widths[widest] -= 1
    return widths
