"""A robot process for tests: a cart that goes where it is told, and a log of what it wrote.

python -m tests.bridge.drive_cart ENDPOINT LOG [--robot ID] [--seconds S]
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from robot_gcrl.bridge.client import RobotClient
from robot_gcrl.bridge.endpoint import parse_endpoint
from robot_gcrl.bridge.pacing import Pacer
from robot_gcrl.bridge.serve import Ending
from tests.bridge.fakes import cart_contract, cart_profile


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("endpoint")
    parser.add_argument("log", type=Path)
    parser.add_argument("--robot", default="cart0")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--mode", default="joint_position_delta")
    options = parser.parse_args()
    contract = cart_contract(mode=options.mode)
    position, velocity = np.zeros(2), np.zeros(2)
    client = RobotClient(
        contract,
        cart_profile(options.mode),
        robot=options.robot,
        endpoint=parse_endpoint(options.endpoint),
        position=position,
        velocity=velocity,
    )
    pacer = Pacer(round(contract.control_dt * 1e9))
    end = time.monotonic() + options.seconds
    with options.log.open("w", buffering=1) as log, client, Ending() as ending:
        while time.monotonic() < end and not ending.is_set:
            beat = pacer.wait()
            inputs = np.concatenate((position, velocity)).astype(np.float32)
            tick = client.step(inputs, position, velocity)
            now = time.monotonic_ns()
            if options.mode == "joint_position_delta":
                velocity = (tick.ctrl - position) / contract.control_dt
                position = tick.ctrl.copy()
            line = {
                "at": now,
                "state": tick.state,
                "ramp": tick.ramp,
                "ctrl": tick.ctrl.tolist(),
                "stop": None if tick.stop is None else str(tick.stop),
                "report": tick.report_ns,
                "missed": beat.missed,
                "session": client.link.session,
            }
            log.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
