"""A folder of arrays that is either whole or not there.

`write_folder` builds a hidden folder beside the final name, flushes it to the disk and renames it;
a process killed at any moment leaves the final name absent or whole. The arrays are written by
Orbax, one group for each named pytree, so that one group can be read without the others;
`metadata.json` lists size and CRC-32 of every file, by which a truncated or altered one is found.
"""

import contextlib
import json
import logging
import math
import os
import re
import shutil
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from robot_gcrl.errors import CheckpointError

T = TypeVar("T")

METADATA = "metadata.json"
# Names that a killed process may leave behind begin so; nothing else does
UNFINISHED = ".unfinished-"
_CHUNK = 1 << 22
# How often, and how long apart [s], an unfinished folder is removed
_TRIES, _PAUSE = 20, 0.1
# For Orbax's own metadata and the directory entries
_OVERHEAD = 1 << 20


def leaves(tree: Any) -> dict[str, Any]:
    """The arrays of a pytree by their path: {".params['w']": array}."""
    paths, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path) or "value": leaf for path, leaf in paths}


def size(groups: Mapping[str, Any]) -> int:
    """Bytes of all arrays."""
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(dict(groups)))


def write_folder(folder: Path, groups: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    """Writes pytrees and metadata to `folder`, which must not exist, all or nothing.

    Args:
      folder: the final name; its parent is created.
      groups: pytrees of arrays by name.
      metadata: what json.dump accepts.

    Raises:
      CheckpointError: no space, or the disk refuses; nothing is left behind.
    """
    needed = size(groups) + _OVERHEAD
    building = folder.with_name(UNFINISHED + folder.name)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep(folder.parent)
        free = shutil.disk_usage(folder.parent).free
        if free < needed:
            _refuse(folder, f"{free:,} bytes are free on its disk", needed)
        building.mkdir()
        for name, tree in groups.items():
            _write_arrays(building / name, tree)
        listed: dict[str, Any] = {"leaves": {name: _shapes(tree) for name, tree in groups.items()}}
        listed["files"] = {
            str(path.relative_to(building)): [path.stat().st_size, _crc(path)]
            for path in _files(building)
        }
        (building / METADATA).write_text(json.dumps(dict(metadata) | listed, indent=1))
        _flush(building)
        building.rename(folder)
        _flush_entry(folder.parent)
    except (OSError, ValueError, RuntimeError) as error:
        _remove(building)
        _refuse(folder, _reason(error), needed, cause=error)


def sweep(parent: Path) -> None:
    """Removes what a killed process left unfinished in `parent`."""
    for leftover in parent.glob(UNFINISHED + "*"):
        shutil.rmtree(leftover)


def read_metadata(folder: Path) -> dict[str, Any]:
    """The metadata of a folder that `write_folder` made.

    Raises:
      CheckpointError: it is missing or cannot be read.
    """
    try:
        return json.loads((folder / METADATA).read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"The checkpoint {folder} is damaged: {METADATA} cannot be read ({error}). Expected "
            "the JSON that a save writes."
        ) from error


def find_damage(folder: Path) -> str | None:
    """What is wrong with a folder that `write_folder` made, in one clause; None if it is intact."""
    try:
        files = read_metadata(folder)["files"]
    except CheckpointError:
        return f"{METADATA} cannot be read"
    for name, (expected, crc) in files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        found = path.stat().st_size
        if found != expected:
            return f"{name} has {found:,} of {expected:,} bytes"
        if _crc(path) != crc:
            return f"{name} has the right size and other content than was written"
    return None


def read_group(folder: Path, name: str, template: T) -> T:
    """The pytree that was written as `name`, bit for bit, on the default device.

    Args:
      folder: made by `write_folder`, known to be intact.
      name: of the group.
      template: pytree of arrays or jax.ShapeDtypeStruct of the same structure, shapes and dtypes.

    Raises:
      CheckpointError: what was written has other leaves, shapes or dtypes.
    """
    written = read_metadata(folder)["leaves"].get(name, {})
    expected = _shapes(template)
    if written != expected:
        different = min(k for k in written | expected if written.get(k) != expected.get(k))
        raise CheckpointError(
            f"The checkpoint {folder} does not fit: {name}{different} is "
            f"{_shown(written.get(different))} in it. Expected "
            f"{_shown(expected.get(different))}. Use the version of robot-gcrl that wrote it, with "
            "the task as it was then."
        )
    arrays = read_arrays(folder, name)
    return jax.tree.unflatten(
        jax.tree.structure(template), [jnp.array(arrays[key]) for key in expected]
    )


def read_arrays(folder: Path, name: str) -> dict[str, np.ndarray]:
    """All arrays of a group by their path in it, as `leaves` names them.

    Args:
      folder: made by `write_folder`, known to be intact.
      name: of the group.
    """
    written = read_metadata(folder)["leaves"].get(name, {})
    # Orbax refuses arrays without elements: they are not written, and made anew here
    empty = {key: np.zeros(shape, dtype) for key, (shape, dtype) in written.items() if 0 in shape}
    filled = written.keys() - empty.keys()
    if not filled:
        return empty
    arguments = {key: ocp.RestoreArgs(restore_type=np.ndarray) for key in filled}
    with _checkpointer() as checkpointer:
        return empty | checkpointer.restore(
            (folder / name).resolve(), args=ocp.args.PyTreeRestore(restore_args=arguments)
        )


def arrays_bytes(folder: Path, name: str) -> int:
    """What `read_arrays` of this group takes, in memory [bytes]."""
    written = read_metadata(folder)["leaves"].get(name, {})
    return sum(math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in written.values())


def _remove(folder: Path) -> None:
    # Threads of Orbax may still write into it, so that it is not empty when it is to go
    for _ in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_PAUSE)


def _write_arrays(folder: Path, tree: Any) -> None:
    filled = {key: leaf for key, leaf in leaves(tree).items() if leaf.size}
    if filled:
        with _checkpointer() as checkpointer:
            checkpointer.save(folder.resolve(), args=ocp.args.PyTreeSave(filled))
    else:
        folder.mkdir()


@contextlib.contextmanager
def _checkpointer() -> Iterator[ocp.Checkpointer]:
    # Observations hardly compress and the time is better spent on training: 165 MB take a third
    # of the time so. The threads of Orbax log what they also raise, with their tracebacks.
    log = logging.getLogger("absl")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with ocp.Checkpointer(ocp.PyTreeCheckpointHandler(use_compression=False)) as checkpointer:
            yield checkpointer
    finally:
        log.setLevel(before)


def _shapes(tree: Any) -> dict[str, list[Any]]:
    return {key: [list(leaf.shape), str(leaf.dtype)] for key, leaf in leaves(tree).items()}


def _shown(shape: list[Any] | None) -> str:
    return "absent" if shape is None else f"{shape[1]} {tuple(shape[0])}"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            crc = zlib.crc32(chunk, crc)
    return crc


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        _flush_entry(path)
    _flush_entry(folder)


def _flush_entry(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    """The operating system's words; other errors are ours, and are raised again."""
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    # TensorStore raises a ValueError that holds the number
    if found := re.search(r"os_error_code='(\d+)'", str(error)):
        return os.strerror(int(found[1]))
    raise error


def _refuse(folder: Path, reason: str, needed: int, *, cause: Exception | None = None) -> NoReturn:
    raise CheckpointError(
        f"The checkpoint {folder} cannot be written: {reason}. Expected a writable disk with "
        f"{needed:,} bytes free. Make room or choose another place; checkpoints written before "
        "are unharmed."
    ) from cause
