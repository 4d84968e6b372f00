"""Whether a policy passes the gate."""

from collections.abc import Sequence
from typing import Any

LEAST_SUCCESS = 0.80
"""Of the policy in one program: below, a difference says nothing about the bridge."""
MARGIN = -0.03
"""Above which the whole interval of the difference must lie."""

_LIMITS = ("bounds", "velocity", "acceleration", "margin")


def judge(reference: dict[str, Any], clean: dict[str, Any]) -> dict[str, Any]:
    """The verdict on the row in which every command comes at once.

    Args:
      reference: `success_any` of the episodes in one program, as JSON.
      clean: the row, with `difference_any`, as JSON.

    Returns:
      "passed": True, False, or None where the policy is too weak to be judged; and "text".
    """
    low, high = clean["difference_any"]["ci95"]
    interval = f"[{100 * low:+.1f}, {100 * high:+.1f}] points"
    if reference["mean"] < LEAST_SUCCESS:
        return {
            "passed": None,
            "text": f"too weak to be judged: the policy's own success is {reference['mean']:.1%}, "
            f"at least {LEAST_SUCCESS:.0%} is needed (difference over the bridge {interval})",
        }
    if low > MARGIN:
        return {
            "passed": True,
            "text": f"passed: the difference over the bridge lies in {interval}, above "
            f"{100 * MARGIN:g}",
        }
    return {
        "passed": False,
        "text": f"failed: the difference over the bridge lies in {interval}, not above "
        f"{100 * MARGIN:g}",
    }


def remarks(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What a reader of the rows must know: limits that changed commands, commands too old."""
    found = []
    for row in rows:
        limits = [f"{name} {row['counts'][name]}" for name in _LIMITS if row["counts"][name]]
        if limits:
            found.append(f"{row['name']}: limits changed commands ({', '.join(limits)} ticks)")
        if row["is_clean"] and row["counts"]["ramped"]:
            found.append(f"{row['name']}: a ramp changed {row['counts']['ramped']} commands")
        if row["is_clean"] and row["counts"]["accepted"] != row["counts"]["reports"]:
            found.append(
                f"{row['name']}: {row['counts']['accepted']} commands were accepted for "
                f"{row['counts']['reports']} reports"
            )
        if row["counts"]["too_old"]:
            found.append(
                f"{row['name']}: the robots refused {row['counts']['too_old']} of "
                f"{row['counts']['reports']} commands as older than three control steps, and held "
                "or stopped"
            )
        if row["restarts"] and row["counts"]["sessions"] < 2:
            found.append(f"{row['name']}: the episodes were over before the server was restarted")
    return found
