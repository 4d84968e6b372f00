"""The command that does many runs."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from robot_gcrl.commands.base import DONE, USER_ERROR, Say, show
from robot_gcrl.errors import ConfigError

if TYPE_CHECKING:
    from robot_gcrl.study.cluster import Cluster

_INTERRUPTED = 130


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Trains and measures what a file describes: tasks x options x seeds; goes on if stopped."""

    file: Positional[Path]
    """TOML file: tasks, seeds, and what is compared: variants, a grid or random draws."""
    folder: Path | None = None
    """Folder of runs, results, table and picture; without it, runs/sweeps/NAME."""
    parallel: int = 1
    """Runs side by side on this machine."""
    retry_failed: bool = False
    """Do again what has failed; what failed for good would each time."""
    metric: Literal["success_any", "success_final", "time_at_goal"] = "time_at_goal"
    """Rate by which the printed table compares the variants over all tasks."""
    commands: bool = False
    """Print the command lines of the runs and do nothing."""
    cluster: Literal["slurm"] | None = None
    """Do the runs as jobs of a cluster, through submitit."""
    cluster_options: tuple[str, ...] = ()
    """Options of submitit's executor as NAME=VALUE: timeout_min=600 slurm_partition=gpu."""
    json: bool = False
    """Print one JSON object with every result instead of a table."""

    def run(self, say: Say) -> int:
        """Does the runs, and prints the table."""
        from robot_gcrl.study.sweep import (
            RESULTS_FILE,
            command_lines,
            failures,
            make_sweep,
            sweep,
            told,
        )

        what = make_sweep(
            self.file,
            folder=self.folder,
            parallel=self.parallel,
            cluster=self._cluster(),
            retry_failed=self.retry_failed,
        )
        if self.commands:
            lines = command_lines(what)
            show(say, "\n".join(lines), {"commands": lines}, as_json=self.json)
            return DONE
        if not sweep(what):
            return _INTERRUPTED
        table, lines = told(what, metric=self.metric)
        show(say, table, {"folder": str(what.folder), "results": lines}, as_json=self.json)
        failed = failures(what, lines)
        if failed:
            sys.stderr.write(
                f"{failed} of {len(lines)} runs failed: {what.folder / RESULTS_FILE} says of each "
                "why. Once the cause is mended: --retry-failed\n"
            )
        return USER_ERROR if failed else DONE

    def _cluster(self) -> "Cluster | None":
        if self.cluster is None:
            if self.cluster_options:
                raise ConfigError(
                    f"--cluster-options {' '.join(self.cluster_options)} without --cluster. "
                    "Expected a cluster that they are for. Add --cluster slurm, or leave them out."
                )
            return None
        if self.parallel != 1:
            raise ConfigError(
                f"--parallel {self.parallel} beside --cluster {self.cluster}. Expected one of "
                "them: a cluster says itself how many jobs run. Leave one out."
            )
        from robot_gcrl.study.cluster import Cluster
        from robot_gcrl.study.study import parse_variant

        (options,) = parse_variant(self.cluster_options, "--cluster-options").values()
        return Cluster(name=self.cluster, options=options)
