"""What telemetry tells of a server and its robots."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from robot_gcrl.bridge.core import Work
from robot_gcrl.bridge.sessions import Session
from robot_gcrl.bridge.settings import Settings
from robot_gcrl.bridge.wire import pack_floats, rows
from robot_gcrl.contract import Contract
from robot_gcrl.contract.observe import achieved_goal, goal_distances


def contract_state(contract: Contract, settings: Settings) -> dict[str, Any]:
    """The content of the topic `contract`."""
    return {
        "policy": settings.policy,
        "contract": contract.canonical_json,
        "scale": settings.scale,
        "dry_run": settings.dry_run,
    }


def farthest(contract: Contract, work: Sequence[Work]) -> np.ndarray:
    """Distance [B] to the goal, of the success group that is farthest in radii, in its unit."""
    achieved = achieved_goal(contract, rows([sample.inputs for _, sample, _ in work]))
    distances = goal_distances(contract, achieved, rows([goal for _, _, goal in work]))
    if len(contract.success) == 1:
        return distances[:, 0]
    radii = np.array([group.radius for group in contract.success], np.float32)
    return np.take_along_axis(distances, (distances / radii).argmax(-1)[:, None], -1)[:, 0]


def robot_state(
    contract: Contract, session: Session, goal: np.ndarray | None, *, lost: bool
) -> dict[str, Any]:
    """The content of a robot's topic.

    Keys: robot, lost, stamp_ns (of the newest report, on the robot's clock), flags, inputs, pose,
    ctrl, achieved, goal (float32 as bytes; empty where there is none), distances (of each success
    group, SI; empty without a goal), age_ns and round_trip_ns (medians of the newest; 0 without
    any), and the counters of the session.
    """
    sample = session.report
    achieved = None if sample is None else achieved_goal(contract, sample.inputs)
    distances = (
        []
        if achieved is None or goal is None
        else [float(d) for d in goal_distances(contract, achieved, goal)]
    )
    return {
        "robot": session.robot,
        "lost": lost,
        "stamp_ns": 0 if sample is None else sample.header.stamp_ns,
        "flags": 0 if sample is None else sample.flags,
        "inputs": b"" if sample is None else pack_floats(sample.inputs),
        "pose": b"" if sample is None else pack_floats(sample.pose),
        "ctrl": b"" if sample is None or sample.ctrl is None else pack_floats(sample.ctrl),
        "achieved": b"" if achieved is None else pack_floats(achieved),
        "goal": b"" if goal is None else pack_floats(goal),
        "distances": distances,
        "age_ns": median(session.ages_ns),
        "round_trip_ns": median(session.round_trips_ns),
        "counters": vars(session.counters).copy(),
    }


def median(values: Sequence[int]) -> int:
    """The median, 0 of nothing."""
    return int(np.median(values)) if values else 0
