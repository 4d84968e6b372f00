"""The commands that serve a policy to robots."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from robot_gcrl.commands.base import Say


@dataclass(frozen=True, kw_only=True)
class Serve:
    """Serves a policy file to robots; Ctrl-C says bye to them and ends, the third at once."""

    policy: Positional[Path]
    """Policy file that `robot-gcrl export` wrote."""
    bind: str | None = None
    """Endpoint, ipc:///PATH or tcp://HOST:PORT; without it, one of this user on this machine."""
    keys: Path | None = None
    """Folder of keys that `robot-gcrl keys` made; needed where other machines can connect."""
    record: Path | None = None
    """File that receives every message, for `robot-gcrl bridge stats` and `replay`."""
    runtime: Literal["auto", "numpy", "onnxruntime"] = "auto"
    """What computes the policy; auto is ONNX Runtime where it is installed."""
    scale: float = 1.0
    """What forces, changes of position and the robot's limits are multiplied by, in (0, 1]."""
    dry_run: bool = False
    """Compute and record commands, and send none."""

    def run(self, say: Say) -> int:
        """Serves until a signal comes."""
        from robot_gcrl.bridge.serve import ServeOptions, serve

        return serve(
            ServeOptions(
                policy=self.policy,
                bind=self.bind,
                keys=self.keys,
                record=self.record,
                runtime=self.runtime,
                scale=self.scale,
                dry_run=self.dry_run,
            )
        )
