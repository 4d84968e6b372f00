"""The file of trajectories: there and back, and what each mistake says."""

import errno
import os

import numpy as np
import pytest

from robot_gcrl.errors import DatasetError
from robot_gcrl.train import dataset_file
from robot_gcrl.train.dataset_file import read_dataset, write_dataset
from tests.physics.models import arm_task
from tests.train.trajectories import random_rows, save

CONTRACT = arm_task().contract
ROWS = random_rows(CONTRACT, nq=2, nv=2)
LAST = "Write it with robot-gcrl dataset, or in the layout of docs/learning/dataset.md."


def test_there_and_back(tmp_path):
    # Seen to fail: with terminated left out of the file
    path = tmp_path / "d.npz"
    write_dataset(path, ROWS)
    again = read_dataset(path)
    for name, value in ROWS._asdict().items():
        np.testing.assert_array_equal(getattr(again, name), value)
    assert again.episodes == 3
    assert list(tmp_path.iterdir()) == [path]


def test_it_has_the_layout_of_ogbench(tmp_path):
    # What OGBench's own reader asks of a file: these three, and qpos and qvel beside them
    path = tmp_path / "d.npz"
    write_dataset(path, ROWS)
    with np.load(path) as file:
        columns = {k: file[k].astype(np.float32) for k in ("observations", "actions", "terminals")}
        assert {"qpos", "qvel"} <= set(file.files)
    mask = columns["terminals"] == 0.0
    following = np.concatenate([[False], mask[:-1]])
    assert mask.sum() == following.sum() == len(ROWS.actions) - 3
    np.testing.assert_array_equal(columns["terminals"][[4, 7, 11]], 1.0)


def _with(array, row, value):
    changed = np.array(array)
    changed[row] = value
    return changed


WRONG = {
    "has no actions": ({"actions": None}, "actions and terminals"),
    "has no terminals": ({"terminals": None}, "actions and terminals"),
    "has actions of float32 (24,)": ({"actions": ROWS.actions.ravel()}, "numbers [rows, size of "
                                     "actions]"),
    "has observations of <U1 (12, 1)": ({"observations": np.full((12, 1), "x")},
                                        "numbers [rows, size of observations]"),
    "has observations that are not finite, first in row 7": (
        {"observations": _with(ROWS.observations, 7, np.nan)}, "finite numbers"),
    "has an action of 1.5": ({"actions": _with(ROWS.actions, 3, -1.5)}, "actions in [-1, 1]"),
    "has terminals of bool (11,)": ({"terminals": ROWS.terminals[1:]},
                                    "12 numbers that are 0 or 1"),
    "has terminals of float64 (12,)": ({"terminals": np.full(12, 0.5)},
                                       "12 numbers that are 0 or 1"),
    "has 11 rows of qpos": ({"qpos": np.zeros((11, 2))}, "12, as of actions"),
    "ends within an episode": ({"terminals": _with(ROWS.terminals, 11, False)},
                               "1 in the last of the terminals"),
    "has an episode of one row, row 5": ({"terminals": _with(ROWS.terminals, 5, True)},
                                         "two rows or more in each"),
    "has terminated in row 2, which ends no episode": (
        {"terminated": _with(ROWS.terminated, 2, True)}, "it in last rows only"),
    "has a contract of int64 ()": ({"contract": 3}, "one text"),
    "has a summary that is no JSON object": ({"summary": "[1"}, "one"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said(tmp_path, what):
    changes, expected = WRONG[what]
    path = save(tmp_path / "d.npz", ROWS, **changes)
    with pytest.raises(DatasetError) as caught:
        read_dataset(path)
    assert str(caught.value) == f"The dataset {path} {what}. Expected {expected}. {LAST}"


def test_rounding_is_no_mistake(tmp_path):
    path = save(tmp_path / "d.npz", ROWS, actions=_with(ROWS.actions, 3, 1.00001))
    assert read_dataset(path).actions.max() == 1.0


def test_other_files_are_refused(tmp_path):
    # Seen to fail: with allow_pickle
    text = tmp_path / "a.npz"
    text.write_text("hello")
    with pytest.raises(DatasetError) as caught:
        read_dataset(text)
    assert str(caught.value) == (
        f"The dataset {text} is no .npz file. Expected a zip archive of arrays. {LAST}"
    )
    pickled = tmp_path / "b.npz"
    np.savez(pickled, actions=np.array([{}], object), terminals=np.ones(1))
    with pytest.raises(DatasetError, match="holds pickled objects"):
        read_dataset(pickled)
    torn = save(tmp_path / "c.npz", ROWS)
    content = bytearray(torn.read_bytes())
    content[200] ^= 255
    torn.write_bytes(bytes(content))
    with pytest.raises(DatasetError, match="is damaged"):
        read_dataset(torn)
    with pytest.raises(DatasetError) as caught:
        read_dataset(tmp_path / "none.npz")
    assert str(caught.value) == (
        f"The dataset {tmp_path / 'none.npz'} cannot be read: No such file or directory. Expected "
        "a file that robot-gcrl dataset wrote, or one of OGBench's layout. Check the path."
    )


def test_no_file_is_overwritten(tmp_path):
    path = tmp_path / "d.npz"
    path.write_text("mine")
    with pytest.raises(DatasetError) as caught:
        write_dataset(path, ROWS)
    assert str(caught.value) == (
        f"The dataset {path} exists. Expected the name of a new file. Choose another --out."
    )
    assert path.read_text() == "mine"


@pytest.mark.parametrize("stage", ["before", "within"])
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, stage):
    # Seen to fail: without the unlink
    def full(*arguments, **arrays):
        arguments[0].write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if stage == "before":
        usage = type("Usage", (), {"free": 10})
        monkeypatch.setattr(dataset_file.shutil, "disk_usage", lambda path: usage)
        what = "10 bytes are free on its disk"
    else:
        monkeypatch.setattr(dataset_file.np, "savez", full)
        what = "No space left on device"
    path = tmp_path / "d.npz"
    with pytest.raises(DatasetError) as caught:
        write_dataset(path, ROWS)
    assert str(caught.value).startswith(
        f"The dataset {path} cannot be written: {what}. Expected a writable folder with "
    )
    assert list(tmp_path.iterdir()) == []
