"""The zip archive that a policy file is: entries as they are, without compression, and a manifest.

The manifest names size and sha256 of every other entry, by which a truncated or altered file is
found. Entries are stored, not deflated, so that a small file cannot unpack to a large one, and
nothing is ever written to the disk; names other than those of the format are refused.
"""

import hashlib
import json
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from robot_gcrl.errors import PolicyError

FORMAT = 1
MANIFEST = "manifest.json"
CONTRACT = "contract.json"
NETWORK = "network.json"
WEIGHTS = "weights.npz"
ONNX = "policy.onnx"
SCENE = "scene.mjb"
MJCF = "scene.zip"
LAYOUT = "layout.json"
SCENARIOS = "scenarios.npz"
GOLDEN = "golden.npz"
CRITIC = "critic.json"
CRITIC_WEIGHTS = "critic.npz"
MAZE = "maze.json"
REALISM = "realism.json"
ENTRIES = (CONTRACT, NETWORK, WEIGHTS, ONNX, SCENE, MJCF, LAYOUT, SCENARIOS, GOLDEN)
OPTIONAL = (CRITIC, CRITIC_WEIGHTS, MAZE, REALISM)

_CHUNK = 1 << 20
_LARGEST_MANIFEST = 1 << 20
_CHANGED = "has other content than was written"
# What zipfile raises where an archive is altered
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,  # a method of compression, an encryption
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)


class Manifest(NamedTuple):
    """The manifest of an archive whose entries are whole.

    Attributes:
      content: the JSON object.
      sha256: hex digest of the entry: it stands for the whole file.
    """

    content: Mapping[str, Any]
    sha256: str


def check_archive(path: Path) -> Manifest:
    """Reads every entry once and returns the manifest that they fit.

    Raises:
      PolicyError: no such file, no policy file, a newer format, or an entry that is missing, too
        much, or not as it was written.
    """
    with _open(path) as archive:
        # The manifest first: a newer format may differ in all the rest
        raw = _read(path, archive, MANIFEST, _LARGEST_MANIFEST)
        content = _parse_manifest(path, raw)
        for name in _checked_names(path, archive, content["entries"]):
            if name not in content["entries"]:
                refuse(path, f"{MANIFEST} does not list {name}")
            _check_entry(path, archive, name, content["entries"][name])
    return Manifest(content, hashlib.sha256(raw).hexdigest())


def read_entry(path: Path, name: str, manifest: Mapping[str, Any]) -> bytes:
    """An entry, as the manifest of `check_archive` has it.

    Raises:
      PolicyError: the file is not what it was then.
    """
    listed = manifest["entries"][name]
    with _open(path) as archive:
        raw = _read(path, archive, name, listed["bytes"])
    if hashlib.sha256(raw).hexdigest() != listed["sha256"]:
        refuse(path, f"{name} {_CHANGED}")
    return raw


def read_arrays(raw: bytes, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The arrays of an .npz file whose names and shapes are known; all are float32.

    Raises:
      ValueError: it holds other arrays than `shapes` says.
    """
    arrays = {}
    with zipfile.ZipFile(BytesIO(raw)) as archive:
        names = sorted(info.filename for info in archive.infolist())
        if names != sorted(f"{name}.npy" for name in shapes):
            raise ValueError(f"it holds the arrays {', '.join(names)[:200]}")
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise ValueError("its arrays are compressed")
        for name, shape in shapes.items():
            arrays[name] = _array(archive.read(f"{name}.npy"), name, shape)
    return arrays


def refuse(path: Path, damage: str, cause: BaseException | None = None) -> NoReturn:
    """Raises the error of a damaged file; `damage` is one clause."""
    raise PolicyError(
        f"The policy file {path} is damaged: {damage}. Expected it as robot-gcrl export wrote it. "
        "Copy it again, or export the run again."
    ) from cause


def _open(path: Path) -> zipfile.ZipFile:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise PolicyError(
            f"The policy file {path} {what}. Expected a file that robot-gcrl export wrote. Check "
            "the path."
        )
    try:
        return zipfile.ZipFile(path)
    except OSError as error:
        raise PolicyError(
            f"The policy file {path} cannot be read: {error.strerror or error}. Expected a file "
            "that this user may read. Check its permissions."
        ) from error
    except _ZIP_ERRORS as error:
        size = path.stat().st_size
        refuse(path, f"it is no zip archive, or its end is missing ({size:,} bytes)", error)


def _checked_names(
    path: Path, archive: zipfile.ZipFile, listed: Mapping[str, Any]
) -> tuple[str, ...]:
    """The names of all entries but the manifest, of which none is missing and none too much."""
    names = [info.filename for info in archive.infolist()]
    expected = (*ENTRIES, *(n for n in OPTIONAL if n in listed or n in names))
    if CRITIC in expected or CRITIC_WEIGHTS in expected:
        expected = tuple(dict.fromkeys((*expected, CRITIC, CRITIC_WEIGHTS)))
    for name in expected:
        if name not in names:
            refuse(path, f"{name} is missing")
    for info in archive.infolist():
        name = info.filename
        if name not in (MANIFEST, *expected):
            refuse(path, f"it holds {name[:80]!r}, which is no entry of this format")
        if names.count(name) > 1:
            refuse(path, f"it holds {name!r} twice")
        if info.compress_type != zipfile.ZIP_STORED:
            refuse(path, f"{name} is compressed")
    return expected


def _parse_manifest(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        content = json.loads(raw)
        version, entries = content["format"], content["entries"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        refuse(path, f"{MANIFEST} cannot be read", error)
    if version != FORMAT:
        raise PolicyError(
            f"The policy file {path} has format {str(version)[:20]}. Expected format {FORMAT}, "
            "which this version of robot-gcrl knows. Use the version that wrote it, or export the "
            "run again."
        )
    if not isinstance(entries, dict) or not all(isinstance(e, dict) for e in entries.values()):
        refuse(path, f"{MANIFEST} cannot be read")
    return content


def _check_entry(
    path: Path, archive: zipfile.ZipFile, name: str, listed: Mapping[str, Any]
) -> None:
    found = archive.getinfo(name).file_size
    if found != listed.get("bytes"):
        refuse(path, f"{name} has {found:,} bytes, the manifest says {listed.get('bytes')}")
    digest = hashlib.sha256()
    with _reading(path, name), archive.open(name) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != listed.get("sha256"):
        refuse(path, f"{name} {_CHANGED}")


def _read(path: Path, archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    with _reading(path, name):
        if archive.getinfo(name).file_size <= largest:
            return archive.read(name)
    refuse(path, f"{name} is longer than {largest:,} bytes")


@contextmanager
def _reading(path: Path, name: str) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        refuse(path, f"{name} is missing", error)
    except (OSError, *_ZIP_ERRORS) as error:  # zip's own checksum, a place outside the file
        refuse(path, f"{name} {_CHANGED}", error)


def _array(raw: bytes, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The array of an .npy file; read without pickle, and without trust in the size it claims."""
    file = BytesIO(raw)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{name} is no .npy file of version 1.0")
    found, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if found != shape or is_fortran or dtype != np.dtype("<f4"):
        raise ValueError(f"{name} is {dtype} {found} instead of float32 {shape}")
    # Copied, so that the array is aligned and the caller's to change
    return np.frombuffer(raw, "<f4", offset=file.tell()).reshape(shape).copy()
