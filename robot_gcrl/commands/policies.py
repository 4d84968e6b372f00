"""The commands around policy files."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from robot_gcrl.commands.base import DONE, USER_ERROR, Say, show


@dataclass(frozen=True, kw_only=True)
class Export:
    """Writes a run's policy to one file that runs without this code and without JAX."""

    source: Positional[Path]
    """Run folder; for the formats onnx and c also a policy file."""
    out: Path | None = None
    """File, or for c folder, that is written; without it, RUN/policy/TASK with a suffix."""
    checkpoint: Literal["best", "last"] = "best"
    """Which of the run's checkpoints is exported."""
    format: Literal["policy", "onnx", "c"] = "policy"
    """The whole policy file, its ONNX graph alone, or C sources."""

    def run(self, say: Say) -> int:
        """Writes the file."""
        from robot_gcrl.train.export import export_run

        written = export_run(
            self.source, checkpoint=self.checkpoint, format=self.format, out=self.out
        )
        sys.stderr.write(f"Wrote {written}\n")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Checks a policy file: checksums, contract, and its examples on each runtime there is."""

    policy: Positional[Path]
    """Policy file."""
    json: bool = False
    """Print one JSON object instead of a table."""

    def run(self, say: Say) -> int:
        """Prints what was checked."""
        from robot_gcrl.policy.verify import format_verification, verify_policy

        result = verify_policy(self.policy)
        show(say, format_verification(result), result, as_json=self.json)
        return DONE if result["ok"] else USER_ERROR
