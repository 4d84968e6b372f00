"""What the doctor of the bridge finds, and how it says to mend it."""

import dataclasses
import json

import pytest

from robot_gcrl.bridge import diagnose as module
from robot_gcrl.bridge.diagnose import Finding, diagnose, findings_data, format_findings
from robot_gcrl.bridge.endpoint import Registration, default_endpoint, parse_endpoint, stops_file
from robot_gcrl.bridge.keys import make_keys
from robot_gcrl.bridge.messages import Flag
from robot_gcrl.bridge.security import ClientSecurity
from robot_gcrl.bridge.settings import Settings
from tests.bridge.fakes import MS, cart_contract
from tests.bridge.loopback import goal, serving
from tests.bridge.robots import Robot
from tests.bridge.test_operate import COUNTERS, STATE


@pytest.fixture(autouse=True)
def folder(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("d")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_no_server_is_one_finding():
    assert diagnose(None) == [
        Finding(
            "server",
            False,
            "No policy server of this user runs on this machine. Expected one. Start it with: "
            "robot-gcrl serve NAME.policy; or name one with --connect.",
        )
    ]


def test_a_server_in_order(folder):
    endpoint = default_endpoint("cart")
    sha = cart_contract().sha256[:12]
    with (
        Registration(endpoint, "cart 123"),
        serving(folder, endpoint=endpoint),
        Robot(endpoint, goal=goal(1.0, 1.0)),
    ):
        findings = diagnose(None)
    found = by_name(findings)
    assert found["server"].text.startswith(f"{endpoint.text} serves cart 123 (")
    assert found["socket"] == Finding("socket", True, f"{endpoint.telemetry[6:]}")
    assert found["keys"] == Finding("keys", True, "none: this machine alone can connect")
    assert found["policy"] == Finding("policy", True, "cart 123")
    assert found["contract"] == Finding("contract", True, f"'cart' for cart, {sha}")
    assert found["round trip"].text.endswith("of 20; a period is 20 ms")
    assert found["cart0"].text.startswith("runs")
    wrong = [finding for finding in findings if not finding.ok]
    assert [f for f in wrong if f.name not in ("round trip", "cart0")] == []  # a busy machine
    assert findings_data(findings)["ok"] == (not wrong)
    assert json.loads(json.dumps(findings_data(findings)))["findings"][0]["name"] == "server"


def test_modes_and_missing_robots_and_stops_are_shown(folder):
    endpoint = default_endpoint("cart")
    settings = Settings(policy="cart 123", scale=0.2, dry_run=True)
    stops_file(endpoint).write_text(json.dumps({"*": "fire", "cart1": "smoke"}))
    with serving(folder, endpoint=endpoint, settings=settings):
        findings = diagnose(endpoint.text)
    texts = [finding.text for finding in findings]
    assert "dry run: no command is sent" in texts
    assert "motion is scaled by 0.2" in texts
    assert [f for f in findings if f.name == "stops"] == [
        Finding(
            "stops",
            False,
            "every robot must stay stopped: fire",
            "make sure that it may move, then: robot-gcrl clear --robot '*'",
        ),
        Finding(
            "stops",
            False,
            "cart1 must stay stopped: smoke",
            "make sure that it may move, then: robot-gcrl clear --robot 'cart1'",
        ),
    ]
    assert by_name(findings)["robots"] == Finding(
        "robots",
        False,
        "none is connected",
        "robot-gcrl controller sim --policy NAME.policy, or your robot's program",
    )


def test_a_registration_that_a_killed_server_left_is_told_from_a_live_one(folder):
    endpoint = default_endpoint("cart")
    stale = default_endpoint("old")
    path = stops_file(stale).with_suffix(".server")
    path.write_text(json.dumps({"endpoint": stale.text, "policy": "old", "pid": 12}))
    broken = path.with_name("x.server")
    broken.write_text("{")
    with Registration(endpoint, "cart 123"):
        findings = diagnose(None, timeout=0.1)
    assert [f for f in findings if f.name in ("server", "registration")][1:] == [
        Finding(
            "registration",
            True,
            f"{stale.text} of process 12 ended without a word",
            f"nothing; or rm {path}",
        ),
        Finding("registration", False, f"{broken} is no JSON", f"rm {broken}"),
    ]


def test_sockets_that_are_missing_or_none(folder):
    endpoint = parse_endpoint(f"ipc://{folder}/s")
    (folder / "s.control").touch()
    findings = diagnose(endpoint.text, timeout=0.1)
    sockets = [finding for finding in findings if finding.name == "socket"]
    assert sockets == [
        Finding(
            "socket",
            False,
            f"{folder}/s.control is no socket",
            f"rm {folder}/s.control, start the server",
        ),
        Finding(
            "socket",
            False,
            f"{folder}/s.telemetry: No such file or directory",
            "start the server: robot-gcrl serve NAME.policy",
        ),
    ]
    assert by_name(findings)["connection"].text.startswith("No policy server answered at")


def test_a_folder_of_sockets_that_others_can_change(folder):
    place = folder / "open"
    place.mkdir()
    place.chmod(0o777)
    endpoint = parse_endpoint(f"ipc://{place}/s")
    with serving(folder, endpoint=endpoint):
        findings = diagnose(endpoint.text)
    assert by_name(findings)["socket"] == Finding(
        "socket", False, f"{place} can be written by others (mode 777)", f"chmod go-w {place}"
    )


def test_another_machine_without_keys_is_told_so():
    findings = by_name(diagnose("tcp://192.0.2.1:5570", timeout=0.1))
    assert findings["address"].text == "tcp://192.0.2.1:5570 can be reached by other machines too"
    assert findings["keys"] == Finding(
        "keys",
        False,
        "none, and the server is on another machine",
        "make some with robot-gcrl keys; give --keys to the server and --key here",
    )


def test_a_server_that_listens_to_all_is_not_called_closed(folder):
    # Seen to fail: asked by 127.0.0.1, "this machine alone can connect"
    with Registration(parse_endpoint("tcp://0.0.0.0:45570"), "cart 123"):
        for connect in ("tcp://127.0.0.1:45570", None):
            found = by_name(diagnose(connect, timeout=0.1))
            assert found["address"].text == (
                "tcp://0.0.0.0:45570 can be reached by other machines too"
            )
            assert not found["keys"].ok
            assert found["keys"].text == "none, and the server listens to other machines"
    with Registration(parse_endpoint("tcp://127.0.0.1:45570"), "cart 123"):
        found = by_name(diagnose("tcp://127.0.0.1:45570", timeout=0.1))
    assert found["address"].text == "tcp://127.0.0.1:45570 can be reached by this machine alone"
    assert found["keys"] == Finding("keys", True, "none: this machine alone can connect")


def test_of_a_server_that_is_not_registered_only_what_is_known_is_said():
    # Seen to fail: "none: this machine alone can connect" of somebody else's server
    found = by_name(diagnose("tcp://127.0.0.1:45570", timeout=0.1))
    assert found["address"].text == (
        "tcp://127.0.0.1:45570 can be reached by this machine alone; on what else its server "
        "listens is not known here"
    )
    assert found["keys"] == Finding("keys", True, "none were given; the server may ask for some")


def test_keys_are_shown_and_wrong_ones_explained(tmp_path, folder):
    endpoint, keys = default_endpoint("cart"), tmp_path / "keys"
    make_keys(keys, role="server", name="desk")
    make_keys(keys, role="operator", name="ada")
    with serving(folder, endpoint=endpoint, keys=keys):
        good = by_name(diagnose(endpoint.text, ClientSecurity(keys / "ada.key_secret")))
        bad = by_name(diagnose(endpoint.text))
    assert good["keys"].text == "operator 'ada', for the server 'desk'"
    assert good["policy"].ok
    assert not bad["connection"].ok
    assert "demands keys" in bad["connection"].text


@pytest.mark.parametrize(
    ("changes", "text", "mend"),
    [
        ({}, "runs", ""),
        ({"lost": True}, "lost", "look at the robot's program and its link"),
        (
            {"flags": int(Flag.LATCHED_STOP)},
            "stopped",
            "make sure that it may move, then: robot-gcrl clear --robot cart0",
        ),
        ({"goal": goal()}, "no goal", "robot-gcrl goal --robot cart0 --set ..."),
        (
            {"age_ns": 61 * MS},
            "runs; commands are 61.0 ms old when they are written",
            "look at its link: round trip and rate (bridge stats)",
        ),
        (
            {"stale": 2},
            "runs; 2 of 100 reports were dropped",
            "look at its rate and at the load of the server (bridge stats)",
        ),
        (
            {"bad": 1},
            "runs; 1 bad reports",
            "correct the robot's program: lengths, or numbers that are not finite",
        ),
    ],
)
def test_what_is_suspicious_about_a_robot(changes, text, mend):
    counters = dict.fromkeys(COUNTERS, 0) | {"reports": 100}
    counted = {name: changes[name] for name in changes if name in counters}
    others = {name: changes[name] for name in changes if name not in counters}
    state = dataclasses.replace(STATE, counters=counters | counted, **others)
    assert module._robot(state, cart_contract()) == Finding("cart0", not mend, text, mend)


def test_findings_as_lines():
    findings = [Finding("server", True, "here"), Finding("cart0", False, "lost", "look at it")]
    assert format_findings(findings) == (
        "ok  server  here\n!!  cart0   lost\n            -> look at it"
    )
