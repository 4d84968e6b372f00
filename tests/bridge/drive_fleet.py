"""Many carts in one process for tests; prints what each of them got as one JSON object.

    python -m tests.bridge.drive_fleet ENDPOINT COUNT SECONDS

A process of its own: the tests' type checks make a client many times as slow.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from robot_gcrl.bridge.client import RobotClient
from robot_gcrl.bridge.endpoint import parse_endpoint
from robot_gcrl.bridge.operator import OperatorClient
from robot_gcrl.bridge.pacing import Pacer
from tests.bridge.fakes import cart_contract, cart_profile

PERIOD_NS = 20_000_000
PATIENCE = 20.0


class Fleet:
    """Carts of one process, stepped together at 50 Hz: all report, then all receive."""

    def __init__(self, endpoint: str, count: int):
        self.position = np.zeros((count, 2))
        self.clients = [
            RobotClient(
                cart_contract(),
                cart_profile(),
                robot=f"cart{i}",
                endpoint=parse_endpoint(endpoint),
                position=self.position[i],
                velocity=np.zeros(2),
            )
            for i in range(count)
        ]
        self.commands = np.zeros(count, int)
        self.steps = 0

    def step(self) -> None:
        began = time.monotonic_ns()
        stamps = [
            client.report(np.append(self.position[i], (0.0, 0.0)).astype(np.float32))
            for i, client in enumerate(self.clients)
        ]
        for i, client in enumerate(self.clients):
            left = max(began + PERIOD_NS // 2 - time.monotonic_ns(), 0)
            for answer in client.receive(stamps[i], left):
                client.accept(answer)
                self.commands[i] += answer.command is not None
            self.position[i] = client.tick(self.position[i], np.zeros(2)).ctrl
        self.steps += 1

    def run(self, seconds: float) -> None:
        pacer, end = Pacer(PERIOD_NS), time.monotonic() + seconds
        while time.monotonic() < end:
            pacer.wait()
            self.step()

    def close(self) -> None:
        for client in self.clients:
            client.close("done")


def connected(endpoint: str, count: int) -> Fleet:
    """The carts, each with a session and a goal."""
    fleet = Fleet(endpoint, count)
    end = time.monotonic() + PATIENCE
    while not all(client.link.session for client in fleet.clients):
        assert time.monotonic() < end
        fleet.step()
    with OperatorClient(parse_endpoint(endpoint), cart_contract(), "test") as operator:
        while operator.state != "connected":
            fleet.step()
            operator.events()
        for x in (1.0, -1.0):
            # The robots must go on reporting while the answer is waited for
            fleet.step()
            assert operator.goal("*", np.array([x, x], np.float32), PATIENCE).code == 0
    fleet.commands[:] = fleet.steps = 0
    return fleet


def resident(pid: int) -> int:
    """Memory of a process [bytes]."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    endpoint, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    fleet = connected(endpoint, count)
    began = time.monotonic()
    fleet.run(0.2 * seconds)
    before = resident(os.getpid())
    sys.stdout.write("settled\n")
    sys.stdout.flush()
    fleet.run(0.8 * seconds)
    took = time.monotonic() - began
    grown = resident(os.getpid()) - before
    fleet.close()
    result = {
        "seconds": took,
        "steps": fleet.steps,
        "commands": fleet.commands.tolist(),
        "grown": grown,
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
