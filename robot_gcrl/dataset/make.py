"""`robot-gcrl dataset`: trajectories of a policy, or of a recording, as one file."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robot_gcrl.errors import ConfigError, DatasetError
from robot_gcrl.train.config import option
from robot_gcrl.train.dataset_file import Rows, require_absent, write_dataset

Settings = Mapping[str, Any]


def make_dataset(
    source: Path, out: Path, given: Settings, *, replay: bool = False
) -> dict[str, Any]:
    """Writes a new file and returns what is in it, ready for JSON.

    Args:
      source: run folder, policy file, or recording.
      out: the file; it must not exist.
      given: arguments of `policy_rows` that the user wrote; nothing else reads them.
      replay: whether it is what a run folder's replay holds that is written.

    Raises:
      RobotGcrlError: there is no such source, an option that it does not read, or a file that
        cannot be written.
    """
    require_absent(out)
    if not out.parent.is_dir():
        raise DatasetError(
            f"The dataset {out} cannot be written: {out.parent} is no folder. Expected one that "
            "exists. Make it, or choose another --out."
        )
    rows = _stored(source, given) if replay else _rows(source, given)
    write_dataset(out, rows)
    return {
        "dataset": str(out),
        "task": rows.task,
        "rows": len(rows.actions),
        "episodes": rows.episodes,
        "terminated": int(rows.terminated.sum()),
        "summary": dict(rows.summary or {}),
    }


def format_dataset(result: Mapping[str, Any]) -> str:
    """What `make_dataset` returns as a line for a terminal."""
    fell = f", {result['terminated']:,} of them ended by a fall" if result["terminated"] else ""
    actions = result["summary"].get("actions")
    acted = "" if actions is None else f"; actions: {actions}"
    if result["summary"].get("replay"):
        acted = f"; the run's own, until control step {result['summary']['control_steps']:,}"
    return (
        f"{result['dataset']}: {result['rows']:,} rows, {result['episodes']:,} episodes of task "
        f"{result['task']}{fell}{acted}"
    )


def _stored(source: Path, given: Settings) -> Rows:
    if given:
        idle = ", ".join(option(name) for name in given)
        raise ConfigError(
            f"{idle} was given beside --replay. Expected options of a simulation without it: "
            "nothing is simulated. Leave out either."
        )
    if not source.is_dir():
        raise ConfigError(
            f"--replay was given for {source}, which is no run folder. Expected one: nothing else "
            "holds what was practised. Name it, or leave --replay out."
        )
    from robot_gcrl.dataset.stored import replay_rows

    return replay_rows(source)


def _rows(source: Path, given: Settings) -> Rows:
    if source.is_dir() or (source.is_file() and zipfile.is_zipfile(source)):
        # Loads what a recording needs not
        from robot_gcrl.dataset.episodes import policy_rows

        return policy_rows(source, **given)
    if given:
        idle = ", ".join(option(name) for name in given)
        raise ConfigError(
            f"{idle} was given for the recording {source}. Expected options of a simulation with "
            "a run folder or a policy file only. Leave them out, or name one of these."
        )
    from robot_gcrl.dataset.recording import recording_rows

    return recording_rows(source)
