"""Policy files changed after they were written."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robot_gcrl.errors import PolicyError
from robot_gcrl.policy.runtime.archive import MANIFEST
from robot_gcrl.policy.runtime.file import read_policy
from robot_gcrl.policy.write import archive_bytes

DAMAGED = (
    "The policy file {path} is damaged: {what}. Expected it as robot-gcrl export wrote it. Copy it "
    "again, or export the run again."
)


def entries_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path: Path, change: Callable[[dict[str, bytes]], None], *, hashed: bool = True) -> None:
    """Changes the entries; `hashed` writes a manifest that says so, as a forger would."""
    entries = entries_of(path)
    change(entries)
    if hashed:
        manifest = json.loads(entries[MANIFEST])
        manifest["entries"] = {
            name: {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
            for name, raw in entries.items()
            if name != MANIFEST
        }
        entries[MANIFEST] = json.dumps(manifest).encode()
    path.write_bytes(archive_bytes(entries))


def change_json(name: str, **changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(entries: dict[str, bytes]) -> None:
        entries[name] = json.dumps(json.loads(entries[name]) | changes).encode()

    return change


def refusal(path: Path) -> str:
    with pytest.raises(PolicyError) as caught:
        read_policy(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)
