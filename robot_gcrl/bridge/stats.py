"""`robot-gcrl bridge stats`: what a recording says of ages, round trips, rates, drops and clips."""

from array import array
from pathlib import Path
from typing import Any

import numpy as np

from robot_gcrl.bridge.record import read_recording
from robot_gcrl.bridge.tally import SPANS, Tallies, Tally
from robot_gcrl.contract import Contract
from robot_gcrl.errors import BridgeError, ContractError

_DROPS = ("superseded", "stale", "bad", "fenced", "missing")
_SILENT = ("no_goal", "stopped")
_CLIPS = ("clipped_by_robot", "reports_with_clips", "clipped_by_server")
_QUANTILES = {"median": 50, "p90": 90, "p99": 99, "max": 100}


def recording_stats(path: Path) -> dict[str, Any]:
    """What was measured, for `--json`; None stands for what was not.

    Keys: policy, task, control_dt_s, started, seconds, frames, trained_delay_s (least and greatest
    age of an action in training; None in a recording that does not say), robots. Of each robot:
    sessions, reports, rate_hz, commands and commands_not_sent (of these, in a dry run), age_ms and
    round_trip_ms (n, median, p90, p99, max), older_than_a_period and within_trained_delay (shares
    of the ages), dropped (by cause: superseded by a newer report before it was answered, stale at
    the server, bad, fenced with its old session, missing on the way), without_command (by cause),
    clips, holds, link_stops and latched_stops (count, total_s, longest_s), goals and goals_refused.

    Raises:
      BridgeError: it is no recording, or damaged.
    """
    header, entries = read_recording(path)
    contract, trained = recorded_contract(path, header), _trained_delay(header)
    tallies, first, last, frames = Tallies(), None, 0, 0
    for entry in entries:
        tallies.add(entry)
        first = entry.at_ns if first is None else first
        last, frames = entry.at_ns, frames + 1
    tallies.finish()
    return {
        "policy": header.get("policy"),
        "task": contract.name,
        "control_dt_s": contract.control_dt,
        "started": header.get("started"),
        "seconds": None if first is None else (last - first) / 1e9,
        "frames": frames,
        "trained_delay_s": trained,
        "robots": {
            robot: _robot(tally, contract.control_dt, trained)
            for robot, tally in sorted(tallies.by_robot.items())
        },
    }


def format_stats(stats: dict[str, Any]) -> str:
    """The same as a table."""
    seconds = stats["seconds"]
    frames = f"{stats['frames']} frames" + ("" if seconds is None else f" in {seconds:.1f} s")
    lines = [f"{stats['policy']}: {frames}, recorded {stats['started']}"]
    for robot, found in stats["robots"].items():
        lines += ["", robot, *(f"  {name:<14}{text}" for name, text in _lines(found))]
    if not stats["robots"]:
        lines += ["", "no robot had a session"]
    lines += [
        "",
        f"{_trained_text(stats['trained_delay_s'])} A control period is "
        f"{stats['control_dt_s'] * 1e3:g} ms.",
    ]
    return "\n".join(lines)


def recorded_contract(path: Path, header: dict[str, Any]) -> Contract:
    """The contract of a recording.

    Raises:
      BridgeError: its header holds none that this version can read.
    """
    try:
        return Contract.from_json(str(header.get("contract")))
    except ContractError as error:
        raise BridgeError(
            f"The recording {path} cannot be used: {error} Read it with the version of robot-gcrl "
            "that wrote it."
        ) from error


def _trained_delay(header: dict[str, Any]) -> list[float] | None:
    """[least, greatest] [s]; recordings of older servers do not say it."""
    found = header.get("trained_delay")
    if not isinstance(found, list | tuple) or len(found) != 2:
        return None
    numbers = [float(value) for value in found if isinstance(value, int | float)]
    return numbers if len(numbers) == 2 else None


def _trained_text(trained: list[float] | None) -> str:
    if trained is None:
        return "The recording does not say which delays the policy was trained with."
    low, high = (1e3 * value for value in trained)
    if high == 0.0:
        return (
            "The policy was trained without delay: an action was applied at the instant of its "
            "report."
        )
    return f"The policy was trained with delays of {low:g} to {high:g} ms."


def _robot(tally: Tally, control_dt: float, trained: list[float] | None) -> dict[str, Any]:
    counts = tally.counts
    rate = tally.intervals / (tally.served_ns / 1e9) if tally.served_ns > 0 else None
    ages = np.array(tally.ages)
    older = float((ages > control_dt * 1e9).mean()) if ages.size else None
    return {
        "sessions": tally.sessions,
        "reports": tally.reports,
        "rate_hz": rate,
        "commands": tally.commands,
        "commands_not_sent": counts["dry"],
        "age_ms": _distribution(tally.ages),
        "round_trip_ms": _distribution(tally.round_trips),
        "older_than_a_period": older,
        "within_trained_delay": _share_within(ages, trained),
        "dropped": {name: counts[name] for name in _DROPS},
        "without_command": {name: counts[name] for name in _SILENT},
        "clips": {name: counts[name] for name in _CLIPS},
        **{name: _durations(tally.spans[name]) for name in SPANS},
        "goals": counts["goals"],
        "goals_refused": counts["goals_refused"],
    }


def _share_within(ages: np.ndarray, trained: list[float] | None) -> float | None:
    """Of ages [ns]; nothing lies within the delays of a policy that had none."""
    if trained is None or trained[1] == 0.0 or not ages.size:
        return None
    return float(((ages >= 1e9 * trained[0]) & (ages <= 1e9 * trained[1])).mean())


def _distribution(values: array) -> dict[str, Any]:
    if not values:
        return {"n": 0} | dict.fromkeys(_QUANTILES)
    found = np.percentile(np.array(values), list(_QUANTILES.values())) / 1e6
    return {"n": len(values)} | dict(zip(_QUANTILES, found.tolist(), strict=True))


def _durations(values: array) -> dict[str, Any]:
    seconds = [value / 1e9 for value in values]
    return {"count": len(seconds), "total_s": sum(seconds), "longest_s": max(seconds, default=None)}


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    rate = "" if found["rate_hz"] is None else f" at {found['rate_hz']:.2f} Hz"
    older, not_sent = found["older_than_a_period"], found["commands_not_sent"]
    dry = f", {not_sent} of them not sent" if not_sent else ""
    lines = [
        ("reports", f"{found['reports']}{rate}; sessions {found['sessions']}"),
        ("commands", f"{found['commands']}{dry}; none for: {_listed(found['without_command'])}"),
        ("age", _spread(found["age_ms"])),
        ("round trip", _spread(found["round_trip_ms"])),
        ("dropped", _listed(found["dropped"])),
        ("clipped", _listed(found["clips"])),
    ]
    within = found["within_trained_delay"]
    if within is not None:
        lines.insert(3, ("", f"{within:.1%} of the commands were within the trained delays"))
    if older is not None:
        lines.insert(3, ("", f"{older:.1%} of the commands were older than a control period"))
    for name in SPANS:
        held = found[name]
        longest = f", longest {held['longest_s']:.2f} s" if held["count"] else ""
        text = f"{held['count']}, {held['total_s']:.2f} s in all{longest}"
        lines.append((name.replace("_", " "), text))
    lines.append(("goals", f"{found['goals']} set, {found['goals_refused']} refused"))
    return lines


def _spread(found: dict[str, Any]) -> str:
    if not found["n"]:
        return "not measured"
    values = ", ".join(f"{name} {found[name]:.2f}" for name in _QUANTILES)
    return f"{values} ms (n {found['n']})"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items())
