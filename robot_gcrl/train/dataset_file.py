"""A file of recorded trajectories: OGBench's layout (arXiv 2410.20092), and what is ours beside it.

An .npz file without pickle, of S rows, episode after episode:

    observations [S, O]    in observation units
    actions      [S, A]    in [-1, 1]; of an episode's last row it means nothing
    terminals    [S]       1 in the last row of each episode
    qpos [S, nq], qvel [S, nv]
    terminated   [S]       ours: 1 where the episode ended by a fall, and not by time
    goals        [S, G]    ours: commanded, SI
    contract, task, summary      ours: texts; the canonical JSON of the contract, a name, JSON

An episode of T actions has T + 1 rows: the last one holds the observation that the last action led
to. Needed are actions, terminals, and either observations with their contract, or qpos and qvel.
"""

import contextlib
import hashlib
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from robot_gcrl.errors import DatasetError

# Of what is called an action in [-1, 1]; what is beyond by less is clipped
_ROUNDING = 1e-4
_TEXTS = ("contract", "task", "summary")
_OPTIONAL = ("observations", "qpos", "qvel", "goals")
# For the names of the archive
_OVERHEAD = 1 << 16
_CHUNK = 1 << 22


class Rows(NamedTuple):
    """What a file holds; None for what it does not.

    Attributes:
      actions: float32 [S, A].
      terminals: bool [S].
      terminated: bool [S].
      observations: float32 [S, O].
      qpos: float32 [S, nq].
      qvel: float32 [S, nv].
      goals: float32 [S, G].
      contract: canonical JSON.
      task: its name.
      summary: where the rows come from.
    """

    actions: np.ndarray
    terminals: np.ndarray
    terminated: np.ndarray
    observations: np.ndarray | None = None
    qpos: np.ndarray | None = None
    qvel: np.ndarray | None = None
    goals: np.ndarray | None = None
    contract: str | None = None
    task: str | None = None
    summary: Mapping[str, Any] | None = None

    @property
    def episodes(self) -> int:
        """How many."""
        return int(self.terminals.sum())


def require_absent(path: Path) -> None:
    """Fails where a file is: datasets are not overwritten.

    Raises:
      DatasetError: it is there.
    """
    if path.exists():
        raise DatasetError(
            f"The dataset {path} exists. Expected the name of a new file. Choose another --out."
        )


def write_dataset(path: Path, rows: Rows) -> None:
    """Writes a new file, all or nothing.

    Raises:
      DatasetError: the file exists, there is no space, or the disk refuses; nothing is left behind.
    """
    require_absent(path)
    content = {k: v for k, v in rows._asdict().items() if v is not None}
    if rows.summary is not None:
        content["summary"] = json.dumps(dict(rows.summary), allow_nan=False)
    arrays = {name: np.asarray(value) for name, value in content.items()}
    needed = sum(array.nbytes for array in arrays.values()) + _OVERHEAD
    unfinished = path.with_name(f".{path.name}.unfinished-{os.getpid()}")
    try:
        free = shutil.disk_usage(path.parent).free
        if free < needed:
            _unwritable(path, f"{free:,} bytes are free on its disk", needed)
        with unfinished.open("xb") as file:
            np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]
            file.flush()
            os.fsync(file.fileno())
        require_absent(path)
        unfinished.rename(path)
    except OSError as error:
        _unwritable(path, error.strerror or str(error), needed, cause=error)
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


def read_dataset(path: Path) -> Rows:
    """What a file holds, checked in itself.

    Raises:
      DatasetError: it cannot be read, is no such file, or its parts contradict each other.
    """
    arrays = _arrays(path)
    missing = [name for name in ("actions", "terminals") if name not in arrays]
    if missing:
        _refuse(path, f"has no {' and no '.join(missing)}", "actions and terminals")
    numbers = {name: arrays.get(name) for name in ("actions", *_OPTIONAL)}
    for name, array in numbers.items():
        if array is not None:
            numbers[name] = _numbers(path, name, array)
    actions = numbers.pop("actions")
    assert actions is not None
    largest = float(np.abs(actions).max())
    if largest > 1.0 + _ROUNDING:
        _refuse(path, f"has an action of {largest:g}", "actions in [-1, 1]")
    terminals = _flags(path, "terminals", arrays["terminals"], len(actions))
    ended = arrays.get("terminated", np.zeros(len(actions), bool))
    rows = Rows(
        actions=np.clip(actions, -1.0, 1.0),
        terminals=terminals,
        terminated=_flags(path, "terminated", ended, len(actions)),
        **numbers,  # pyright: ignore[reportArgumentType]
        **_texts(path, arrays),
    )
    _check_episodes(path, rows)
    return rows


def file_sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                _refuse(path, "is no .npz file", "a zip archive of arrays")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise DatasetError(
            f"The dataset {path} cannot be read: {error.strerror or error}. Expected a file that "
            "robot-gcrl dataset wrote, or one of OGBench's layout. Check the path."
        ) from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = "holds pickled objects" if "pickle" in str(error) else f"is damaged ({error})"
        _refuse(path, reason, "arrays of numbers and texts", cause=error)


def _numbers(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        _refuse(path, f"has {name} of {_shown(array)}", f"numbers [rows, size of {name}]")
    if not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array).all(axis=1)))
        _refuse(path, f"has {name} that are not finite, first in row {row}", "finite numbers")
    return array.astype(np.float32)


def _flags(path: Path, name: str, array: np.ndarray, rows: int) -> np.ndarray:
    if array.shape != (rows,) or array.dtype.kind not in "bfiu" or not np.isin(array, (0, 1)).all():
        _refuse(path, f"has {name} of {_shown(array)}", f"{rows} numbers that are 0 or 1")
    return array.astype(bool)


def _texts(path: Path, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _TEXTS:
        array = arrays.get(name)
        if array is not None:
            if array.dtype.kind != "U" or array.ndim:
                _refuse(path, f"has a {name} of {_shown(array)}", "one text")
            found[name] = str(array)
    if "summary" in found:
        try:
            found["summary"] = dict(json.loads(found["summary"]))
        except (ValueError, TypeError) as error:
            _refuse(path, "has a summary that is no JSON object", "one", cause=error)
    return found


def _check_episodes(path: Path, rows: Rows) -> None:
    size = len(rows.actions)
    for name in _OPTIONAL:
        array = getattr(rows, name)
        if array is not None and len(array) != size:
            _refuse(path, f"has {len(array)} rows of {name}", f"{size}, as of actions")
    if not size or not rows.terminals[-1]:
        _refuse(path, "ends within an episode", "1 in the last of the terminals")
    lengths = np.diff(np.flatnonzero(rows.terminals), prepend=-1)
    if lengths.min() < 2:
        row = int(np.flatnonzero(rows.terminals)[lengths.argmin()])
        _refuse(path, f"has an episode of one row, row {row}", "two rows or more in each")
    if (rows.terminated & ~rows.terminals).any():
        row = int(np.argmax(rows.terminated & ~rows.terminals))
        _refuse(path, f"has terminated in row {row}, which ends no episode", "it in last rows only")


def _shown(array: np.ndarray) -> str:
    return f"{array.dtype} {tuple(array.shape)}"


def _refuse(path: Path, what: str, expected: str, *, cause: Exception | None = None) -> NoReturn:
    raise DatasetError(
        f"The dataset {path} {what}. Expected {expected}. Write it with robot-gcrl dataset, or in "
        "the layout of docs/learning/dataset.md."
    ) from cause


def _unwritable(
    path: Path, reason: str, needed: int, *, cause: Exception | None = None
) -> NoReturn:
    raise DatasetError(
        f"The dataset {path} cannot be written: {reason}. Expected a writable folder with "
        f"{needed:,} bytes free. Make room, or choose another --out."
    ) from cause
