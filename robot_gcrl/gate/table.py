"""The gate's result for a terminal."""

from typing import Any


def format_gate(result: dict[str, Any]) -> str:
    """The result of `run_gate` as lines."""
    lines = [
        f"{result['task']}: {result['episodes']} episodes of {result['policy']}, engine "
        f"{result['engine']}, runtime {result['runtime']}, {result['robots']} robots in lockstep",
        f"{'':16} {'n':>5} {'any':>23} {'final':>7} {'difference any, points':>24} "
        f"{'final, points':>22} {'first action':>13} {'holds':>7} {'stops':>6} {'age':>8}",
        _rates("in process", result["reference"]),
    ]
    lines += [_rates(row["name"], row) + _differences(row) for row in result["rows"]]
    lines += [f"note: {text}" for text in result["remarks"]]
    return "\n".join([*lines, result["verdict"]["text"]])


def _rates(name: str, row: dict[str, Any]) -> str:
    reached = row["success_any"]
    low, high = reached["ci95"]
    reach = f"{reached['mean']:.1%} [{low:.1%}, {high:.1%}]"
    return f"{name:16} {reached['n']:5} {reach:>23} {row['success_final']['mean']:7.1%}"


def _differences(row: dict[str, Any]) -> str:
    counts, first = row["counts"], row["first_action_difference"]
    stops = counts["link_stops"] + counts["latched_stops"]
    age = "-" if counts["age_ms"] is None else f"{counts['age_ms']:.1f} ms"
    return (
        f" {_points(row['difference_any']):>24} {_points(row['difference_final']):>22} "
        f"{'-' if first is None else f'{first:.1e}':>13} {counts['holds']:7} {stops:6} {age:>8}"
    )


def _points(difference: dict[str, Any]) -> str:
    low, high = difference["ci95"]
    return f"{100 * difference['mean']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
