"""`robot-gcrl sweep FILE.toml`: every run that a file describes, then one table and one picture.

The runs are done here, some side by side, or as jobs of a cluster through submitit, whose nodes
share the folder. What is in the results is not done again, and an interrupted run goes on, so that
the same command continues a sweep that was stopped.
"""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robot_gcrl.errors import ConfigError
from robot_gcrl.study.cells import Cell, cells_of, run_name
from robot_gcrl.study.cluster import Cluster, run_on_cluster
from robot_gcrl.study.report import best_first, draw, report
from robot_gcrl.study.results import Line, key_of, read_lines
from robot_gcrl.study.runs import Runner, evaluate_words
from robot_gcrl.study.study import Study, read_study
from robot_gcrl.train.lock import FolderLock

RESULTS_FILE, PICTURE_FILE, TABLE_FILE = "results.jsonl", "curves.png", "table.md"


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A study and where it is done.

    Attributes:
      study: what is run.
      folder: that receives run folders, logs, results, table and picture.
      parallel: runs side by side on this machine.
      cluster: whose jobs do the runs instead.
      retry_failed: whether what has failed is done again.
    """

    study: Study
    folder: Path
    parallel: int = 1
    cluster: Cluster | None = None
    retry_failed: bool = False

    def __post_init__(self) -> None:
        if self.parallel < 1:
            raise ConfigError(
                f"parallel is {self.parallel}. Expected a whole number of 1 or more. Change "
                "--parallel."
            )


def make_sweep(
    file: Path,
    *,
    folder: Path | None = None,
    parallel: int = 1,
    cluster: Cluster | None = None,
    retry_failed: bool = False,
) -> Sweep:
    """The sweep of a file; without a folder, in runs/sweeps/NAME.

    Raises:
      ConfigError: the file is none, or says what cannot be.
    """
    study = read_study(file)
    return Sweep(
        study=study,
        folder=(folder or Path("runs") / "sweeps" / study.name).resolve(),
        parallel=parallel,
        cluster=cluster,
        retry_failed=retry_failed,
    )


def sweep(what: Sweep) -> bool:
    """Does the runs that the results lack, writes table and picture; whether all came to an end.

    Raises:
      RobotGcrlError: a setting that does not exist, or results of other settings; before any run.
    """
    cells = cells_of(what.study)
    if what.cluster is not None:
        _require_choices(what.study)
    runner = Runner(
        study=what.study,
        folder=what.folder,
        out=what.folder / RESULTS_FILE,
        parallel=what.parallel,
        retry_failed=what.retry_failed,
    )
    sys.stderr.write(f"{len(cells)} runs in {what.folder}\n")
    what.folder.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(what.folder)
    try:
        if what.cluster is None:
            is_done = runner.do(cells)
        else:
            is_done = run_on_cluster(runner, cells, what.cluster)
        if runner.out.exists():
            _write(what)
    finally:
        lock.release()
    return is_done


def command_lines(what: Sweep) -> list[str]:
    """What would be run, as lines for a shell: for clusters that submitit does not know."""
    return [_line(what, cell) for cell in cells_of(what.study)]


def told(what: Sweep, *, metric: str = "time_at_goal") -> tuple[str, list[Line]]:
    """The table of a sweep's results, and the results; of random draws the best come first."""
    lines = _results(what, metric)
    return "\n".join(report(lines, metric=metric, best=True)), lines


def failures(what: Sweep, lines: Sequence[Line]) -> int:
    """How many of the results are of runs that failed, and that the study still names."""
    named = {(what.study.name, c.task, c.variant, c.seed) for c in cells_of(what.study)}
    return sum("failed" in line and key_of(line) in named for line in lines)


def _require_choices(study: Study) -> None:
    """Fails where a node of the cluster might resolve other settings than this machine did."""
    missing = [name for name in ("preset", "engine") if name not in study.options]
    if missing:
        raise ConfigError(
            f"The study {study.name!r} has no {' and no '.join(missing)} under options. Expected "
            "both for a cluster, whose nodes may have another accelerator than this machine, of "
            'which the defaults follow. Add preset = "default" and engine = "mjx", say.'
        )


def _results(what: Sweep, metric: str) -> list[Line]:
    """The results in the order of the tables."""
    lines = read_lines(what.folder / RESULTS_FILE)
    return best_first(lines, metric=metric) if what.study.is_random else lines


def _write(what: Sweep) -> None:
    metric = "time_at_goal"
    lines = _results(what, metric)
    table = report(lines, metric=metric, each=True, best=True)
    (what.folder / TABLE_FILE).write_text("\n".join(table) + "\n")
    draw(lines, metric=metric).savefig(what.folder / PICTURE_FILE, dpi=120)


def _line(what: Sweep, cell: Cell) -> str:
    run = what.folder / run_name(cell)
    train = ["robot-gcrl", "train", *cell.words, "--run", str(run)]
    measured: dict[str, Any] = what.study.measured
    words = [word for name, value in measured.items() for word in evaluate_words(name, value)]
    evaluate = ["robot-gcrl", "evaluate", str(run), *words, "--out", str(run / "evaluation.json")]
    return f"{shlex.join(train)} && {shlex.join(evaluate)}"
