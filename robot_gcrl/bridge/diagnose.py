"""`robot-gcrl bridge doctor`: what is here, what answers, what looks wrong and how to mend it.

Each finding stands for itself; what cannot be looked at because an earlier one failed is left out.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robot_gcrl.bridge.endpoint import (
    Endpoint,
    find_server,
    parse_endpoint,
    running_servers,
    runtime_folder,
    stops_file,
)
from robot_gcrl.bridge.feed import RobotState
from robot_gcrl.bridge.operate import condition, dropped
from robot_gcrl.bridge.operator import OperatorClient
from robot_gcrl.bridge.rules import deadlines
from robot_gcrl.bridge.security import ClientSecurity
from robot_gcrl.bridge.stops import EVERY
from robot_gcrl.contract import Contract
from robot_gcrl.errors import BridgeError

_PINGS = 20
# Of a robot's reports; more is worth a look
_DROPPED = 0.01
_MEND = {
    "lost": "look at the robot's program and its link",
    "no report": "look at the robot's program: it said hello and reports nothing",
    "stopped": "make sure that it may move, then: robot-gcrl clear --robot {robot}",
    "link stop": "look at the robot's program: commands come too late, or do not come",
    "no goal": "robot-gcrl goal --robot {robot} --set ...",
    "hold": "look at its link: commands come too late",
}


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
      name: what.
      ok: whether it is as it should be.
      text: how it is.
      mend: what to do about it; empty if nothing.
    """

    name: str
    ok: bool
    text: str
    mend: str = ""


def diagnose(
    connect: str | None, security: ClientSecurity | None = None, timeout: float = 2.0
) -> list[Finding]:
    """Looks at this user's servers, and at one of them closely.

    Args:
      connect: endpoint of the server, None for the only one that runs.
      security: keys of an operator, where the server has some.
      timeout: for its answers [s].
    """
    try:
        found = _registrations()
        endpoint = find_server(connect)
    except BridgeError as error:
        return [Finding("server", False, str(error))]
    bound = _bound(endpoint)
    found += _address(endpoint, bound)
    found += _stops(bound or endpoint)
    found.append(_keys(endpoint, bound, security))
    with OperatorClient(endpoint, None, "doctor", security) as client:
        try:
            client.connect(timeout)
            found += _server(client, timeout)
        except BridgeError as error:
            found.append(Finding("connection", False, str(error)))
    return found


def format_findings(findings: list[Finding]) -> str:
    """A line for each finding, and under it what to do."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{'ok ' if finding.ok else '!! '} {finding.name:<{width}}  {finding.text}")
        if finding.mend:
            lines.append(f"    {'':<{width}}  -> {finding.mend}")
    return "\n".join(lines)


def findings_data(findings: list[Finding]) -> dict[str, Any]:
    """The same for `--json`."""
    rows = [finding._asdict() for finding in findings]
    return {"ok": all(finding.ok for finding in findings), "findings": rows}


def _registrations() -> list[Finding]:
    live = running_servers()
    found = [
        Finding("server", True, f"{server['endpoint']} serves {server['policy']} ({server['pid']})")
        for server in live
    ]
    known = {server["endpoint"] for server in live}
    for path in sorted(runtime_folder().glob("*.server")):
        try:
            left = json.loads(path.read_text() or "{}")
        except (OSError, ValueError):
            found.append(Finding("registration", False, f"{path} is no JSON", f"rm {path}"))
            continue
        if left and left.get("endpoint") not in known:
            text = f"{left.get('endpoint')} of process {left.get('pid')} ended without a word"
            found.append(Finding("registration", True, text, f"nothing; or rm {path}"))
    return found


def _bound(endpoint: Endpoint) -> Endpoint | None:
    """What the server at this address listens on; None of one that this user did not start here.

    One that listens on every address is reached by 127.0.0.1 too.
    """
    bound = [parse_endpoint(server["endpoint"]) for server in running_servers()]
    same = [other for other in bound if other == endpoint]
    if same or not endpoint.is_local:
        return same[0] if same else None
    same = [b for b in bound if b.host in ("0.0.0.0", "[::]", "::") and b.port == endpoint.port]
    return same[0] if same else None


def _address(endpoint: Endpoint, bound: Endpoint | None) -> list[Finding]:
    if endpoint.host:
        listens = bound or endpoint
        text = f"{listens.text} can be reached by other machines too"
        if listens.is_local:
            text = f"{listens.text} can be reached by this machine alone"
            if bound is None:
                text += "; on what else its server listens is not known here"
        return [Finding("address", True, text)]
    return [
        _socket_file(Path(address.removeprefix("ipc://")))
        for address in (endpoint.control, endpoint.telemetry)
    ]


def _socket_file(path: Path) -> Finding:
    try:
        found, folder = path.stat(), path.parent.stat()
    except OSError as error:
        text = f"{path}: {error.strerror}"
        return Finding("socket", False, text, "start the server: robot-gcrl serve NAME.policy")
    if not stat.S_ISSOCK(found.st_mode):
        return Finding("socket", False, f"{path} is no socket", f"rm {path}, start the server")
    if not os.access(path, os.W_OK):
        text = f"{path} belongs to user {found.st_uid}: this user may not write to it"
        return Finding("socket", False, text, "run this as that user")
    if folder.st_mode & 0o022 and not folder.st_mode & stat.S_ISVTX:
        text = f"{path.parent} can be written by others (mode {stat.S_IMODE(folder.st_mode):o})"
        return Finding("socket", False, text, f"chmod go-w {path.parent}")
    return Finding("socket", True, str(path))


def _stops(endpoint: Endpoint) -> list[Finding]:
    path = stops_file(endpoint)
    try:
        reasons = json.loads(path.read_text()) if path.exists() else {}
        return [_stop(str(robot), str(reason)) for robot, reason in reasons.items()]
    except (OSError, ValueError, AttributeError) as error:
        mend = "make sure that no robot must stay stopped, then remove it"
        return [Finding("stops", False, f"{path} cannot be read: {error}", mend)]


def _stop(robot: str, reason: str) -> Finding:
    who = "every robot" if robot == EVERY else robot
    mend = f"make sure that it may move, then: robot-gcrl clear --robot '{robot}'"
    return Finding("stops", False, f"{who} must stay stopped: {reason}", mend)


def _keys(endpoint: Endpoint, bound: Endpoint | None, security: ClientSecurity | None) -> Finding:
    if security is not None:
        own, server = security.own, security.server
        return Finding("keys", True, f"{own.role} {own.name!r}, for the server {server.name!r}")
    if not endpoint.host or (bound is not None and bound.is_local):
        return Finding("keys", True, "none: this machine alone can connect")
    if endpoint.is_local and bound is None:
        return Finding("keys", True, "none were given; the server may ask for some")
    mend = "make some with robot-gcrl keys; give --keys to the server and --key here"
    where = "is on another machine" if bound is None else "listens to other machines"
    return Finding("keys", False, f"none, and the server {where}", mend)


def _server(client: OperatorClient, timeout: float) -> list[Finding]:
    welcome, contract = client.welcome, client.contract
    assert welcome is not None
    assert contract is not None
    found = [
        Finding("policy", True, welcome.policy),
        Finding(
            "contract", True, f"{contract.name!r} for {contract.robot}, {contract.sha256[:12]}"
        ),
    ]
    if welcome.dry_run:
        mend = "start it without --dry-run once the commands look right (bridge stats)"
        found.append(Finding("mode", True, "dry run: no command is sent", mend))
    if welcome.scale != 1.0:
        mend = "start it without --scale once the robot moves as it should"
        found.append(Finding("mode", True, f"motion is scaled by {welcome.scale:g}", mend))
    found.append(_round_trip(client, contract, timeout))
    client.wait(0.2)  # the server tells of each robot every 50 ms
    states = client.states()
    if not states:
        mend = "robot-gcrl controller sim --policy NAME.policy, or your robot's program"
        found.append(Finding("robots", False, "none is connected", mend))
    return found + [_robot(state, contract) for state in states.values()]


def _round_trip(client: OperatorClient, contract: Contract, timeout: float) -> Finding:
    trips = np.array(client.ping(_PINGS, timeout))
    median, worst = float(np.median(trips)) / 1e6, float(trips.max()) / 1e6
    period = contract.control_dt * 1e3
    text = f"median {median:.2f} ms, worst {worst:.2f} ms of {_PINGS}; a period is {period:g} ms"
    mend = "the link or the machine is too slow for this policy: use ipc, or another machine"
    ok = median < period / 2
    return Finding("round trip", ok, text, "" if ok else mend)


def _robot(state: RobotState, contract: Contract) -> Finding:
    word, counters = condition(state), state.counters
    limits = deadlines(contract.control_dt)
    lost = dropped(counters)
    checks = (
        (word in _MEND, "", _MEND.get(word, "").format(robot=state.robot)),
        (
            state.age_ns > limits.command_age,
            f"commands are {state.age_ns / 1e6:.1f} ms old when they are written",
            "look at its link: round trip and rate (bridge stats)",
        ),
        (
            lost > _DROPPED * counters["reports"],
            f"{lost} of {counters['reports']} reports were dropped",
            "look at its rate and at the load of the server (bridge stats)",
        ),
        (
            counters["bad"] > 0,
            f"{counters['bad']} bad reports",
            "correct the robot's program: lengths, or numbers that are not finite",
        ),
    )
    wrong = [(text, mend) for applies, text, mend in checks if applies]
    text = "; ".join([word, *(text for text, _ in wrong if text)])
    return Finding(state.robot, not wrong, text, "; ".join(mend for _, mend in wrong))
