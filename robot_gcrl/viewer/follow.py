"""A run that is still training: its newest checkpoint as a policy file, again and again.

A process of its own exports it, at the lowest priority, so that training is hardly slowed and the
viewer loads no JAX.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from robot_gcrl.errors import ViewerError
from robot_gcrl.policy.runtime import make_runtime, read_policy
from robot_gcrl.viewer.scene import Act

# Between two exports, which take some seconds of a core [s]
INTERVAL = 120.0
_LOWEST_PRIORITY = 19
_PATIENCE = 300.0


def export_once(run: Path, out: Path, *, checkpoint: str) -> None:
    """Exports a run's checkpoint in another process, and waits for it.

    Raises:
      ViewerError: with what the command said.
    """
    process = _start(run, out, checkpoint)
    try:
        _, said = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired as error:
        process.kill()
        raise ViewerError(
            f"The run {run} was not exported within {_PATIENCE:g} s. Expected a policy file. Run "
            "robot-gcrl export by hand to see why."
        ) from error
    if process.returncode:
        reason = said.strip().removeprefix("robot-gcrl: ")
        raise ViewerError(reason or f"The run {run} cannot be exported. See robot-gcrl export.")


class Follower:
    """Exports whenever there is a checkpoint that was not seen, never waiting for it.

    Attributes:
      text: what is shown, for a person.
    """

    def __init__(self, run: Path, folder: Path, *, interval: float = INTERVAL) -> None:
        """Nothing is exported yet.

        Args:
          run: folder of the run.
          folder: for policy files.
          interval: between two exports, at least [s].
        """
        self._run, self._folder, self._interval = run, folder, interval
        self._seen = _newest(run)
        self._process: subprocess.Popen[str] | None = None
        self._count = 0
        self._next = time.monotonic() + interval
        self.text = "the newest checkpoint"

    def poll(self) -> Act | None:
        """A newer policy, if one is ready."""
        if self._process is None:
            newest = _newest(self._run)
            if time.monotonic() >= self._next and newest != self._seen:
                self._seen = newest
                self._count += 1
                self._process = _start(self._run, self._file(), "last")
            return None
        if self._process.poll() is None:
            return None
        failed, said = self._process.returncode, self._process.stderr
        reason = said.read().strip() if said is not None and failed else ""
        self._process, self._next = None, time.monotonic() + self._interval
        if failed:
            self.text = f"a checkpoint could not be exported: {reason}"
            return None
        file = read_policy(self._file())
        steps = file.manifest["training"].get("control_steps", 0)
        self.text = f"checkpoint of {steps:,} control steps"
        act = make_runtime(file, "auto")
        with contextlib.suppress(OSError):
            self._file().unlink()
        return act

    def close(self) -> None:
        """Ends an export that is under way."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _file(self) -> Path:
        return self._folder / f"{self._count}.policy"


def _newest(run: Path) -> int:
    """When the newest checkpoint was written [ns], 0 without one."""
    try:
        return (run / "checkpoints" / "last").stat().st_mtime_ns
    except OSError:
        return 0


def _has_critic(run: Path) -> bool:
    """Whether a policy file can hold the run's critic, which the viewer draws where there is one.

    What cannot be read is for the export to complain about.
    """
    try:
        config = json.loads((run / "config.json").read_text())
        return config.get("algorithm", "crl") == "crl" and not config["agent"].get("replan")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return True


def _start(run: Path, out: Path, checkpoint: str) -> subprocess.Popen[str]:
    words = ["export", str(run), "--checkpoint", checkpoint, "--out", str(out)]
    words += ["--with-critic"] * _has_critic(run)
    process = subprocess.Popen(
        [sys.executable, "-m", "robot_gcrl.cli", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # The learner keeps its core; JAX would start a thread for each
        env=os.environ | {"NPROC": "1"},
    )
    os.setpriority(os.PRIO_PROCESS, process.pid, _LOWEST_PRIORITY)
    return process
