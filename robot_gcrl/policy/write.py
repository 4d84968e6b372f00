"""A file that is either whole or as it was before."""

import contextlib
import os
import shutil
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np

from robot_gcrl.errors import PolicyError

# For the names of the archive and the directory's entry
_OVERHEAD = 1 << 16
# Equal contents make equal files
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_file(path: Path, content: bytes) -> None:
    """Writes `content` to `path`, all or nothing; its folder is made.

    Raises:
      PolicyError: no space, or the disk refuses; what was there before is unharmed.
    """
    unfinished = path.with_name(f".{path.name}.unfinished-{os.getpid()}")
    needed = len(content) + _OVERHEAD
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free
        if free < needed:
            raise _unwritable(path, f"{free:,} bytes are free on its disk", needed)
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        _flush_entry(path.parent)
    except FileExistsError as error:
        raise _unwritable(path, f"{path.parent} is no folder", needed) from error
    except OSError as error:
        raise _unwritable(path, os.strerror(error.errno or 0), needed) from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


def archive_bytes(entries: Mapping[str, bytes]) -> bytes:
    """A zip archive of entries as they are, without compression."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return buffer.getvalue()


def arrays_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The .npz file of arrays, float32, row after row."""
    entries = {}
    for name, array in arrays.items():
        buffer = BytesIO()
        np.lib.format.write_array(
            buffer, np.asarray(array, "<f4", order="C"), version=(1, 0), allow_pickle=False
        )
        entries[f"{name}.npy"] = buffer.getvalue()
    return archive_bytes(entries)


def _flush_entry(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, reason: str, needed: int) -> PolicyError:
    return PolicyError(
        f"The file {path} cannot be written: {reason}. Expected a writable disk with {needed:,} "
        "bytes free. Make room or choose another place; what was there before is unharmed."
    )
