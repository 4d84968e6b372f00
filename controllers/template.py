"""A robot's program, to be filled in: copy it, write the functions marked TODO, keep the rest.

`robot-gcrl controller template --policy NAME.policy --profile arm --fake` runs it as it is. What is
to be measured, in order, is printed at the start; units are SI.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from robot_gcrl.bridge.client import RobotClient
from robot_gcrl.bridge.endpoint import find_server
from robot_gcrl.bridge.pacing import Pacer
from robot_gcrl.bridge.profile_file import load_profile
from robot_gcrl.bridge.security import ClientSecurity
from robot_gcrl.bridge.serve import Ending
from robot_gcrl.contract import Contract
from robot_gcrl.policy.runtime import read_policy

REST = 0.5
"""TODO: how long this robot needs to brake from its greatest speed [s]."""


class Robot:
    """The hardware. Nothing here may wait for longer than a part of the control period."""

    def __init__(self, contract: Contract) -> None:
        """TODO: opens the bus, enables the drives, sees that the robot stands still."""
        raise NotImplementedError("fill in Robot of controllers/template.py, or run it with --fake")

    def read_joints(self) -> tuple[np.ndarray, np.ndarray]:
        """TODO: positions, velocities [A] of the actuators' joints; NaN of a sensor that fails."""
        raise NotImplementedError

    def read_inputs(self, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """TODO: the numbers [I] that `contract.inputs` names, raw, of the same instant."""
        raise NotImplementedError

    def write_ctrl(self, ctrl: np.ndarray) -> None:
        """TODO: ctrl [A] to the motors: finite, and within the limits of the profile."""
        raise NotImplementedError

    def leave_safe(self) -> None:
        """TODO: what the motors do when this program is gone: hold, brake, or be damped."""
        raise NotImplementedError


class FakeRobot(Robot):
    """Joints that are where a position tells them to be, and stand still otherwise."""

    def __init__(self, contract: Contract) -> None:
        """All in the middle of their commands' range."""
        self._contract, low_high = contract, contract.action.ctrl_range
        self._position = np.mean(low_high, axis=0, dtype=float)

    def read_joints(self) -> tuple[np.ndarray, np.ndarray]:
        """See `Robot`."""
        return self._position.copy(), np.zeros_like(self._position)

    def read_inputs(self, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """See `Robot`; what is no actuated joint's position is 0."""
        inputs, index = np.zeros(len(self._contract.inputs)), self._contract.actuated_input
        inputs[index[index >= 0]] = position[index >= 0]
        return inputs

    def write_ctrl(self, ctrl: np.ndarray) -> None:
        """See `Robot`."""
        self._position = np.where(self._contract.action.is_position, ctrl, self._position)

    def leave_safe(self) -> None:
        """See `Robot`."""


def main(arguments: Sequence[str]) -> int:
    """Drives the robot until Ctrl-C, SIGTERM or SIGHUP, or for `--seconds`; returns 0."""
    parser = argparse.ArgumentParser(prog="robot-gcrl controller template")
    parser.add_argument("--policy", required=True, help="Policy file, of which the contract is.")
    parser.add_argument("--profile", required=True, help="Limits of the machine: name or .toml.")
    parser.add_argument("--robot", default="robot0", help="Id of this robot on the server.")
    parser.add_argument("--connect", help="Endpoint of the server; without it, the only one here.")
    parser.add_argument("--key", type=Path, help="Secret key of this robot, where the server asks.")
    parser.add_argument("--server-key", type=Path, help="The server's; else the one beside --key.")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="End after this time.")
    parser.add_argument("--fake", action="store_true", help="Run without hardware.")
    options = parser.parse_args(arguments)
    contract = read_policy(options.policy).contract
    for number, (source, name, component) in enumerate(contract.inputs):
        sys.stderr.write(f"input {number}: {source} {name} [{component}]\n")
    # Around all that moves: no further signal may come between the robot and its safe end
    with Ending(owns_motors=True) as ending:
        robot = FakeRobot(contract) if options.fake else Robot(contract)
        try:
            drive(robot, contract, options, ending)
        finally:
            robot.leave_safe()  # whatever happened: the motors outlive this program
    return 0


def drive(robot: Robot, contract: Contract, options: argparse.Namespace, ending: Ending) -> None:
    """The control loop: once in each control period read, report, write; at the end, brake."""
    position, velocity = robot.read_joints()
    client = RobotClient(
        contract,
        load_profile(options.profile),
        robot=options.robot,
        endpoint=find_server(options.connect),
        security=options.key and ClientSecurity(options.key, options.server_key),
        position=position,
        velocity=velocity,
    )
    pacer, state = Pacer(round(contract.control_dt * 1e9)), ""
    try:
        with client:
            while not ending.is_set and pacer.beats * contract.control_dt < options.seconds:
                pacer.wait()
                position, velocity = robot.read_joints()
                tick = client.step(robot.read_inputs(position, velocity), position, velocity)
                robot.write_ctrl(tick.ctrl)
                if tick.state != state:
                    state = tick.state
                    sys.stderr.write(f"{options.robot}: {state} {tick.stop or ''}\n")
    finally:
        brake(robot, client, pacer)


def brake(robot: Robot, client: RobotClient, pacer: Pacer) -> None:
    """Writes the safe stop of a client that has said bye, until what moved has come to rest."""
    end = time.monotonic() + REST
    while time.monotonic() < end:
        pacer.wait()
        position, velocity = robot.read_joints()
        robot.write_ctrl(client.tick(position, velocity).ctrl)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
