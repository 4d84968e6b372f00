"""What becomes of a file that cannot be written, and of the one that was there."""

import os
import resource
import shutil
from pathlib import Path

import pytest

from robot_gcrl.errors import PolicyError
from robot_gcrl.policy import write
from robot_gcrl.policy.write import write_file


def refusal(path: Path, content: bytes = b"new") -> str:
    with pytest.raises(PolicyError) as caught:
        write_file(path, content)
    return str(caught.value)


UNWRITABLE = (
    "The file {path} cannot be written: {reason}. Expected a writable disk with {needed:,} bytes "
    "free. Make room or choose another place; what was there before is unharmed."
)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "a.policy"
    path.write_bytes(b"old")
    return path


def intact(path: Path) -> bool:
    return [p.name for p in path.parent.iterdir()] == [path.name] and path.read_bytes() == b"old"


def test_a_full_disk_is_found_before_the_write(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(old.parent)._replace(free=1000)
    monkeypatch.setattr(write.shutil, "disk_usage", lambda path: usage)
    assert refusal(old) == UNWRITABLE.format(
        path=old, reason="1,000 bytes are free on its disk", needed=3 + 65536
    )
    assert intact(old)


# Seen to fail: with the final name opened for writing.
def test_a_disk_that_fills_up_during_the_write(old: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        text = refusal(old, bytes(200_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert text == UNWRITABLE.format(path=old, reason="File too large", needed=200_000 + 65536)
    assert intact(old)


def test_a_disk_that_becomes_read_only(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(write.os, "fsync", refuse)
    assert refusal(old) == UNWRITABLE.format(
        path=old, reason="Read-only file system", needed=3 + 65536
    )
    assert intact(old)


def test_a_place_that_is_none(old: Path) -> None:
    inside = old / "b.policy"
    assert refusal(inside) == UNWRITABLE.format(
        path=inside, reason=f"{old} is no folder", needed=3 + 65536
    )
    folder = old.parent / "folder"
    folder.mkdir()
    assert refusal(folder) == UNWRITABLE.format(
        path=folder, reason="Is a directory", needed=3 + 65536
    )
    folder.rmdir()
    assert intact(old)


def test_an_interrupted_write_leaves_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(write.os, "fsync", die)
    with pytest.raises(KeyboardInterrupt):
        write_file(old, b"new")
    assert intact(old)
    monkeypatch.undo()
    write_file(old, b"new")
    assert old.read_bytes() == b"new"
