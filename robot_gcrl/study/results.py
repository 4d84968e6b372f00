"""The file of results: one JSON line for each run of a study that came to an end."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from robot_gcrl.errors import ConfigError

Line = dict[str, Any]
Key = tuple[str, str, str, int]

RATES = ("success_any", "success_final", "time_at_goal", "distance")
"""What an evaluation measures; the first three are scores between 0 and 1."""


def key_of(line: Line) -> Key:
    """Study, task, variant and seed: of each there is one line."""
    return line["study"], line["task"], line["variant"], line["seed"]


def is_offline(line: Line) -> bool:
    """Whether the run learned from a file: its steps are gradient steps."""
    return line["options"].get("dataset") is not None


def read_lines(path: Path) -> list[Line]:
    """The results in a file, in order; a last line without its end is left out.

    Of a run that failed and was done again, what it came to then.

    Raises:
      ConfigError: there is no such file, or a line is no result of a study.
    """
    try:
        *whole, _torn = path.read_text(encoding="utf-8").split("\n")
        lines = [json.loads(text) for text in whole]
        newest = {key_of(line): i for i, line in enumerate(lines)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"The results {path} cannot be read: {error!r}. Expected the JSON lines that "
            "robot-gcrl sweep writes. Check the path, or restore the file."
        ) from error
    return [
        line for i, line in enumerate(lines) if "failed" not in line or newest[key_of(line)] == i
    ]


def append_line(path: Path, line: Line) -> None:
    """Adds a result; what a killed process left of a last line is dropped first.

    Raises:
      OSError: the disk refuses.
    """
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # of another process, a line may be under way
        file.seek(0)
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
        file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
