"""metrics.jsonl: one JSON object a line, each of one moment of a run.

Every line has "iteration" and "control_steps", of an offline run "gradient_steps" alone; what was
not measured is absent. A rate over episodes may be an object {"mean", "ci95", "n"}.
"""

import contextlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from robot_gcrl.errors import CheckpointError, RobotGcrlError
from robot_gcrl.train.run_files import METRICS_FILE


class DivergedError(RobotGcrlError):
    """A metric is no longer a finite number."""


class MetricsWriter:
    """Appends lines to the metrics of a run."""

    def __init__(self, run: Path, *, after_iteration: int = 0) -> None:
        """Opens the file; drops the lines that a resumed run will write again, and a torn one.

        Args:
          run: the run folder.
          after_iteration: lines of later iterations are dropped.

        Raises:
          CheckpointError: it cannot be written, or a line is damaged.
        """
        path = run / METRICS_FILE
        kept = [line for line in read_metrics(run) if line["iteration"] <= after_iteration]
        unfinished = path.with_name(f".{METRICS_FILE}")
        try:
            with unfinished.open("w") as file:
                file.writelines(_encode(line) for line in kept)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
            self._file = path.open("a")
        except OSError as error:
            raise _unwritable(path, error) from error
        self._path = path

    def write(self, line: Mapping[str, Any]) -> None:
        """Appends one line and hands it to the operating system.

        Args:
          line: finite numbers, texts or mappings of them by name; "iteration" among them.

        Raises:
          DivergedError: a number is not finite; the line is not written.
          CheckpointError: the disk refuses.
        """
        for name, value in _numbers(line):
            if not math.isfinite(value):
                raise DivergedError(
                    f"{name} is {value} at iteration {line['iteration']}. Expected a finite "
                    "number: the training has diverged. Lower --agent.learning-rate, or look at "
                    f"{self._path} for what grew."
                )
        try:
            self._file.write(_encode(line))
            self._file.flush()
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def close(self) -> None:
        """Closes the file."""
        # What could not be written is said by `write`, and would be tried, and fail, once more
        with contextlib.suppress(OSError):
            self._file.close()

    def __enter__(self) -> "MetricsWriter":
        """The writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the file."""
        self.close()


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics, in order; none if the run has not written any.

    A last line without its end, as a killed process leaves it, is left out.

    Raises:
      CheckpointError: a line is not a JSON object with an iteration.
    """
    path = run / METRICS_FILE
    if not path.exists():
        return []
    *whole, _torn = path.read_bytes().split(b"\n")
    return [_decode(text, path, number) for number, text in enumerate(whole, start=1)]


def mean_of(value: Any) -> Any:
    """What stands for a value where there is room for one: of a rate, its mean."""
    return value["mean"] if isinstance(value, Mapping) else value


def _decode(text: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        line = json.loads(text)
        if isinstance(line["iteration"], int):
            return line
    except (ValueError, KeyError, TypeError):
        pass
    raise CheckpointError(
        f"Line {number} of {path} is damaged: {text[:60]!r}. Expected a JSON object with an "
        '"iteration". Remove the line.'
    )


def _encode(line: Mapping[str, Any]) -> str:
    return json.dumps(line, allow_nan=False) + "\n"


def _numbers(line: Mapping[str, Any], prefix: str = "") -> list[tuple[str, int | float]]:
    """Every number in a line with its dotted name."""
    found: list[tuple[str, int | float]] = []
    for name, value in line.items():
        if isinstance(value, Mapping):
            found += _numbers(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            found += [(prefix + name, number) for number in value]
        elif not isinstance(value, str):
            found.append((prefix + name, value))
    return found


def _unwritable(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"{path} cannot be written: {error.strerror}. Expected a writable disk with room. Make "
        "room and go on with --resume."
    )
