"""A slot holds one checkpoint at a time: a folder of numbered folders, of which the last counts.

The one before is deleted only when the new one is whole on the disk.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robot_gcrl.train import store


def newest(slot: Path) -> Path | None:
    """The folder that counts; None if nothing was saved."""
    folders = _numbered(slot)
    return folders[-1] if folders else None


def replace(slot: Path, groups: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    """Saves to the slot; as `store.write_folder`.

    Raises:
      CheckpointError: it cannot be written; what was there is unharmed.
    """
    before = _numbered(slot)
    number = int(before[-1].name) + 1 if before else 1
    store.write_folder(slot / f"{number:06d}", groups, metadata)
    for folder in before:
        # What stays behind here does no harm: it is tried again at the next save
        shutil.rmtree(folder, ignore_errors=True)


def describe(slot: Path) -> str:
    """What the slot holds, in words."""
    folder = newest(slot)
    if folder is None:
        return f"no checkpoint {slot.name!r}"
    state = "intact" if store.find_damage(folder) is None else "damaged"
    return f"the checkpoint {slot.name!r}, which is {state}"


def _numbered(slot: Path) -> list[Path]:
    if not slot.is_dir():
        return []
    folders = (path for path in slot.iterdir() if path.name.isdigit())
    return sorted(folders, key=lambda path: int(path.name))
