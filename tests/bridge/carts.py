"""A server process, a robot process and an operator on one endpoint, for tests."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from robot_gcrl.bridge.endpoint import parse_endpoint
from robot_gcrl.bridge.operator import OperatorClient
from tests.bridge.fakes import cart_contract

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 20.0


class Cart:
    """A server process, a robot process and an operator on one endpoint."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.endpoint = f"ipc://{folder / 's'}"
        self.log = folder / "robot.jsonl"
        self.processes: list[subprocess.Popen[str]] = []
        self.server: subprocess.Popen[str] | None = None

    def serve(self, *options: str) -> subprocess.Popen[str]:
        self.server = self.start("tests.bridge.serve_cart", self.endpoint, *options)
        assert self.server.stdout is not None
        assert self.server.stdout.readline() == "ready\n"
        return self.server

    def drive(self, *options: str) -> subprocess.Popen[str]:
        return self.start("tests.bridge.drive_cart", self.endpoint, str(self.log), *options)

    def start(self, module: str, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            cwd=ROOT,
            env=os.environ | {"XDG_RUNTIME_DIR": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def operator(self) -> OperatorClient:
        return OperatorClient(parse_endpoint(self.endpoint), cart_contract(), "test")

    def lines(self) -> list[dict]:
        if not self.log.exists():
            return []
        text = self.log.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def wait(self, condition: Callable[[list[dict]], bool], since: int = 0) -> list[dict]:
        """The robot's lines after `since`, once they are as wanted."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            lines = [line for line in self.lines() if line["at"] > since]
            if lines and condition(lines):
                return lines
            time.sleep(0.01)
        raise AssertionError(self.lines()[-3:])

    def send_to(self, x: float, y: float) -> None:
        with self.operator() as operator:
            operator.connect(PATIENCE)
            ack = operator.goal("cart0", np.array([x, y], np.float32), PATIENCE)
            assert ack.code == 0, ack
