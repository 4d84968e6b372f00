"""Files that someone made to harm whoever reads them: refused before they can."""

import os
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robot_gcrl.errors import PolicyError
from robot_gcrl.policy.runtime.archive import MANIFEST
from robot_gcrl.policy.runtime.file import read_policy
from robot_gcrl.policy.write import archive_bytes
from tests.policy.damage import DAMAGED, change_json, entries_of, refusal, rewrite

FORGERIES: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "a path": (
        lambda e: e.update({"../../evil.py": b"x"}),
        "it holds '../../evil.py', which is no entry of this format",
    ),
    "a long name": (
        lambda e: e.update({"a" * 5000: b"x"}),
        f"it holds '{'a' * 80}', which is no entry of this format",
    ),
    "a manifest that is none": (
        lambda e: e.update({MANIFEST: b"[" * 100_000}),
        "manifest.json cannot be read",
    ),
    "a long manifest": (
        lambda e: e.update({MANIFEST: b" " * (1 << 21)}),
        "manifest.json is longer than 1,048,576 bytes",
    ),
    "entries that are no objects": (
        change_json(MANIFEST, entries={"weights.npz": 3}),
        "manifest.json cannot be read",
    ),
    "a manifest without a tolerance": (
        change_json(MANIFEST, golden={"count": 32, "unsaturated": 32}),
        "manifest.json cannot be read ('tolerance')",
    ),
    "an entry that is not listed": (
        change_json(MANIFEST, entries={}),
        "manifest.json does not list contract.json",
    ),
}


@pytest.mark.parametrize("case", FORGERIES)
def test_forged_archives(copied: Path, case: str) -> None:
    change, what = FORGERIES[case]
    rewrite(copied, change, hashed=False)
    assert refusal(copied) == DAMAGED.format(path=copied, what=what)


CONTENTS: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "a contract that is none": (
        lambda e: e.update({"contract.json": b"{}"}),
        "contract.json cannot be read (The contract cannot be read: 'observation'. Expected the "
        "JSON that Contract.canonical_json writes.)",
    ),
    "an actor of another size": (
        change_json("network.json", goal_size=2),
        "network.json does not fit contract.json",
    ),
    "an actor without layers": (
        change_json("network.json", depth=0),
        "network.json cannot be read (sizes (10, 3, 3, 16, 1), depth 0)",
    ),
    "an address outside the model": (
        change_json("layout.json", inputs=[0, 1, 2, 3, 4, 5, 6, 99]),
        "layout.json cannot be read (addresses [0, 1, 2, 3, 4, 5, 6, 99])",
    ),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_forged_contents(copied: Path, case: str) -> None:
    change, what = CONTENTS[case]
    rewrite(copied, change)
    assert refusal(copied) == DAMAGED.format(path=copied, what=what)


def test_a_small_file_does_not_unpack_to_a_large_one(copied: Path) -> None:
    # seen to fail without the check of how entries are stored
    entries = entries_of(copied)
    with zipfile.ZipFile(copied, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in entries.items():
            kind = zipfile.ZIP_DEFLATED if name == "weights.npz" else zipfile.ZIP_STORED
            archive.writestr(name, raw, kind)
    assert refusal(copied) == DAMAGED.format(path=copied, what="weights.npz is compressed")


def test_an_entry_twice(copied: Path) -> None:
    raw = entries_of(copied)["weights.npz"]
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(copied, "a") as archive:
        archive.writestr("weights.npz", raw)
    assert refusal(copied) == DAMAGED.format(path=copied, what="it holds 'weights.npz' twice")


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("unpickled",)


def forged_arrays(kind: str) -> bytes:
    buffer = BytesIO()
    if kind == "pickle":
        np.save(buffer, np.array([Evil()], dtype=object), allow_pickle=True)
    else:  # a header that claims 4 TB
        np.lib.format.write_array_header_1_0(
            buffer, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)}
        )
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("pickle", "object (1,) instead of float32 (13, 16)"),
        ("size", "float32 (1099511627776,) instead of float32 (13, 16)"),
    ],
)
def test_forged_arrays(
    copied: Path, kind: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # seen to fail without the comparison of shapes
    monkeypatch.chdir(tmp_path)

    def forge(entries: dict[str, bytes]) -> None:
        with zipfile.ZipFile(BytesIO(entries["weights.npz"])) as archive:
            arrays = {name: archive.read(name) for name in archive.namelist()}
        arrays["input/dense/kernel.npy"] = forged_arrays(kind)
        entries["weights.npz"] = archive_bytes(arrays)

    rewrite(copied, forge)
    with pytest.raises(PolicyError) as caught:
        _ = read_policy(copied).weights
    assert str(caught.value) == DAMAGED.format(
        path=copied, what=f"weights.npz cannot be read (input/dense/kernel is {what})"
    )
    assert not (tmp_path / "unpickled").exists()
