"""The runs of a study as jobs of a cluster, through submitit (an extra).

Every job does one run with the code that a local sweep uses and leaves its result in a file of its
own, because nodes cannot append to one file; the results are put together here, as jobs end. A job
that is preempted, or whose time is over, saves and is queued again, as often as submitit allows;
what has no result then is continued by the next call.
"""

import importlib.util
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from robot_gcrl.errors import ConfigError
from robot_gcrl.study.cells import Cell, run_name
from robot_gcrl.study.results import key_of, read_lines
from robot_gcrl.study.runs import Runner
from robot_gcrl.study.study import Study

# Options that submitit's executor takes as it is made
_BEGINS = ("slurm_max_num_timeout",)
# Between two looks at the jobs [s]
_LOOK = 2.0
# What jobs that end early may take to save [s]
_SAVING = 60.0


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster as submitit knows it.

    Attributes:
      name: slurm.
      options: of submitit's executor: timeout_min, slurm_partition, gpus_per_node and so on.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if importlib.util.find_spec("submitit") is None:
            raise ConfigError(
                f"--cluster {self.name} needs the package submitit, which is not installed. "
                "Expected it beside robot-gcrl. Install it with: pip install submitit; or let "
                "--commands print the command lines."
            )


class Job:
    """A job: one run, on the node that it was given."""

    def __init__(self, study: Study, folder: Path, cell: Cell, out: Path) -> None:
        """Of `cell`, whose result goes to the file `out`."""
        self._given = study, folder, cell, out
        self._runner: Runner | None = None

    def __call__(self) -> bool:
        """Does it; whether it came to an end."""
        study, folder, cell, out = self._given
        self._runner = Runner(study=study, folder=folder, out=out)
        return self._runner.do([cell])

    def checkpoint(self) -> Any:
        """What submitit queues in its place when it is told that the node is taken away."""
        if self._runner:
            self._runner.stop()
            end = time.monotonic() + _SAVING
            while self._runner.is_running and time.monotonic() < end:
                time.sleep(_LOOK / 10)
        return import_module("submitit").helpers.DelayedSubmission(Job(*self._given))


def run_on_cluster(runner: Runner, cells: Sequence[Cell], cluster: Cluster) -> bool:
    """Submits what the results lack and waits; whether all of it came to an end.

    Ctrl-C cancels the jobs, which save first.

    Raises:
      ConfigError: results of other settings, or options that the cluster does not take.
    """
    for cell in cells:  # of jobs that outlived the call which submitted them
        _collected(runner, _part(runner, cell))
    missing = runner.missing(cells)
    if not missing:
        return True
    options = dict(cluster.options)
    begins = {name: options.pop(name) for name in _BEGINS if name in options}
    try:
        executor = import_module("submitit").AutoExecutor(
            folder=runner.folder / "jobs", cluster=cluster.name, **begins
        )
        executor.update_parameters(name=f"sweep-{runner.study.name}", **options)
    except (AssertionError, NameError, RuntimeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"The cluster {cluster.name!r} with {dict(cluster.options)} cannot be used: "
            f"{' '.join(str(error).split())}. Expected options of submitit's executor, as "
            "timeout_min=600, on a machine that submits to it. Change --cluster-options, or let "
            "--commands print the command lines."
        ) from error
    parts = [_part(runner, cell) for cell in missing]
    with executor.batch():
        jobs = [
            executor.submit(Job(runner.study, runner.folder, cell, part))
            for cell, part in zip(missing, parts, strict=True)
        ]
    sys.stderr.write(f"{len(jobs)} jobs: {', '.join(str(job.job_id) for job in jobs)}\n")
    try:
        while not all(job.done() for job in jobs):
            time.sleep(_LOOK)
    except KeyboardInterrupt:
        for job in jobs:
            job.cancel()
        end = time.monotonic() + _SAVING
        while not all(job.done() for job in jobs) and time.monotonic() < end:
            time.sleep(_LOOK)
    finally:
        has_result = [_collected(runner, part) for part in parts]
    for job, cell, is_done in zip(jobs, missing, has_result, strict=True):
        if not is_done:
            sys.stderr.write(f"{run_name(cell)}: no result; {job.paths.stderr} may say why\n")
    return all(has_result)


def _part(runner: Runner, cell: Cell) -> Path:
    return runner.folder / f"{run_name(cell)}.jsonl"


def _collected(runner: Runner, part: Path) -> bool:
    """Takes over the result of a job, if there is a whole one."""
    lines = read_lines(part) if part.exists() else []
    there = read_lines(runner.out) if runner.out.exists() else []
    known = {key_of(line) for line in there if "failed" not in line}
    for line in lines:
        if key_of(line) not in known:
            runner.record(line)
    if lines:
        part.unlink()
    return bool(lines)
