"""The gate with real processes and few episodes; what it comes to follows from the file alone."""

import dataclasses
import json
from typing import Any

import pytest

from robot_gcrl.bridge import children
from robot_gcrl.commands.gating import Gate
from robot_gcrl.errors import BridgeError, ConfigError, UnknownNameError
from robot_gcrl.gate import rows as gate_rows
from robot_gcrl.gate.gate import run_gate
from robot_gcrl.gate.rows import Row, make_rows
from robot_gcrl.gate.table import format_gate
from robot_gcrl.rooms import room
from tests.controllers.pushers import make_task, write_pusher
from tests.controllers.realism import write_departing

# No row but the clean one
ALONE: dict[str, Any] = {
    "delays": (),
    "jitters": (),
    "drops": (),
    "restart": False,
    "realtime_episodes": 0,
    "engine": "native",
}


@pytest.fixture(scope="module")
def result(pusher) -> dict:
    return run_gate(
        pusher.path,
        episodes=6,
        robots=3,
        delays=(0, 2),
        jitters=(),
        drops=(),
        realtime_episodes=1,
        engine="native",
    )


def test_over_the_bridge_nothing_differs(result):
    # seen to fail (first action) with --scale 0.5 given to the server
    clean = result["rows"][0]
    assert clean["name"] == "bridge"
    assert clean["success_any"] == result["reference"]["success_any"]
    assert clean["success_any"]["mean"] == 1.0
    assert clean["difference_any"]["better"] == clean["difference_any"]["worse"] == 0
    assert clean["difference_time_at_goal"] == {"mean": 0.0, "ci95": [0.0, 0.0], "n": 6}
    assert clean["first_action_difference"] == 0.0
    assert clean["distance"] == result["reference"]["distance"]
    assert clean["counts"]["ramped"] == 0
    assert clean["counts"]["accepted"] == clean["counts"]["reports"] > 0


def test_each_row_did_what_it_says(result):
    rows = {row["name"]: row for row in result["rows"]}
    assert list(rows) == ["bridge", "delay 2", "server restart", "real time"]
    assert rows["delay 2"]["counts"]["age_ms"] == 100.0
    assert rows["delay 2"]["first_action_difference"] is None
    assert rows["server restart"]["counts"]["sessions"] == 2
    assert rows["server restart"]["counts"]["ramped"] > 0
    assert rows["server restart"]["success_any"]["n"] == 6  # no lost episodes
    assert rows["real time"]["success_any"]["n"] == 1
    assert rows["real time"]["counts"]["age_ms"] > 0.0


def test_few_episodes_cannot_pass(result):
    assert result["verdict"]["passed"] is False
    assert result["remarks"] == []
    json.dumps(result, allow_nan=False)


def test_the_table_has_a_line_for_each_row(result):
    lines = format_gate(result).splitlines()
    assert lines[2].split()[:2] == ["in", "process"]
    assert [line[:16].strip() for line in lines[3:7]] == [row["name"] for row in result["rows"]]
    assert lines[-1].startswith("failed: ")


def test_the_exit_code_tells_who_passed(monkeypatch, result, tmp_path):
    monkeypatch.setattr("robot_gcrl.gate.gate.run_gate", lambda *_, **__: result)
    said = []
    gate = Gate(policy=tmp_path, json=True)
    assert gate.run(said.append) == 2
    assert json.loads(said[0]) == result
    monkeypatch.setitem(result, "verdict", {"passed": True, "text": "passed"})
    assert gate.run(said.append) == 0
    monkeypatch.setitem(result, "verdict", {"passed": None, "text": "weak"})
    assert gate.run(said.append) == 2


def test_a_server_that_cannot_start_is_quoted(pusher, monkeypatch):
    monkeypatch.setattr(
        gate_rows,
        "serve_command",
        lambda policy, endpoint, runtime: children.serve_command(
            policy, "tcp://127.0.0.1:99999", runtime=runtime
        ),
    )
    with pytest.raises(BridgeError, match=r"The policy server failed with exit code 2\. It said"):
        run_gate(pusher.path, episodes=1, robots=1, realtime_episodes=0)


@pytest.mark.parametrize(("episodes", "robots"), [(0, 1), (2049, 1), (1, 0)])
def test_numbers_out_of_range_are_refused(pusher, episodes, robots):
    with pytest.raises(ConfigError, match=f"The gate was given {episodes} episodes, {robots} robo"):
        run_gate(pusher.path, episodes=episodes, robots=robots)


@pytest.mark.slow  # a minute of processes
def test_each_level_has_a_row(tmp_path):
    file = write_departing(tmp_path / "pusher.policy")
    result = run_gate(
        file.path,
        episodes=6,
        robots=3,
        **ALONE,
        randomize="full",
    )
    assert [row["name"] for row in result["rows"]] == ["bridge", "realism low", "realism full"]
    assert [row["randomize"] for row in result["rows"]] == ["off", "low", "full"]
    distances = [row["distance"]["mean"] for row in result["rows"]]
    assert distances[0] == result["reference"]["distance"]["mean"]
    assert len(set(distances)) == 3
    assert [row["is_clean"] for row in result["rows"]] == [True, False, False]
    assert [row["first_action_difference"] is None for row in result["rows"]] == [
        False, True, True,
    ]  # fmt: skip


def test_a_level_that_the_file_lacks(tmp_path):
    path = write_pusher(tmp_path / "plain.policy", make_task(realism={})).path
    with pytest.raises(ConfigError) as caught:
        run_gate(path, randomize="low")
    assert str(caught.value) == (
        f"The policy file {path} has no realism of the level 'low'. It has: off. Choose one of "
        "these for --randomize."
    )


def test_a_robot_of_ones_own_needs_its_profile(tmp_path):
    # Seen to fail: no option, and the simulated robots ended with exit code 2
    task = make_task()
    mine = dataclasses.replace(task.contract, robot="mine")
    path = write_pusher(tmp_path / "mine.policy", dataclasses.replace(task, contract=mine)).path
    with pytest.raises(UnknownNameError, match="Unknown profile 'mine'"):
        run_gate(path)
    profile = tmp_path / "mine.toml"
    text = (room("controllers") / "profiles" / "point.toml").read_text()
    profile.write_text(text.replace('robot = "point"', 'robot = "mine"'))
    result = run_gate(
        path,
        episodes=2,
        robots=2,
        **ALONE,
        profile=str(profile),
    )
    assert result["rows"][0]["success_any"]["mean"] == 1.0


def test_the_rows_are_those_asked_for():
    rows = make_rows(delays=(0, 1), jitters=(2,), drops=(0.0, 0.05), restart=False, real_time=False)
    assert rows == [
        Row(name="bridge"),
        Row(name="delay 1", delay=1),
        Row(name="jitter 0 to 2", jitter=2),
        Row(name="drops 5%", drop=0.05),
    ]
    assert [row.is_clean for row in rows] == [True, False, False, False]
    levels = make_rows(
        delays=(), jitters=(), drops=(), restart=False, real_time=True, levels=("low", "full")
    )
    assert [row.name for row in levels] == ["bridge", "realism low", "realism full", "real time"]
