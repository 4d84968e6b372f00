"""What the run folder of a cell holds, which another call or another process may have begun."""

import hashlib
import itertools
import json
import math
import sys
from pathlib import Path
from typing import Any

from robot_gcrl.errors import CheckpointError, RobotGcrlError
from robot_gcrl.study.results import RATES, Line
from robot_gcrl.train import slot, store
from robot_gcrl.train.config import RESUMABLE, TrainConfig, contents
from robot_gcrl.train.machine import machine
from robot_gcrl.train.metrics import read_metrics
from robot_gcrl.train.run_files import CHECKPOINTS

# Options that came after results had been kept, with what they were before there were any: an
# update of the package is no reason to measure anew
_LATER = {"agent.bootstrap": "0.0", "agent.target_rate": "0.02"}


def is_trained(config: TrainConfig, run: Path) -> bool:
    """Whether a run has had its budget."""
    info = last_metadata(run).get("info", {"control_steps": 0, "seconds": 0.0})
    limit = math.inf if config.minutes is None else 60.0 * config.minutes
    return info["control_steps"] >= config.steps or info["seconds"] >= limit


def told_apart(config: TrainConfig) -> dict[str, Any]:
    """Settings by dotted name, files by what they are and not by how they were written."""
    found = contents(config)
    paths = {name: found[name] for name in ("start_from", "dataset") if found[name] is not None}
    return found | {name: path.resolve() for name, path in paths.items()}


def settings_sha256(config: TrainConfig) -> str:
    """Of everything that makes another run: presets and hints too, which no study names.

    But for task, files, seed and minutes, which each line of the results has by itself, and for
    what came later than the first results and is as they were made.
    """
    private = {"run", "task", "seed", "start_from", "dataset", "minutes", *RESUMABLE} - {"steps"}
    found = {name: str(value) for name, value in contents(config).items() if name not in private}
    kept = {name: value for name, value in found.items() if _LATER.get(name) != value}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def set_aside(run: Path) -> None:
    """Makes room for a run that is to begin anew, if it was begun; what it has is kept."""
    if not run.exists():
        return
    names = (run.with_name(f"{run.name}.{i}") for i in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    run.rename(aside)
    sys.stderr.write(f"{run.name}: cannot be resumed, and begins anew; {aside.name} has the rest\n")


def trained_seconds(run: Path) -> float:
    """For how long a run had trained when it was last saved [s]."""
    return last_metadata(run).get("info", {}).get("seconds", 0.0)


def curve(run: Path) -> list[list[int | float]]:
    """[control steps, seconds, any, final, time at goal] of each evaluation during a run.

    Of an offline run, gradient steps in place of the control steps that it does not have.
    """
    try:
        lines = read_metrics(run)
    except RobotGcrlError:
        return []
    names = ("seconds", *RATES[:3])
    return [
        [line.get("control_steps", line["gradient_steps"]), *(round(line[n], 4) for n in names)]
        for line in lines
        if RATES[0] in line
    ]


def last_metadata(run: Path) -> Line:
    """What stands beside the newest checkpoint of a run; empty where there is none."""
    folder = slot.newest(run / CHECKPOINTS / "last")
    try:
        return {} if folder is None else store.read_metadata(folder)
    except CheckpointError:
        return {}


def machine_of(run: Path) -> Line:
    """That on which the run says it was made; of a run that left nothing, this one."""
    return last_metadata(run).get("machine") or machine(0)
