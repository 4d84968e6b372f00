"""The C++ robot process with servers and operators on one endpoint, in a folder of their own.

The robot's events come on its stderr with the monotonic time, what it wrote to its motors in a
trace.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from robot_gcrl.bridge import messages as m
from robot_gcrl.bridge.endpoint import parse_endpoint
from robot_gcrl.bridge.operator import OperatorClient
from tests.bridge.fakes import cart_contract

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0
CONTRACT = cart_contract()
PROFILE = """
robot = "cart"
actuators = ["x", "y"]
joints = ["x", "y"]
modes = "joint_position_delta"
units = "m"
low = -2.0
high = 2.0
velocity_limit = 1.0        # [m/s]
acceleration_limit = 20.0   # [m/s^2]
stop = "hold_position"
"""


class Rig:
    """Processes on one endpoint, in a folder of their own."""

    def __init__(self, programs: Path, folder: Path):
        self.programs, self.folder = programs, folder
        self.endpoint = f"ipc://{folder / 's'}"
        self.trace = folder / "trace.csv"
        self.processes: list[subprocess.Popen[str]] = []
        (folder / "contract.json").write_text(CONTRACT.canonical_json)
        (folder / "cart.toml").write_text(PROFILE)

    def start(self, words: list[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            words,
            cwd=ROOT,
            env=os.environ | {"XDG_RUNTIME_DIR": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def serve(self, *options: str) -> subprocess.Popen[str]:
        module = [sys.executable, "-m", "tests.bridge.serve_cart"]
        server = self.start([*module, self.endpoint, *options])
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        return server

    def drive(self, *options: str) -> "Robot":
        words = {
            "--connect": self.endpoint,
            "--robot": "cart0",
            "--contract": str(self.folder / "contract.json"),
            "--profile": str(self.folder / "cart.toml"),
            "--seconds": str(PATIENCE),
            "--trace": str(self.trace),
        } | dict(zip(options[::2], options[1::2], strict=True))
        program = str(self.programs / "robot_gcrl_controller")
        return Robot(self.start([program, *(w for pair in words.items() for w in pair)]))

    def operator(self) -> OperatorClient:
        return OperatorClient(parse_endpoint(self.endpoint), CONTRACT, "test")

    def send_to(self, x: float, y: float) -> None:
        with self.operator() as operator:
            operator.connect(PATIENCE)
            ack = operator.goal("cart0", np.array([x, y], np.float32), PATIENCE)
            assert ack.code == m.Code.OK, ack

    def watch(self, seconds: float) -> None:
        """Lets robot and server go on for so long."""
        with self.operator() as operator:
            operator.connect(PATIENCE)
            operator.wait(seconds)

    def written(self) -> list[tuple[int, str, float, np.ndarray]]:
        """(time [ns], state, ramp, ctrl) of each step."""
        rows = []
        for line in self.trace.read_text().splitlines()[1:]:
            at, state, ramp, _, x, y, *_ = line.split(",")
            rows.append((int(at), state, float(ramp), np.array([float(x), float(y)])))
        return rows


class Robot:
    """A robot process, its events and its summary."""

    def __init__(self, process: subprocess.Popen[str]):
        self.process = process
        self.said: list[str] = []

    def event(self, wanted: str) -> int:
        """When it said so [ns]; it ends by itself, so that this does not wait for ever."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip())
            at, _, text = line.partition(" ")
            if wanted in text:
                return int(at)
        raise AssertionError((wanted, self.said))

    def ended(self) -> tuple[int, str]:
        """Waits until it has ended by itself: its exit code, and what it said last."""
        _, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, err.splitlines()[-1]

    def end(self) -> dict:
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, err
        self.said += err.splitlines()
        return json.loads(out.splitlines()[-1])
