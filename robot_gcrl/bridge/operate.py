"""What the operators' commands do: each returns what to print, and the same as data."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from robot_gcrl.bridge.feed import RobotState
from robot_gcrl.bridge.messages import Code, Flag, Status
from robot_gcrl.bridge.operator import OperatorClient
from robot_gcrl.bridge.rules import SECOND_NS
from robot_gcrl.bridge.stops import EVERY
from robot_gcrl.contract import Contract
from robot_gcrl.errors import BridgeError

# The server tells a new subscriber of its robots within 50 ms [s]
_CENSUS = 0.2


class Outcome(NamedTuple):
    """What a command did.

    Attributes:
      ok: whether it did what was asked.
      text: for a person.
      data: the same, for `--json`.
    """

    ok: bool
    text: str
    data: dict[str, Any]


def choose_robot(client: OperatorClient, robot: str | None) -> str:
    """The robot that was named, or the only one that there is.

    Raises:
      BridgeError: none was named, and there is none or several.
    """
    if robot is not None:
        return robot
    client.wait(_CENSUS)
    robots = [robot for robot, state in client.states().items() if not state.lost]
    if len(robots) == 1:
        return robots[0]
    raise BridgeError(
        f"No robot was named, and {len(robots)} are connected"
        f"{': ' + ', '.join(robots) if robots else ''}. Expected one. Name it with --robot "
        "('*' is every robot)."
    )


def set_goal(client: OperatorClient, robot: str, goal: Sequence[float], timeout: float) -> Outcome:
    """Sets a robot's goal.

    Args:
      client: connected.
      robot: id, or "*" for every robot.
      goal: one number for each goal field, SI.
      timeout: [s].

    Raises:
      BridgeError: another count of numbers, or no answer in time.
    """
    contract = _contract(client)
    if len(goal) != contract.goal_size:
        fields = ", ".join(f"{g.label} [{g.unit}]" for g in contract.goal)
        raise BridgeError(
            f"The goal has {len(goal)} numbers. Expected {contract.goal_size}: {fields}. Give one "
            "for each."
        )
    answer = client.goal(robot, np.asarray(goal, np.float32), timeout)
    ok = answer.code == Code.OK
    shown = ", ".join(f"{g.label} {v:g}" for g, v in zip(contract.goal, goal, strict=True))
    bounds = ", ".join(f"{g.label} in [{g.low:g}, {g.high:g}] {g.unit}" for g in contract.goal)
    who = "every robot" if robot == EVERY else robot
    text = (
        f"{who} goes to {shown}"
        if ok
        else f"the goal {shown} of {who} was refused: {answer.text} (accepted: {bounds})"
    )
    data = {
        "robot": robot,
        "goal": [float(value) for value in goal],
        "accepted": ok,
        "code": _name(answer.code),
        "bounds": {g.label: [g.low, g.high] for g in contract.goal},
    }
    return Outcome(ok, text, data)


def random_goal(
    client: OperatorClient, robot: str, goals: np.ndarray, timeout: float, seed: int | None = None
) -> Outcome:
    """Sets one of many goals.

    Args:
      client: connected.
      robot: id, or "*" for every robot (all get the same).
      goals: [K, G], SI, of the policy file's scenarios.
      timeout: [s].
      seed: for the same choice again; None chooses anew each time.

    Raises:
      BridgeError: as `set_goal`.
    """
    chosen = goals[np.random.default_rng(seed).integers(len(goals))]
    return set_goal(client, robot, [float(value) for value in chosen], timeout)


def stop(client: OperatorClient, robot: str, reason: str, timeout: float) -> Outcome:
    """Stops a robot until it is cleared; ok if each robot has confirmed it."""
    return _told(client.stop(robot, reason, timeout), Code.STOPPED, "stopped")


def clear(client: OperatorClient, robot: str, timeout: float) -> Outcome:
    """Ends the latched stop of a robot; ok if each robot has confirmed it."""
    return _told(client.clear(robot, timeout), Code.CLEARED, "cleared")


def ping(client: OperatorClient, count: int, timeout: float = 1.0) -> Outcome:
    """Round trips between this process and the server."""
    trips = np.array(client.ping(count, timeout)) / 1e6
    values = dict(zip(("median", "p99", "max"), np.percentile(trips, (50, 99, 100)), strict=True))
    shown = ", ".join(f"{name} {value:.3f} ms" for name, value in values.items())
    data = {f"{name}_ms": float(value) for name, value in values.items()}
    return Outcome(True, f"{count} round trips: {shown}", {"count": count} | data)


def watch(
    client: OperatorClient,
    say: Callable[[str], object],
    goes_on: Callable[[], bool],
    interval: float = 1.0,
) -> None:
    """Says what happens, and every `interval` [s] how all robots are."""
    due = time.monotonic_ns()
    while goes_on():
        for event in client.events():
            say(f"{event.robot or 'connection'}: {event.text}")
        if time.monotonic_ns() >= due:
            due += round(interval * SECOND_NS)
            for line in table(client.states()):
                say(line)
        client.wait(min(interval, 0.05))


def table(states: Mapping[str, RobotState]) -> list[str]:
    """A line for each robot, under one that says what stands where."""
    head = ("robot", "state", "goal", "distance", "age ms", "trip ms", "reports", "dropped", "clip")
    rows = [head, *(_row(state) for state in states.values())]
    if not states:
        return ["no robot is connected"]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def state_data(state: RobotState) -> dict[str, Any]:
    """A robot's state for `--json`; ages and times in seconds."""
    return {
        "robot": state.robot,
        "state": condition(state),
        "goal": [float(value) for value in state.goal],
        "achieved": [float(value) for value in state.achieved],
        "distances": list(state.distances),
        "age_s": state.age_ns / SECOND_NS,
        "round_trip_s": state.round_trip_ns / SECOND_NS,
        "counters": dict(state.counters),
    }


def condition(state: RobotState) -> str:
    """What a robot does, in a word or two."""
    words = (
        (state.lost, "lost"),
        (not state.stamp_ns, "no report"),
        (bool(state.flags & Flag.LATCHED_STOP), "stopped"),
        (bool(state.flags & Flag.LINK_STOP), "link stop"),
        (not state.goal.size, "no goal"),
        (bool(state.flags & Flag.HOLD), "hold"),
        (bool(state.flags & Flag.RAMP), "ramp"),
    )
    return next((word for applies, word in words if applies), "runs")


def dropped(counters: Mapping[str, int]) -> int:
    """Reports of a session that no command answered, for whatever reason."""
    return sum(counters[name] for name in ("superseded", "stale", "bad", "unsent"))


def _row(state: RobotState) -> tuple[str, ...]:
    return (
        state.robot,
        condition(state),
        " ".join(f"{value:.2f}" for value in state.goal) or "-",
        " ".join(f"{value:.3f}" for value in state.distances) or "-",
        f"{state.age_ns / 1e6:.1f}",
        f"{state.round_trip_ns / 1e6:.2f}",
        str(state.counters["reports"]),
        str(dropped(state.counters)),
        str(state.counters["clipped"]),
    )


def _told(answer: Status, wanted: Code, word: str) -> Outcome:
    ok = answer.code == wanted
    who = "every robot" if answer.robot == EVERY else answer.robot
    head = f"{who} {'is' if ok else 'has not confirmed to be'} {word}"
    data = {"robot": answer.robot, word: ok, "code": _name(answer.code), "text": answer.text}
    return Outcome(ok, f"{head}: {answer.text}", data)


def _name(code: int) -> str:
    return Code(code).name if code in list(Code) else str(code)


def _contract(client: OperatorClient) -> Contract:
    if client.contract is None:
        raise BridgeError(
            "The contract of the server is not known yet. Expected a connection. Connect first."
        )
    return client.contract
