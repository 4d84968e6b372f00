"""A recording: every frame of a server with its time, in one file that is only ever appended to.

The file is a stream of msgpack objects: a map (policy, contract, when it began), then for each
frame

    [at_ns, kind, identity, robot, frame]

with the server's monotonic clock and kind "in", "out" or "dry" (a command that was computed and
not sent). A thread of its own writes it, so that a slow disk makes no robot wait; what the last
second held may be missing after kill -9, and nothing else is.
"""

import datetime
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import msgpack

from robot_gcrl.errors import BridgeError

FORMAT = "robot-gcrl recording"
VERSION = 1
Kind = Literal["in", "out", "dry"]

# Between two writes [s]
_FLUSH = 1.0
# What may wait for the disk [bytes]: 20 s of 64 robots at 50 Hz
_MOST_WAITING = 64 * 1024 * 1024
# A disk that stands still does not keep the server from ending [s]
_PATIENCE = 5.0
_READ_SIZE = 1024 * 1024
_PACK = msgpack.Packer(use_bin_type=True, autoreset=True).pack


class Entry(NamedTuple):
    """A frame that was recorded.

    Attributes:
      at_ns: on the server's monotonic clock: when it was read, or its own stamp [ns].
      kind: "in" (to the server), "out", or "dry" (would have gone out).
      identity: of the connection.
      robot: the robot's id, or the operator's name; empty before a session is known.
      frame: as it traveled.
    """

    at_ns: int
    kind: str
    identity: bytes
    robot: str
    frame: bytes


class Recorder:
    """Writes a recording. A disk that refuses ends it, and nothing else.

    Attributes:
      path: of the file.
      failed: why it ended before `close`, None if it goes on; what was written stays readable.
    """

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        """Creates the file and writes its header.

        Args:
          path: that does not exist.
          header: policy, contract, sha256, scale, dry_run, runtime; format, version and times are
            added.

        Raises:
          BridgeError: the file exists, or cannot be written.
        """
        self.path = path
        self.failed: str | None = None
        self._waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._added = self._written = 0
        self._ends = threading.Event()
        try:
            # Unbuffered: what `write` returned for is the operating system's, and survives kill -9
            self._file: BinaryIO = path.open("xb", buffering=0)
            _write(self._file, _PACK(_with_times(header)))
        except FileExistsError as error:
            raise BridgeError(
                f"The recording {path} exists. Expected the name of a new file. Choose another."
            ) from error
        except OSError as error:
            raise BridgeError(
                f"The recording {path} cannot be written: {error.strerror}. Expected a folder of "
                "yours with space in it. Choose another place."
            ) from error
        self._writer = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._writer.start()

    def add(self, now_ns: int, kind: Kind, identity: bytes, robot: str, frame: bytes) -> None:
        """Records a frame; never waits for the disk.

        Args:
          now_ns: monotonic [ns].
          kind: see the module.
          identity: of the connection.
          robot: id, or empty.
          frame: as it traveled.
        """
        if self.failed is not None:
            return
        packed = _PACK((now_ns, kind, identity, robot, frame))
        self._waiting.put(packed)
        self._added += len(packed)
        if self._added - self._written > _MOST_WAITING:
            self._fail("the disk is too slow")

    def close(self) -> None:
        """Writes what is left and closes the file."""
        self._ends.set()
        self._writer.join(_PATIENCE)
        if self._writer.is_alive():
            self._fail("the disk stands still")

    def _run(self) -> None:
        with self._file:
            while True:
                ends = self._ends.wait(_FLUSH)
                batch = b"".join(_taken(self._waiting))
                try:
                    _write(self._file, batch)
                except OSError as error:
                    self._fail(error.strerror or str(error))
                if ends or self.failed is not None:
                    return
                self._written += len(batch)

    def _fail(self, reason: str) -> None:
        self.failed = f"{self.path}: {reason}; what was recorded before can be read"
        self._waiting = queue.SimpleQueue()


def read_recording(path: Path) -> tuple[dict[str, Any], Iterator[Entry]]:
    """Header and entries; a last entry that is not whole is left out.

    Raises:
      BridgeError: at once, if it is no recording, or one of a newer version; while iterating, where
        the file is damaged.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise BridgeError(
            f"The recording {path} cannot be read: {error.strerror}. Expected a file that "
            "robot-gcrl serve --record wrote. Check the path."
        ) from error
    unpacker = msgpack.Unpacker(file, raw=False, use_list=False, read_size=_READ_SIZE)
    try:
        header = next(unpacker, None)
    except ValueError:
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        file.close()
        raise BridgeError(
            f"The file {path} is no recording. Expected one that robot-gcrl serve --record wrote. "
            "Check the path."
        )
    version = header.get("version")
    if version != VERSION:
        file.close()
        raise BridgeError(
            f"The recording {path} has format version {version}. Expected {VERSION}. Read it with "
            "the version of robot-gcrl that wrote it."
        )
    return header, _entries(path, file, unpacker)


def _entries(path: Path, file: BinaryIO, unpacker: msgpack.Unpacker) -> Iterator[Entry]:
    with file:
        while True:
            at = unpacker.tell()
            try:
                found = next(unpacker, None)
                if found is None:
                    return
                entry = Entry(*found)
                if [type(value) for value in entry] != [int, str, bytes, str, bytes]:
                    raise ValueError("fields of other types")
            except (ValueError, TypeError) as error:
                raise BridgeError(
                    f"The recording {path} is damaged at byte {at}. Expected a recorded frame. "
                    "What stands before it can be used: cut the file there "
                    f"(truncate --size {at})."
                ) from error
            yield entry


def _with_times(header: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        # For people; everything else is on the monotonic clock
        "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "origin_ns": time.monotonic_ns(),
    } | dict(header)


def _write(file: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _taken(waiting: queue.SimpleQueue[bytes]) -> Iterator[bytes]:
    for _ in range(waiting.qsize()):
        yield waiting.get_nowait()
