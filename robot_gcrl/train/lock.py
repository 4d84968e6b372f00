"""One writer for a run folder: a lock that the operating system drops with its process."""

import fcntl
import json
import os
import socket
from pathlib import Path

from robot_gcrl.errors import CheckpointError


class FolderLock:
    """An flock on a file of the folder; a process that dies, however, no longer holds it."""

    def __init__(self, folder: Path) -> None:
        """Takes the lock.

        Raises:
          CheckpointError: another process holds it, or the folder cannot be written.
        """
        path = folder / ".lock"
        try:
            # Not truncated: if another process has the lock, the file says which
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise CheckpointError(
                f"The run folder {folder} cannot be written: {error.strerror}. Expected a folder "
                "on a writable disk. Change its permissions, or copy it to another place."
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise CheckpointError(
                f"The run folder {folder} is in use by {_holder(path)}. Expected one process per "
                "run folder. Wait for it or stop it, or choose another --run."
            ) from error
        os.ftruncate(self._descriptor, 0)
        holder = {"pid": os.getpid(), "host": socket.gethostname()}
        os.pwrite(self._descriptor, json.dumps(holder).encode(), 0)

    def release(self) -> None:
        """Gives the lock back."""
        os.close(self._descriptor)


def is_locked(folder: Path) -> bool:
    """Whether a process writes to a run folder now; asks for the lock, and drops it at once."""
    try:
        descriptor = os.open(folder / ".lock", os.O_RDONLY)
    except OSError:
        return False  # nobody ever did, or it cannot be told
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError):
        return "another process"
