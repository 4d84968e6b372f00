"""The figures of `bench_serve` for a terminal."""

from typing import Any


def format_serve(result: dict[str, Any]) -> str:
    """The result of `bench_serve` as lines."""
    sizes, codec = result["sizes"], result["encode_decode_us"]
    many, fast, restart = result["many"], result["fast"], result["restart"]
    lines = [
        f"{result['policy']}, {result['runtime']}; report {sizes['report']} bytes, command "
        f"{sizes['command']} bytes",
        f"{'':32} {'median':>10} {'p99':>10}",
        _times("bare ZeroMQ echo over ipc", result["echo_us"]),
        *(_times(f"inference, {name}", row) for name, row in result["inference_us"].items()),
        _times("report -> command", result["round_trip_us"]),
        f"encode + decode: report {codec['report']:.1f} us, command {codec['command']:.1f} us",
        f"{fast['hz']:g} Hz for {fast['seconds']:g} s: {fast['missed']} of {fast['ticks']} ticks "
        f"missed, {fast['late_share']:.2%} of commands late, at most {fast['latest_ms']:.2f} ms "
        "behind",
        f"{many['robots']} robots at {many['hz']:g} Hz for {many['seconds']:g} s: "
        f"{many['commands_per_robot_s']:.1f} commands/s each, the least served "
        f"{many['least_commands_per_s']:.1f} ({many['least_served_share']:.1%} of its reports)"
        + _cores(many["server_cpu_s_per_s"]),
        f"server restart: first command {restart['from_listening_s']:.2f} s after it listens, "
        f"{restart['from_start_s']:.2f} s after it was started",
    ]
    return "\n".join([*lines, *map(_goal, result["goals"])])


def _times(name: str, row: dict[str, Any]) -> str:
    return f"{name:32} {row['median']:7.1f} us {row['p99']:7.1f} us"


def _cores(seconds: float | None) -> str:
    return "" if seconds is None else f", {seconds:.2f} cores of the server"


def _goal(goal: dict[str, Any]) -> str:
    mark = {True: "ok", False: "MISSED", None: "not measured"}[goal["ok"]]
    value = "-" if goal["value"] is None else f"{goal['value']:.3g}"
    return f"  {goal['name']:36} {value:>8}  at most {goal['limit']:g}  {mark}"
