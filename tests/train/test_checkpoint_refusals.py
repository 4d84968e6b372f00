"""What a run folder refuses; what was there stays."""

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from robot_gcrl.errors import CheckpointError
from robot_gcrl.train import run_files, store
from robot_gcrl.train.checkpoint import RunFolder
from tests.train.samples import SHA256, info, make_config, make_state, same_bits


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB that can be made read-only."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user cannot mount a disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def damage(run: Path, which: str, group: str = "agent") -> Path:
    """Cuts off the end of the largest file of a checkpoint."""
    (newest,) = (run / "checkpoints" / which).iterdir()
    files = [path for path in (newest / group).rglob("*") if path.is_file()]
    victim = max(files, key=lambda path: path.stat().st_size)
    os.truncate(victim, victim.stat().st_size - 10)
    return victim


def refusal(call, *arguments: object) -> str:
    with pytest.raises(CheckpointError) as caught:
        call(*arguments)
    return str(caught.value)


def test_no_run_folder(tmp_path: Path) -> None:
    assert refusal(RunFolder.open, tmp_path) == (
        f"{tmp_path} is no run folder: it holds no config.json. Expected a folder that robot-gcrl "
        "train wrote. Check the path."
    )
    assert refusal(RunFolder.open, tmp_path / "a") == (
        f"{tmp_path}/a is no run folder: it does not exist. Expected a folder that robot-gcrl "
        "train wrote. Check the path."
    )


def test_a_policy_file_is_no_run_folder(tmp_path: Path) -> None:
    # Seen to fail: the file was said not to exist
    file = tmp_path / "a.policy"
    file.touch()
    assert refusal(RunFolder.open, file) == (
        f"{file} is no run folder: it is a file. Expected a folder that robot-gcrl train wrote: a "
        "policy file holds neither replay nor settings. Name the run that it was exported from."
    )


def test_damaged_settings(run: Path) -> None:
    (run / "config.json").write_text('{"format": 1')
    assert refusal(RunFolder.open, run).startswith(f"{run}/config.json is damaged: JSONDecodeError")
    (run / "config.json").write_text('{"format": 2, "contract_sha256": ""}')
    assert refusal(RunFolder.open, run) == (
        f"{run}/config.json has format 2. Expected format 1. Use the version of robot-gcrl that "
        "wrote it, or start a new run."
    )


def test_a_folder_with_a_run(run: Path) -> None:
    assert refusal(RunFolder.create, run, make_config(run), SHA256) == (
        f"The folder {run} holds a run of task 'reacher'. Expected a new folder. Continue that run "
        f"with --resume {run}, or choose another --run."
    )
    assert same_bits(RunFolder.open(run).restore_last(make_state(0))[0], make_state(3))
    (run / "config.json").unlink()
    assert refusal(RunFolder.create, run, make_config(run), SHA256) == (
        f"The folder {run} holds checkpoints without a config.json. Expected a new folder. Choose "
        "another --run."
    )


def test_another_contract(run: Path) -> None:
    folder = RunFolder.open(run)
    folder.require_contract(SHA256)
    assert refusal(folder.require_contract, "cd" * 32) == (
        f"The run {run} was made with another contract of task 'reacher' (sha256 abababababab) "
        "than the task has now (cdcdcdcdcdcd). Expected the same observation, goal and action. "
        "Undo the change to the task, or start a new run."
    )


def test_no_checkpoint_yet(run: Path) -> None:
    shutil.rmtree(run / "checkpoints/last")
    folder = RunFolder.open(run)
    assert refusal(folder.restore_last, make_state(0)) == (
        f"The run {run} has no checkpoint 'last'. Expected one: the first is saved within the "
        "first minute of training. The run has the checkpoint 'best', which is intact."
    )
    shutil.rmtree(run / "checkpoints")
    assert refusal(folder.restore_agent, "best", make_state(0).agent) == (
        f"The run {run} has no checkpoint 'best'. Expected one: it is saved after the first "
        "evaluation. The run has no checkpoint 'last'."
    )


# Seen to fail: with sizes alone compared (content), with find_damage not called (Orbax's error).
def test_a_damaged_checkpoint(run: Path) -> None:
    folder = RunFolder.open(run)
    newest = run / "checkpoints/last/000001"
    victim = damage(run, "last")
    size = victim.stat().st_size
    name = victim.relative_to(newest)
    text = (
        f"The checkpoint {newest} is damaged: {{}}. Expected the files as they were saved. It "
        "cannot be used; the run has the checkpoint 'best', which is {}."
    )
    short = f"{name} has {size:,} of {size + 10:,} bytes"
    assert refusal(folder.restore_last, make_state(0)) == text.format(short, "intact")
    with victim.open("ab") as file:
        file.write(b"0123456789")
    other = f"{name} has the right size and other content than was written"
    assert refusal(folder.restore_last, make_state(0)) == text.format(other, "intact")
    damage(run, "best")
    assert refusal(folder.restore_last, make_state(0)) == text.format(other, "damaged")
    victim.unlink()
    assert refusal(folder.restore_last, make_state(0)) == text.format(
        f"{name} is missing", "damaged"
    )
    (newest / "metadata.json").write_text("{")
    assert refusal(folder.restore_last, make_state(0)) == text.format(
        "metadata.json cannot be read", "damaged"
    )


def test_a_state_of_another_shape(run: Path) -> None:
    template = make_state(0)
    template.agent["params"]["w"] = template.agent["params"]["w"][:4]
    folder = RunFolder.open(run)
    assert refusal(folder.restore_last, template) == (
        f"The checkpoint {run}/checkpoints/last/000001 does not fit: agent['params']['w'] is "
        "float32 (16, 10) in it. Expected float32 (4, 10). Use the version of robot-gcrl that "
        "wrote it, with the task as it was then."
    )
    del template.agent["params"]["w"]
    assert "Expected absent." in refusal(folder.restore_last, template)


def test_one_process_writes(run: Path) -> None:
    with RunFolder.open(run):
        assert refusal(RunFolder.open(run).lock) == (
            f"The run folder {run} is in use by process {os.getpid()} on {os.uname().nodename}. "
            "Expected one process per run folder. Wait for it or stop it, or choose another --run."
        )
        RunFolder.open(run).restore_last(make_state(0))  # reading is free
    with RunFolder.open(run):
        pass


# Seen to fail: with a lock that is the existence of a file.
def test_a_dead_process_holds_no_lock(run: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path;"
        "from robot_gcrl.train.lock import FolderLock;"
        "lock = FolderLock(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(run)], capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert json.loads((run / ".lock").read_text())["pid"] != os.getpid()
    with RunFolder.open(run):
        pass


def test_no_room_is_found_before_the_write(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(run)._replace(free=1000)
    monkeypatch.setattr(store.shutil, "disk_usage", lambda path: usage)
    needed = store.size({"": make_state(4)}) + 2**20
    with RunFolder.open(run) as folder:
        assert refusal(folder.save_last, make_state(4), info(4)) == (
            f"The checkpoint {run}/checkpoints/last/000002 cannot be written: 1,000 bytes are free "
            f"on its disk. Expected a writable disk with {needed:,} bytes free. Make room or "
            "choose another place; checkpoints written before are unharmed."
        )
    assert same_bits(RunFolder.open(run).restore_last(make_state(0))[0], make_state(3))


# Seen to fail: with Orbax's ValueError not turned into our error.
def test_a_disk_that_fills_up_during_the_write(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = small_disk / "run"
    usage = shutil.disk_usage(small_disk)._replace(free=10**12)
    monkeypatch.setattr(store.shutil, "disk_usage", lambda path: usage)
    with RunFolder.create(run, make_config(run), SHA256) as folder:
        folder.save_last(make_state(3), info(3))
        text = refusal(folder.save_last, make_state(4, rows=10_000), info(4))
    assert text.startswith(
        f"The checkpoint {run}/checkpoints/last/000002 cannot be written: No space left on device."
    )
    assert [path.name for path in (run / "checkpoints/last").iterdir()] == ["000001"]
    assert same_bits(RunFolder.open(run).restore_last(make_state(0))[0], make_state(3))
    assert capfd.readouterr().err == ""  # no traceback of Orbax's threads


def test_a_file_size_limit(run: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path;"
        "from robot_gcrl.train.checkpoint import RunFolder;"
        "from robot_gcrl.errors import CheckpointError;"
        "from tests.train.samples import *;"
        "state = make_state(4, rows=20_000);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "folder = RunFolder.open(Path(sys.argv[1])); folder.lock()\n"
        "try: folder.save_last(state, info(4))\n"
        "except CheckpointError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(run)], capture_output=True, text=True)
    start = f"The checkpoint {run}/checkpoints/last/000002 cannot be written: File too large."
    assert done.stdout.startswith(start), done.stderr
    assert [path.name for path in (run / "checkpoints/last").iterdir()] == ["000001"]
    assert same_bits(RunFolder.open(run).restore_last(make_state(0))[0], make_state(3))


def test_a_read_only_disk(small_disk: Path) -> None:
    run = small_disk / "run"
    with RunFolder.create(run, make_config(run), SHA256) as folder:
        folder.save_last(make_state(3), info(3))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert refusal(RunFolder.open(run).lock) == (
        f"The run folder {run} cannot be written: Read-only file system. Expected a folder on a "
        "writable disk. Change its permissions, or copy it to another place."
    )
    new = small_disk / "new"
    assert refusal(RunFolder.create, new, make_config(new), SHA256) == (
        f"The run folder {new} cannot be written: Read-only file system. Expected a folder on a "
        "writable disk with room. Choose another place with --run."
    )
    assert same_bits(RunFolder.open(run).restore_last(make_state(0))[0], make_state(3))


def test_a_disk_that_becomes_read_only(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with RunFolder.open(run) as folder:
        monkeypatch.setattr(store.os, "fsync", refuse)
        text = refusal(folder.save_last, make_state(4), info(4))
        monkeypatch.undo()
        assert "cannot be written: Read-only file system. " in text
        folder.save_last(make_state(5), info(5))  # and goes on when it is mended
    assert same_bits(RunFolder.open(run).restore_last(make_state(0))[0], make_state(5))


def test_a_mistake_of_ours_is_not_blamed_on_the_disk(run: Path) -> None:
    bad = make_state(4)._replace(iteration="four")
    with RunFolder.open(run) as folder, pytest.raises(AttributeError):
        folder.save_last(bad, info(4))


def test_a_leftover_of_a_killed_process_is_swept(run: Path) -> None:
    leftover = run / "checkpoints/last/.unfinished-000002"
    leftover.mkdir()
    (leftover / "half").write_text("x")
    with RunFolder.open(run) as folder:
        folder.save_last(make_state(4), info(4))
    assert [path.name for path in (run / "checkpoints/last").iterdir()] == ["000002"]


def test_creation_that_was_killed_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"

    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_files, "write_config", die)
    with pytest.raises(KeyboardInterrupt):
        RunFolder.create(run, make_config(run), SHA256)
    monkeypatch.undo()
    folder = RunFolder.create(run, make_config(run), SHA256)
    assert folder.config == dataclasses.replace(make_config(run), run=run)
