"""The verdict, on differences whose intervals are known."""

import numpy as np

from robot_gcrl.gate.paired import rate_difference
from robot_gcrl.gate.verdict import judge, remarks
from robot_gcrl.train.evaluate import wilson


def verdict(n: int, *, reached: int, worse: int, better: int = 0) -> dict:
    """Of n episodes of which the program reaches the goal in `reached`."""
    reference = np.arange(n) < reached
    other = reference.copy()
    other[:worse] = False
    other[reached : reached + better] = True
    row = {"difference_any": rate_difference(reference, other)}
    return judge(wilson(float(reached), n), row)


def test_equal_episodes_pass_if_there_are_enough():
    # without a difference the interval is +-z^2 / (n + z^2): 0.74 points of 512, 3.1 of 120
    assert verdict(512, reached=500, worse=0) == {
        "passed": True,
        "text": "passed: the difference over the bridge lies in [-0.7, +0.7] points, above -3",
    }
    assert verdict(120, reached=119, worse=0)["passed"] is False
    assert verdict(126, reached=126, worse=0)["passed"] is True


def test_a_loss_that_reaches_three_points_fails():
    # seen to fail with the mean in place of the interval's lower end
    assert verdict(512, reached=480, worse=5)["passed"] is True
    lost = verdict(512, reached=480, worse=9)
    assert lost["passed"] is False
    assert lost["text"].startswith("failed: the difference over the bridge lies in [-3.3, ")


def test_a_gain_passes():
    assert verdict(512, reached=450, worse=0, better=20)["passed"] is True


def test_a_weak_policy_is_not_judged():
    # seen to fail with `>` in place of `<`: 80% itself is enough
    weak = verdict(512, reached=409, worse=0)
    assert weak["passed"] is None
    assert weak["text"] == (
        "too weak to be judged: the policy's own success is 79.9%, at least 80% is needed "
        "(difference over the bridge [-0.7, +0.7] points)"
    )
    assert verdict(500, reached=400, worse=0)["passed"] is True


def row(name="bridge", *, clean=True, restarts=False, **counts) -> dict:
    none = dict.fromkeys(
        ("bounds", "velocity", "acceleration", "margin", "ramped", "too_old", "holds"), 0
    )
    known = none | {"sessions": 1, "reports": 100, "accepted": 100} | counts
    return {"name": name, "is_clean": clean, "restarts": restarts, "counts": known}


def test_a_clean_row_needs_no_remark():
    assert remarks([row(), row("drops 20%", clean=False, accepted=80)]) == []


def test_what_touched_the_commands_is_said():
    rows = [
        row(velocity=3, margin=1, ramped=5, accepted=98),
        row("delay 4", clean=False, too_old=96, accepted=0),
        row("server restart", clean=False, restarts=True),
    ]
    assert remarks(rows) == [
        "bridge: limits changed commands (velocity 3, margin 1 ticks)",
        "bridge: a ramp changed 5 commands",
        "bridge: 98 commands were accepted for 100 reports",
        "delay 4: the robots refused 96 of 100 commands as older than three control steps, and "
        "held or stopped",
        "server restart: the episodes were over before the server was restarted",
    ]
