"""The C of a policy file, compiled and run."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from robot_gcrl.policy.c_source import export_c
from robot_gcrl.policy.runtime.file import PolicyFile
from robot_gcrl.policy.runtime.step import PolicyOutput

FLAGS = ("-std=c99", "-O3", "-Wall", "-Wextra", "-Werror")


def compile_c(source: Path, *, flags: tuple[str, ...] = FLAGS) -> subprocess.CompletedProcess[str]:
    """Compiles to `program` beside the source; as the README of the file says."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc on this machine")
    main = f"-D{source.stem.upper()}_MAIN"
    command = ["gcc", *flags, main, "-o", "program", source.name, "-lm"]
    return subprocess.run(command, cwd=source.parent, capture_output=True, text=True, check=False)


class Program:
    """A policy in C, compiled; called like a runtime."""

    name = "c"

    def __init__(self, file: PolicyFile, folder: Path) -> None:
        source = export_c(file, folder)
        built = compile_c(source)
        assert built.returncode == 0, built.stderr
        self._path = folder / "program"
        self._actions = file.contract.action_size
        self._queue = file.network.queue_size

    def __call__(
        self,
        inputs: np.ndarray,
        goal: np.ndarray,
        previous_action: np.ndarray,
        previous_ctrl: np.ndarray,
        queue: np.ndarray | None = None,
    ) -> PolicyOutput:
        steps = (inputs, goal, previous_action, previous_ctrl)
        if self._queue:
            steps += (np.zeros((len(inputs), self._queue)) if queue is None else queue,)
        rows = np.hstack(steps).astype("<f4").tobytes()
        done = subprocess.run([self._path, "-"], input=rows, capture_output=True, check=True)
        ends = (self._actions, 2 * self._actions)
        output = np.frombuffer(done.stdout, "<f4").reshape(-1, ends[1] + self._queue)
        action, ctrl, queue = np.split(output, ends, axis=1)
        return PolicyOutput(action, ctrl, queue if self._queue else None)

    def self_test(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self._path], capture_output=True, text=True, check=False)

    def warm_up(self, batch_size: int) -> None:
        del batch_size
