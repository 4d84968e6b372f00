"""What a command is, and how it says its result."""

import errno
import json
import os
import sys
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


def require_source(path: Path, *kinds: str) -> None:
    """Refuses a path where nothing is, by all that could be there.

    Raises:
      ConfigError: nothing is there.
    """
    if not path.exists():
        *others, last = kinds
        raise ConfigError(
            f"There is no {', '.join(others)} or {last} {str(path)!r}. Expected one that exists. "
            "Check the path."
        )


def prepare_out(path: Path | None) -> None:
    """Makes the folder of `--out`, before the work that leads to what is written there.

    Raises:
      ConfigError: the disk refuses, or the path is a folder.
    """
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _unwritable(path, error) from error


def save(path: Path | None, content: dict[str, Any]) -> None:
    """Writes a JSON object to the file of `--out`, if there is one, and says where it is.

    Raises:
      ConfigError: the disk refuses.
    """
    if path is None:
        return
    try:
        path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise _unwritable(path, error) from error
    sys.stderr.write(f"Wrote {path}\n")


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"Cannot write {str(path)!r}: {error.strerror}. Expected a file in a folder that can be "
        "written to. Change --out."
    )


def show(say: Say, table: str, content: dict[str, Any], *, as_json: bool) -> None:
    """Says the table, or with `--json` exactly one JSON object."""
    text = json.dumps(content, allow_nan=False) if as_json else table
    say(text.rstrip("\n") + "\n")
