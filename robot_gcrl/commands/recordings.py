"""The commands that read recordings of a server."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from robot_gcrl.commands.base import DONE, USER_ERROR, Say, show


@dataclass(frozen=True, kw_only=True)
class BridgeStats:
    """Shows ages of actions, rates, drops, clips and stops in a recording."""

    recording: Positional[Path]
    """File that `robot-gcrl serve --record` wrote."""
    json: bool = False
    """Print one JSON object instead of a table."""

    def run(self, say: Say) -> int:
        """Prints them."""
        from robot_gcrl.bridge.stats import format_stats, recording_stats

        stats = recording_stats(self.recording)
        show(say, format_stats(stats), stats, as_json=self.json)
        return DONE


@dataclass(frozen=True, kw_only=True)
class BridgeReplay:
    """Plays a recording as a robot and says whether the same reports give the same commands."""

    recording: Positional[Path]
    """File that `robot-gcrl serve --record` wrote."""
    policy: Path
    """Policy file that was served, or another one of the same contract."""
    runtime: Literal["auto", "numpy", "onnxruntime"] = "auto"
    """What computes the policy; auto is ONNX Runtime where it is installed."""
    tolerance: float = 0.0
    """Allowed difference of a ctrl, in its unit; 0 is bit for bit."""
    json: bool = False
    """Print one JSON object instead of text."""

    def run(self, say: Say) -> int:
        """Prints what was compared."""
        from robot_gcrl.bridge.replay import replay
        from robot_gcrl.policy.runtime import make_runtime, read_policy

        file = read_policy(self.policy)
        runtime = make_runtime(file, self.runtime)
        result = replay(self.recording, file.contract, runtime, tolerance=self.tolerance)
        show(say, result.text, result.data, as_json=self.json)
        return DONE if result.ok else USER_ERROR
