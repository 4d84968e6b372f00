"""Robots without bodies: clients that report the same numbers for ever and count what comes."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from robot_gcrl.bridge.client import RobotClient
from robot_gcrl.bridge.endpoint import Endpoint
from robot_gcrl.bridge.messages import Code, Heartbeat
from robot_gcrl.bridge.operator import OperatorClient
from robot_gcrl.bridge.profile import Profile
from robot_gcrl.bridge.stops import EVERY
from robot_gcrl.errors import BridgeError
from robot_gcrl.policy.runtime import PolicyFile

_PATIENCE = 30.0  # [s]
_TURN_NS = 2_000_000
_SECOND_NS = 10**9


class Body(NamedTuple):
    """What a robot says and measures.

    Attributes:
      inputs: float32 [I], SI.
      position: [A], of the actuated joints.
      velocity: likewise.
      pose: float32 [nq].
    """

    inputs: np.ndarray
    position: np.ndarray
    velocity: np.ndarray
    pose: np.ndarray


def make_body(file: PolicyFile, profile: Profile) -> Body:
    """Inputs of the file's examples, and joints in the middle of what the profile allows."""
    limits = zip(profile.position_low, profile.position_high, strict=True)
    middle = [0.0 if a is None or b is None else (a + b) / 2 for a, b in limits]
    return Body(
        inputs=file.golden.inputs[0],
        position=np.array(middle),
        velocity=np.zeros(len(middle)),
        pose=np.zeros(file.simulation.nq, np.float32),
    )


def make_clients(
    file: PolicyFile, profile: Profile, body: Body, endpoint: Endpoint, count: int
) -> list[RobotClient]:
    """Robots that have a session and a goal in the middle of the contract's bounds.

    Raises:
      BridgeError: the server does not answer.
    """
    clients = [
        RobotClient(
            file.contract,
            profile,
            robot=f"{file.contract.robot}{i}",
            endpoint=endpoint,
            position=body.position,
            velocity=body.velocity,
            pose_size=len(body.pose),
        )
        for i in range(count)
    ]
    with OperatorClient(endpoint, file.contract, "bench") as operator:
        operator.connect(_PATIENCE)
        end = time.monotonic() + _PATIENCE
        while not _set_goal(operator, file, body, clients):
            if time.monotonic() > end:
                raise BridgeError(
                    f"The server takes no goal for {count} robots within {_PATIENCE:g} s. Expected "
                    "it to know them by then. Try again on a machine that is less busy."
                )
    return clients


def _set_goal(
    operator: OperatorClient, file: PolicyFile, body: Body, clients: Sequence[RobotClient]
) -> bool:
    for client in clients:
        while not client.link.session:
            client.receive(client.report(body.inputs, pose=body.pose), _TURN_NS)
        # A robot that was silent for ten periods counts as lost
        client.link.send(Heartbeat(), 0)
    goal = np.mean(file.contract.goal_bounds, axis=0)
    return operator.goal(EVERY, goal, _PATIENCE).code == Code.OK


def round_trip(client: RobotClient, body: Body) -> None:
    """A report, and its command; where none comes (the machine was too busy), another report.

    Raises:
      BridgeError: none came for a long time.
    """
    end, code = time.monotonic() + _PATIENCE, "nothing"
    while time.monotonic() < end:
        stamp = client.report(body.inputs, pose=body.pose)
        answers = client.receive(stamp, _SECOND_NS)
        if answers and answers[-1].command is not None:
            return
        code = answers[-1].code.name if answers else "nothing"
    raise BridgeError(
        f"The server answers reports with {code} for {_PATIENCE:g} s. Expected a command. Run "
        "robot-gcrl serve by hand to see why."
    )
