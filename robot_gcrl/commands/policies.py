"""The commands around policy files."""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from robot_gcrl.commands.base import DONE, USER_ERROR, Say, require_source, show

if TYPE_CHECKING:
    from robot_gcrl.policy.runtime.file import PolicyFile


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
    with_critic: bool = False
    """Put the critic and the map of the maze into the policy file too, for viewers."""

    def run(self, say: Say) -> int:
        """Writes the file."""
        from robot_gcrl.train.export import export_run

        written = export_run(
            self.source,
            checkpoint=self.checkpoint,
            format=self.format,
            out=self.out,
            with_critic=self.with_critic,
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


@dataclass(frozen=True, kw_only=True)
class Critic:
    """Shows what the agent believes: its critic's energy over the goals, and how it ranks them."""

    source: Positional[Path]
    """Policy file that was exported with its critic, or run folder."""
    checkpoint: Literal["best", "last"] = "best"
    """Which of a run's checkpoints is shown."""
    out: Path | None = None
    """Picture (.png) of the energy that is drawn too."""
    json: bool = False
    """Print one JSON object instead of a table."""

    def run(self, say: Say) -> int:
        """Prints the rank correlations and draws the picture."""
        require_source(self.source, "run folder", "policy file")
        from robot_gcrl.policy.runtime import read_policy

        if not self.source.is_dir():
            return self._show(read_policy(self.source), say)
        from robot_gcrl.train.export import export_run

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.policy"
            export_run(self.source, checkpoint=self.checkpoint, out=path, with_critic=True)
            return self._show(read_policy(path), say)

    def _show(self, file: "PolicyFile", say: Say) -> int:
        from robot_gcrl.viewer.energy import (
            draw_energy,
            energy_content,
            format_energy,
            start_energy,
        )

        result = start_energy(file)
        task = file.contract.name
        if self.out is not None:
            title = f"{task}: what the agent believes at the start"
            sys.stderr.write(
                f"Wrote {draw_energy(result, self.out, title=title, maze=file.maze)}\n"
            )
        table = f"{self.source}: task {task}\n{format_energy(result)}"
        content = {"source": str(self.source), "task": task} | energy_content(result)
        show(say, table, content, as_json=self.json)
        return DONE
