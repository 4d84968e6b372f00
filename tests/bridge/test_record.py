"""Recordings: what is written can be read, whatever ends the writing."""

import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgpack
import pytest

from robot_gcrl.bench.synthetic import write_synthetic
from robot_gcrl.bridge import record
from robot_gcrl.bridge.endpoint import parse_endpoint
from robot_gcrl.bridge.messages import Command, Status
from robot_gcrl.bridge.record import Entry, Recorder, read_recording
from robot_gcrl.bridge.serve import ServeOptions, serve
from robot_gcrl.bridge.server import PolicyServer
from robot_gcrl.errors import BridgeError
from robot_gcrl.policy.runtime import PolicyFile
from tests.bridge.loopback import PATIENCE, ROOT, Peer, environment, goal, serving, wait_until

HEADER = {"policy": "cart 123", "contract": "{}", "sha256": "ab", "scale": 1.0, "dry_run": False}


def entry(i: int, size: int = 100) -> Entry:
    return Entry(10**9 + i, ("in", "out", "dry")[i % 3], bytes([i % 256]), f"cart{i}", bytes(size))


def packed(value) -> bytes:
    return msgpack.Packer().pack(value)


def write(path: Path, count: int) -> list[Entry]:
    recorder = Recorder(path, HEADER)
    entries = [entry(i) for i in range(count)]
    for found in entries:
        recorder.add(*found)  # type: ignore[arg-type]
    recorder.close()
    assert recorder.failed is None
    return entries


def test_what_is_recorded_can_be_read(tmp_path):
    entries = write(tmp_path / "log", 1000)
    header, found = read_recording(tmp_path / "log")
    assert list(found) == entries
    assert header | HEADER == header
    assert set(header) - set(HEADER) == {"format", "version", "started", "origin_ns"}
    assert (header["format"], header["version"]) == ("robot-gcrl recording", 1)


def test_a_truncated_tail_loses_the_last_entry_alone(tmp_path):
    # seen to fail with an error for an object that is not whole
    entries = write(tmp_path / "log", 3)
    whole = (tmp_path / "log").read_bytes()
    last = len(packed(tuple(entries[-1])))
    for cut in range(1, last + 1):
        (tmp_path / "cut").write_bytes(whole[:-cut])
        assert list(read_recording(tmp_path / "cut")[1]) == entries[:-1]


def test_what_is_no_recording_is_refused(tmp_path):
    def refused(content: bytes) -> str:
        path = tmp_path / "file"
        path.write_bytes(content)
        with pytest.raises(BridgeError) as caught:
            read_recording(path)
        return str(caught.value).replace(str(path), "FILE")

    none = (
        "The file FILE is no recording. Expected one that robot-gcrl serve --record wrote. Check "
        "the path."
    )
    for content in (b"", b"PK\x03\x04zip", b"\xc1", b"{}", packed({"format": "x"})):
        assert refused(content) == none
    assert refused(packed({"format": "robot-gcrl recording", "version": 2})) == (
        "The recording FILE has format version 2. Expected 1. Read it with the version of "
        "robot-gcrl that wrote it."
    )
    with pytest.raises(BridgeError) as caught:
        read_recording(tmp_path / "absent")
    assert str(caught.value) == (
        f"The recording {tmp_path}/absent cannot be read: No such file or directory. Expected a "
        "file that robot-gcrl serve --record wrote. Check the path."
    )


@pytest.mark.parametrize("bad", [b"\xc1", b"\x07", packed([1, "in", b"", 2, b""])])
def test_damage_is_told_with_the_way_to_what_stands_before_it(tmp_path, bad):
    path = tmp_path / "log"
    entries = write(path, 3)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(bad + b"more")
    found = read_recording(path)[1]
    assert [next(found) for _ in range(3)] == entries
    with pytest.raises(BridgeError) as caught:
        next(found)
    assert str(caught.value) == (
        f"The recording {path} is damaged at byte {size}. Expected a recorded frame. What stands "
        f"before it can be used: cut the file there (truncate --size {size})."
    )


def test_an_existing_file_is_left_alone(tmp_path):
    path = tmp_path / "log"
    path.write_text("mine")
    with pytest.raises(BridgeError) as caught:
        Recorder(path, HEADER)
    assert str(caught.value) == (
        f"The recording {path} exists. Expected the name of a new file. Choose another."
    )
    assert path.read_text() == "mine"
    with pytest.raises(BridgeError, match="cannot be written: No such file or directory"):
        Recorder(tmp_path / "absent" / "log", HEADER)


def test_a_slow_disk_makes_nobody_wait(tmp_path, monkeypatch):
    # seen to fail with the write in `add`: the test waits for itself
    goes_on = threading.Event()
    write_now = record._write
    recorder = Recorder(tmp_path / "log", HEADER)
    monkeypatch.setattr(record, "_FLUSH", 0.0)
    monkeypatch.setattr(record, "_write", lambda *a: goes_on.wait() and write_now(*a))
    entries = [entry(i) for i in range(1000)]
    for found in entries:
        recorder.add(*found)  # type: ignore[arg-type]
    goes_on.set()
    recorder.close()
    assert list(read_recording(tmp_path / "log")[1]) == entries


def test_a_disk_that_stands_still_ends_the_recording_and_not_the_server(tmp_path, monkeypatch):
    # seen to fail without the join's timeout, and without a limit to what waits
    goes_on = threading.Event()
    recorder = Recorder(tmp_path / "log", HEADER)
    monkeypatch.setattr(record, "_write", lambda *_: goes_on.wait())
    monkeypatch.setattr(record, "_PATIENCE", 0.01)
    monkeypatch.setattr(record, "_MOST_WAITING", 10_000)
    for i in range(60):
        recorder.add(*entry(i))  # type: ignore[arg-type]
    assert recorder.failed is None
    for i in range(60):
        recorder.add(*entry(i))  # type: ignore[arg-type]
    assert recorder.failed == (
        f"{tmp_path}/log: the disk is too slow; what was recorded before can be read"
    )
    recorder.close()
    assert recorder.failed == (
        f"{tmp_path}/log: the disk stands still; what was recorded before can be read"
    )
    goes_on.set()


FILL = """
import resource, sys
from pathlib import Path
from robot_gcrl.bridge.record import Recorder
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
recorder = Recorder(Path(sys.argv[1]), {})
for i in range(1000):
    recorder.add(i, "in", b"id", "cart0", bytes(100))
recorder.close()
recorder.add(0, "in", b"", "", b"")
print(recorder.failed)
"""


def test_a_full_disk_ends_the_recording_and_what_was_written_can_be_read(tmp_path):
    # seen to fail without `except OSError` in the thread that writes
    path = tmp_path / "log"
    out = subprocess.run(
        [sys.executable, "-c", FILL, path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert out.stdout == f"{path}: File too large; what was recorded before can be read\n"
    assert out.stderr == ""
    times = [found.at_ns for found in read_recording(path)[1]]
    assert path.stat().st_size == 20_000
    assert len(times) > 100
    assert times == list(range(len(times)))


def start(tmp_path: Path, log: Path, *, limit: int | None = None) -> subprocess.Popen[str]:
    def prepare() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    words = ["-m", "tests.bridge.serve_cart", f"ipc://{tmp_path}/s", "--record", str(log)]
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_server_whose_disk_is_full_goes_on_serving(tmp_path):
    # seen to fail with the OSError raised from `add`
    log = tmp_path / "log"
    process = start(tmp_path, log, limit=20_000)
    try:
        with Peer(parse_endpoint(f"ipc://{tmp_path}/s")) as robot:
            robot.hello(goal=goal(1.0, 1.0).tobytes())
            wait_until(lambda: log.stat().st_size == 20_000, turn=robot.step)
            for _ in range(50):
                assert isinstance(robot.step().body, Command | Status)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        process.communicate()
    assert len(list(read_recording(log)[1])) > 50


def test_a_disk_that_fills_up_with_the_last_write_is_told(tmp_path, monkeypatch, capsys):
    # seen to fail with the live line, which is gone by then, as the only one that tells of it
    def fail(file, data) -> None:
        raise OSError(28, os.strerror(28))

    def run(server: PolicyServer, goes_on) -> None:
        assert goes_on()
        assert server.recorder is not None
        server.recorder.add(1, "in", b"x", "cart0", b"y")
        monkeypatch.setattr(record, "_write", fail)

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(record, "_FLUSH", 60.0)
    monkeypatch.setattr(PolicyServer, "run", run)
    monkeypatch.setattr(PolicyFile, "trained_delay", (0.0, 0.0))  # the synthetic one has none
    policy, log = write_synthetic(tmp_path / "s.policy", 0.02), tmp_path / "log"
    assert serve(ServeOptions(policy=policy, record=log, runtime="numpy")) == 0
    told = f"The recording ended: {log}: No space left on device; what was recorded before can be"
    assert capsys.readouterr().err.count(told) == 1


def test_a_server_that_is_killed_leaves_a_recording(tmp_path):
    # seen to fail with what waits written in `close` alone
    log = tmp_path / "log"
    process = start(tmp_path, log)
    try:
        with Peer(parse_endpoint(f"ipc://{tmp_path}/s")) as robot:
            robot.hello(goal=goal(1.0, 1.0).tobytes())
            size = log.stat().st_size
            wait_until(lambda: log.stat().st_size > size, turn=robot.step)
            process.kill()
            process.wait(PATIENCE)
    finally:
        process.kill()
        process.communicate()
    header, entries = read_recording(log)
    found = list(entries)
    assert header["policy"] == "cart test"
    assert [found[0].kind, found[1].kind] == ["in", "out"]
    assert found[0].robot == ""  # nobody had said who it is
    assert found[2].robot == "cart0"


def test_a_server_records_what_it_hears_and_says(tmp_path):
    log = tmp_path / "log"
    with serving(tmp_path, record=log), Peer(parse_endpoint(f"ipc://{tmp_path}/s")) as robot:
        robot.hello(goal=goal(1.0, 1.0).tobytes())
        for _ in range(3):
            robot.step()
        robot.socket.send(os.urandom(20))
        robot.hear(Status)
    kinds = [found.kind for found in read_recording(log)[1]]
    # hello, three reports and a frame of nonsense with their answers, and the server's bye
    assert kinds == ["in", "out"] * 5 + ["out"]
