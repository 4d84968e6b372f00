"""The command that writes trajectories to learn from."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from robot_gcrl.commands.base import DONE, Engine, Say, require_source, show


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Writes trajectories of a policy or of a recording to a file for `train --dataset`."""

    source: Positional[Path]
    """Run folder, policy file, or a recording of `robot-gcrl serve --record`."""
    out: Path
    """File (.npz) that is written; it must not exist."""
    replay: bool = False
    """Write what the run's replay holds of its own practice, in place of new episodes."""
    episodes: int = 1000
    """Whole episodes, each with its own start and goal."""
    goals: Literal["train", "eval"] = "train"
    """Distribution of starts and goals."""
    actions: Literal["mean", "sampled", "random"] | None = None
    """What acts: the policy's samples, its mean, or actions that are uniform in [-1, 1]; without
    it, samples, but the mean of a policy file that holds no standard deviations."""
    seed: int = 0
    """Seed of everything random."""
    engine: Engine = "auto"
    """Physics engine that steps the worlds."""
    checkpoint: Literal["best", "last"] = "best"
    """Which of a run's checkpoints acts."""
    task: str | None = None
    """Task of a policy file, if not the one of the same name: FILE.py:NAME."""
    num_envs: int = 256
    """Worlds stepped side by side."""
    json: bool = False
    """Print one JSON object instead of text."""

    def run(self, say: Say) -> int:
        """Writes the file and says what is in it."""
        require_source(self.source, "run folder", "policy file", "recording")
        from robot_gcrl.dataset.make import format_dataset, make_dataset

        simulated = [f for f in fields(self) if f.name not in ("source", "out", "replay", "json")]
        values = {f.name: getattr(self, f.name) for f in simulated}
        given = {f.name: values[f.name] for f in simulated if values[f.name] != f.default}
        result = make_dataset(self.source, self.out, given, replay=self.replay)
        show(say, format_dataset(result), result, as_json=self.json)
        return DONE
