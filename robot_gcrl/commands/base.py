"""What a command is, and how it says its result."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from robot_gcrl.errors import ConfigError

Engine = Literal["auto", "native", "mjx", "warp"]
Say = Callable[[str], object]

DONE, USER_ERROR = 0, 2


@runtime_checkable
class Command(Protocol):
    """What a command's options can do."""

    def run(self, say: Say) -> int:
        """Does it, says the result and returns the exit code."""
        ...


def save(path: Path, content: dict[str, Any]) -> None:
    """Writes a JSON object to the file of `--out`.

    Raises:
      ConfigError: the disk refuses.
    """
    try:
        path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise ConfigError(
            f"Cannot write {str(path)!r}: {error.strerror}. Expected a folder that exists and can "
            "be written to. Change --out."
        ) from error


def show(say: Say, table: str, content: dict[str, Any], *, as_json: bool) -> None:
    """Says the table, or with `--json` exactly one JSON object."""
    text = json.dumps(content, allow_nan=False) if as_json else table
    say(text.rstrip("\n") + "\n")
