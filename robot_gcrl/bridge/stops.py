"""Stops that hold until they are cleared, kept in a file across restarts of the server.

The robot process owns its latched stop; the book is for the robot that could not be told, because
its link or the server was down when the operator said stop, and for the one that said that it is
latched and whose program is then started anew.
"""

import json
import os
from pathlib import Path

from robot_gcrl.errors import BridgeError

EVERY = "*"
"""Stands for every robot."""


class StopBook:
    """Reasons by robot id."""

    def __init__(self, path: Path) -> None:
        """What the file holds; none if there is no file.

        Raises:
          BridgeError: the file cannot be read. A server that cannot know whom it must stop does
            not start.
        """
        self._path = path
        self._reasons: dict[str, str] = {}
        self._is_written = True
        try:
            if path.exists():
                content = json.loads(path.read_text())
                self._reasons = {str(robot): str(reason) for robot, reason in content.items()}
        except (OSError, ValueError, AttributeError) as error:
            raise BridgeError(
                f"The file of operators' stops {path} cannot be read: {error}. Expected the JSON "
                "object that a server writes. Make sure that no robot must stay stopped, then "
                "remove it."
            ) from error

    def reason(self, robot: str) -> str | None:
        """Why a robot must stop, or None."""
        return self._reasons.get(robot, self._reasons.get(EVERY))

    def add(self, robot: str, reason: str) -> None:
        """Holds a robot's stop; of two reasons the first stays.

        Raises:
          OSError: it holds in this process and could not be written; the next change, or the same
            stop again, tries anew.
        """
        is_new = robot not in self._reasons
        self._reasons.setdefault(robot, reason)
        if is_new or not self._is_written:
            self._write()

    def remove(self, robot: str) -> None:
        """Ends a robot's stop, or with "*" every stop.

        Raises:
          OSError: as `add`.
        """
        if robot == EVERY:
            self._reasons.clear()
        else:
            self._reasons.pop(robot, None)
        self._write()

    def blocks(self, robot: str) -> bool:
        """Whether a stop of every robot holds, which clearing one robot does not end."""
        return robot != EVERY and EVERY in self._reasons

    def _write(self) -> None:
        self._is_written = False
        unfinished = self._path.with_suffix(".new")
        with unfinished.open("w") as file:
            json.dump(self._reasons, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._path)
        self._is_written = True
