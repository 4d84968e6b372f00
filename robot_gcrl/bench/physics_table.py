"""The figures of `bench_physics` for a terminal, and as rows of a Markdown table."""

from typing import Any

_MIB = 2**20


def format_physics(result: dict[str, Any]) -> str:
    """The result of `bench_physics` as lines."""
    head = ("task", "worlds", "control/s", "physics/s", "bare", "of bare", "env. cost", "memory")
    rows = [head, *(_cells(row) for row in result["rows"])]
    widths = [max(len(line[i]) for line in rows) for i in range(len(head))]
    lines = [f"engine {result['engine']}, {result['cores']} cores, {result['seconds']:g} s each"]
    for name, *cells in rows:
        right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join((name.ljust(widths[0]), *right)))
    lines += [
        f"{row['task']}: MJX cannot: {row['refused']}"
        if "refused" in row
        else f"{row['task']}: MJX compiles its step in {row['seconds']:.1f} s"
        for row in result["compilation"]
    ]
    return "\n".join([*lines, *map(_goal, result["goals"])])


def markdown_physics(result: dict[str, Any]) -> str:
    """The result of `bench_physics` as a Markdown table, as docs/benchmarks.md has it."""
    seconds = {row["task"]: row for row in result["compilation"]}
    lines = [
        "| task | worlds | control steps/s | physics steps/s | bare Batch loop | ratio "
        "| environment beyond the engine | memory: expected, resident | MJX compiles its step |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        compiled = seconds.pop(row["task"], None)  # said once for each task
        last = "" if compiled is None else _compiled(compiled)
        name, *cells = _cells(row)
        lines.append(" | ".join((f"| `{name}`", *cells, f"{last} |")))
    return "\n".join(lines)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if "refused" in row:
        return (row["task"], str(row["num_envs"]), "refused", "", "", "", "", "")
    control, physics = row["control_steps_per_second"], row["physics_steps_per_second"]
    ratio = row["engine_over_bare"]
    return (
        row["task"],
        f"{row['num_envs']}",
        f"{control['environment']:,.0f}",
        f"{physics['engine']:,.0f}",
        "" if ratio is None else f"{physics['bare']:,.0f}",
        "" if ratio is None else f"{ratio:.2f}",
        f"{row['environment_cost']:+.1%}",
        _memory(row),
    )


def _memory(row: dict[str, Any]) -> str:
    memory = row["memory"]
    if memory["resident"] is None:
        return "not known"
    return f"{memory['expected'] / _MIB:,.0f}, {memory['resident'] / _MIB:,.0f} MiB"


def _compiled(row: dict[str, Any]) -> str:
    return "refused" if "refused" in row else f"{row['seconds']:.1f} s"


def _goal(goal: dict[str, Any]) -> str:
    mark = {True: "ok", False: "MISSED", None: "not measured"}[goal["ok"]]
    value = "-" if goal["value"] is None else f"{goal['value']:.3g}"
    return f"  {goal['name']:38} {value:>8}  limit {goal['limit']:g}  {mark}"
