"""The wheel in empty environments: a computer that trains, and a robot's without JAX and MuJoCo.

They install from the package index, with the versions of constraints.txt.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.test_packaging import ROOT, build

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

# What a robot's computer needs, as docs/serving.md says
LEAN = ("numpy", "pyzmq", "msgpack")

ONE_STEP = """
import sys
import numpy as np
from robot_gcrl.policy.runtime import load_policy

policy = load_policy(sys.argv[1], runtime="numpy")
contract = policy.file.contract
inputs, none = np.zeros((1, len(contract.inputs))), np.zeros((1, len(contract.action.actuators)))
print(policy.step(inputs, np.array([[0.1, 0.1]]), none, none).ctrl[0].tolist())
print([name for name in ("jax", "mujoco", "onnxruntime") if name in sys.modules])
"""


class Computer:
    """An environment of its own, away from the checkout."""

    def __init__(self, folder: Path, *install: str) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        constrained = ["--constraint", str(ROOT / "constraints.txt")]
        for words in [install] if "--no-deps" not in install else [install, LEAN]:
            self.run("python", "-m", "pip", "install", "--quiet", *constrained, *words)

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        return {**kept, "JAX_PLATFORMS": "cpu"}

    def start(self, program: str, *words: object) -> subprocess.Popen:
        return subprocess.Popen(
            [str(self.folder / "venv" / "bin" / program), *map(str, words)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, program: str, *words: object) -> str:
        process = self.start(program, *words)
        out, error = process.communicate(timeout=1500)
        assert process.returncode == 0, f"{program} {words}: {out[-2000:]}{error[-2000:]}"
        return out


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def computer(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Computer:
    return Computer(tmp_path_factory.mktemp("computer"), str(wheel))


@pytest.fixture(scope="module")
def robot(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Computer:
    return Computer(tmp_path_factory.mktemp("robot"), "--no-deps", str(wheel))


@pytest.fixture(scope="module")
def policy(computer: Computer) -> Path:
    computer.run("robot-gcrl", "train", "--task", "reacher", "--preset", "smoke", "--run", "r")
    computer.run("robot-gcrl", "export", "r")
    return computer.folder / "r" / "policy" / "reacher.policy"


@pytest.fixture
def endpoint() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


def test_the_commands_of_the_first_minute(computer: Computer) -> None:
    version = re.findall(r'__version__ = "(.*)"', (ROOT / "robot_gcrl/__init__.py").read_text())
    assert computer.run("robot-gcrl", "--version").split()[-1] == version[0]
    assert "train" in computer.run("robot-gcrl", "--help")
    assert "ant_maze[_LAYOUT]" in computer.run("robot-gcrl", "tasks")
    assert "JAX" in computer.run("robot-gcrl", "doctor").replace("jax", "JAX")


def test_what_was_trained_is_served_to_a_simulated_robot(
    computer: Computer, policy: Path, endpoint: str
) -> None:
    computer.run("robot-gcrl", "verify", policy)
    server = computer.start("robot-gcrl", "serve", policy, "--bind", endpoint)
    try:
        words = ("--policy", policy, "--connect", endpoint, "--episodes", 1, "--json")
        said = computer.run("robot-gcrl", "controller", "sim", *words, "--speed", 5)
    finally:
        server.terminate()
        server.communicate(timeout=60)
    (episode,) = json.loads(said)["episodes"]
    assert (episode["robot"], episode["steps"]) == ("reacher0", 100)


def test_a_robots_computer_computes_a_policy_without_jax_and_mujoco(
    robot: Computer, policy: Path
) -> None:
    ctrl, loaded = robot.run("python", "-c", ONE_STEP, policy).splitlines()
    assert len(json.loads(ctrl)) == 2
    assert loaded == "[]"


def test_a_robots_computer_is_commanded_over_the_bridge(
    computer: Computer, robot: Computer, policy: Path, endpoint: str
) -> None:
    server = computer.start("robot-gcrl", "serve", policy, "--bind", endpoint)
    given = ("--policy", policy, "--profile", "reacher", "--connect", endpoint)
    program = ("-m", "robot_gcrl.controllers.template", *given, "--fake", "--seconds", 60)
    driver = robot.start("python", *program)
    try:
        until = time.monotonic() + 60
        goal = ("goal", "--connect", endpoint, "--robot", "robot0", "--set", 0.1, 0.1)
        while (told := computer.start("robot-gcrl", *goal)).wait(60) != 0:
            assert time.monotonic() < until, told.communicate()
        driver.terminate()
        _, said = driver.communicate(timeout=60)
    finally:
        for process in (driver, server):
            process.terminate()
            process.communicate(timeout=60)
    assert "robot0: hold" in said  # a session, and no goal yet
    assert "robot0: run" in said
