"""Where servers are, whose an endpoint is, and how clients find it."""

import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from robot_gcrl.bridge.endpoint import (
    Endpoint,
    Registration,
    default_endpoint,
    find_server,
    parse_endpoint,
    running_servers,
    runtime_folder,
    stops_file,
)
from robot_gcrl.bridge.server import PolicyServer
from robot_gcrl.bridge.settings import Settings
from robot_gcrl.bridge.stops import StopBook
from robot_gcrl.errors import BridgeError
from tests.bridge.fakes import cart_contract
from tests.bridge.loopback import ROOT, Peer, Policy, environment, serving


@pytest.fixture(autouse=True)
def folder(tmp_path_factory, monkeypatch) -> Path:
    folder = tmp_path_factory.mktemp("e")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@pytest.mark.parametrize(
    ("text", "control", "telemetry", "is_local"),
    [
        ("ipc:///run/x", "ipc:///run/x.control", "ipc:///run/x.telemetry", True),
        ("tcp://127.0.0.1:5570", "tcp://127.0.0.1:5570", "tcp://127.0.0.1:5571", True),
        ("tcp://127.8.0.1:1", "tcp://127.8.0.1:1", "tcp://127.8.0.1:2", True),
        ("tcp://localhost:5570", "tcp://localhost:5570", "tcp://localhost:5571", True),
        ("tcp://[::1]:5570", "tcp://[::1]:5570", "tcp://[::1]:5571", True),
        ("tcp://*:5570", "tcp://0.0.0.0:5570", "tcp://0.0.0.0:5571", False),
        ("tcp://0.0.0.0:5570", "tcp://0.0.0.0:5570", "tcp://0.0.0.0:5571", False),
        ("tcp://[::]:5570", "tcp://[::]:5570", "tcp://[::]:5571", False),
        ("tcp://192.168.0.9:65534", "tcp://192.168.0.9:65534", "tcp://192.168.0.9:65535", False),
        ("tcp://127.0.0.1.example:1", "tcp://127.0.0.1.example:1", "tcp://127.0.0.1.example:2",
         False),
    ],
)  # fmt: skip
def test_one_text_names_both_channels(text, control, telemetry, is_local):
    # seen to fail with `startswith("127.")` for is_local
    found = parse_endpoint(text)
    assert (found.text, found.control, found.telemetry) == (text, control, telemetry)
    assert found.is_local == is_local


@pytest.mark.parametrize(
    "text",
    ["", "x", "ipc://", "ipc://x", "tcp://127.0.0.1", "tcp://:5570", "tcp://h:0", "tcp://h:65535",
     "tcp://h:-1", "tcp://h:x", "udp://h:1", "inproc://x"],
)  # fmt: skip
def test_what_is_no_endpoint(text):
    with pytest.raises(BridgeError) as caught:
        parse_endpoint(text)
    assert str(caught.value) == (
        f"The endpoint {text!r} cannot be used. Expected ipc:///PATH, or tcp://HOST:PORT with a "
        "port from 1 to 65534 (the next port is used too). Change the endpoint."
    )


def test_a_relative_path_is_the_same_in_every_folder(folder, monkeypatch):
    # seen to fail with the text as it is given: who finds the server looks in its own folder
    (folder / "a").mkdir()
    monkeypatch.chdir(folder / "a")
    with Registration(parse_endpoint("ipc://./s"), "cart 123"):
        monkeypatch.chdir(folder)
        assert find_server(None).control == f"ipc://{folder}/a/s.control"
    assert parse_endpoint("ipc://./a/../s").text == f"ipc://{folder}/s"


def test_an_address_has_one_claim_and_one_stop_book_however_it_is_spelled(folder, monkeypatch):
    # seen to fail with the digest of the text: ZeroMQ takes over the live server's files in
    # silence, and a stop is in the book of another spelling
    monkeypatch.chdir(folder)
    (folder / "other").symlink_to(folder)
    (folder / "a").mkdir()
    for spellings in (
        (f"ipc://{folder}/s", f"ipc://{folder}/a/../s", f"ipc://{folder}/other/s", "ipc://./s"),
        ("tcp://127.0.0.1:5570", "tcp://localhost:5570", "tcp://*:5570", "tcp://0.0.0.0:05570"),
    ):
        first, *others = [parse_endpoint(text) for text in spellings]
        assert {stops_file(other) for other in others} == {stops_file(first)}
        with Registration(first, "cart 123"):
            for other in others:
                with pytest.raises(BridgeError, match="is in use by process"):
                    Registration(other, "other")
    apart = ("tcp://127.0.0.1:5570", "tcp://127.0.0.1:5572", "tcp://192.168.0.9:5570", "ipc:///s")
    assert len({stops_file(parse_endpoint(text)) for text in apart}) == 4


def test_a_path_too_long_for_a_socket():
    # seen to fail with the length of the text alone: .telemetry is cut off in silence
    fits = "ipc:///" + "x" * (107 - 1 - len(".telemetry"))
    assert parse_endpoint(fits).text == fits
    for text, longest in ((fits + "x", 108), ("ipc:///" + "é" * 50, 111)):
        with pytest.raises(BridgeError) as caught:
            parse_endpoint(text)
        assert str(caught.value) == (
            f"The endpoint {text!r} is {longest} bytes long as a socket's path. Expected at most "
            "107. Choose a shorter path."
        )


def test_the_folder_of_sockets_is_this_users_alone(folder, tmp_path, monkeypatch):
    made = runtime_folder()
    assert made == folder / "robot-gcrl"
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert runtime_folder() == made
    made.chmod(0o750)
    with pytest.raises(BridgeError) as caught:
        runtime_folder()
    assert str(caught.value) == (
        f"The folder {made} is not this user's alone (owner {os.getuid()}, mode 750). Expected "
        f"owner {os.getuid()}, mode 700. Remove it, or set XDG_RUNTIME_DIR."
    )
    made.rmdir()
    made.symlink_to(tmp_path)
    with pytest.raises(BridgeError, match="is not this user's alone"):
        runtime_folder()
    made.unlink()
    made.touch()
    with pytest.raises(BridgeError, match=r"cannot be made: File exists\. Expected a folder for"):
        runtime_folder()
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert runtime_folder() == tmp_path / f"robot-gcrl-{os.getuid()}"


def test_files_of_an_endpoint_are_its_own():
    one, other = default_endpoint("a"), default_endpoint("b")
    assert stops_file(one) == stops_file(default_endpoint("a")) != stops_file(other)
    assert stops_file(one).parent == runtime_folder()


def test_an_endpoint_belongs_to_one_server_at_a_time():
    # seen to fail without the lock: ZeroMQ takes a live server's ipc file over in silence
    endpoint = default_endpoint("cart")
    with Registration(endpoint, "cart 123"):
        with pytest.raises(BridgeError) as caught:
            Registration(endpoint, "other")
        assert str(caught.value) == (
            f"The endpoint {endpoint.text} is in use by process {os.getpid()}, which serves "
            "'cart 123'. Expected one that is free. Stop that server, or choose another --bind."
        )
        with Registration(default_endpoint("other"), "other"):
            assert len(running_servers()) == 2
    assert running_servers() == []
    with Registration(endpoint, "again"):
        assert [server["policy"] for server in running_servers()] == ["again"]


def test_who_lists_servers_keeps_none_from_starting_and_none_from_being_seen():
    # Seen to fail: with an exclusive lock of who looks, and without a second try of who claims
    endpoint = default_endpoint("b")
    with Registration(endpoint, "a policy"):
        pass
    (file,) = runtime_folder().glob("*.server")
    with file.open() as looking:
        fcntl.flock(looking.fileno(), fcntl.LOCK_SH)
        threading.Timer(0.05, looking.close).start()
        with Registration(endpoint, "a policy"):
            with file.open() as another:
                assert running_servers()[0]["policy"] == "a policy"
            assert another.closed
        with file.open() as first:
            fcntl.flock(first.fileno(), fcntl.LOCK_SH)
            assert running_servers() == []


def test_a_client_finds_the_only_server_or_is_told_of_all():
    assert find_server("tcp://127.0.0.1:5570") == parse_endpoint("tcp://127.0.0.1:5570")
    with pytest.raises(BridgeError) as caught:
        find_server(None)
    assert str(caught.value) == (
        "No policy server of this user runs on this machine. Expected one. Start it with: "
        "robot-gcrl serve NAME.policy; or name one with --connect."
    )
    one, two = default_endpoint("one"), default_endpoint("two")
    with Registration(one, "one 1"):
        assert find_server(None) == one
        with Registration(two, "two 2"):
            with pytest.raises(BridgeError) as caught:
                find_server(None)
            listed = sorted([f"{one.text} (one 1)", f"{two.text} (two 2)"])
            text = str(caught.value)
            assert text.startswith("2 policy servers run: ")
            assert text.endswith(". Expected one. Choose with --connect.")
            named = text.removeprefix("2 policy servers run: ").partition(". Expected")[0]
            assert sorted(named.split(", ")) == listed
        assert find_server(None) == one


HOLD = """
import sys, time
from robot_gcrl.bridge.endpoint import Registration, default_endpoint
with Registration(default_endpoint("cart"), "cart 123"):
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_killed_server_gives_its_endpoint_back(folder):
    # seen to fail with the file's existence taken for a claim
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=ROOT,
        env=environment(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        endpoint = default_endpoint("cart")
        found = [{"endpoint": endpoint.text, "policy": "cart 123", "pid": process.pid}]
        assert running_servers() == found
        with pytest.raises(BridgeError, match=f"is in use by process {process.pid}"):
            Registration(endpoint, "mine")
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert json.loads(stops_file(endpoint).with_suffix(".server").read_text()) == found[0]
        assert running_servers() == []
        with Registration(endpoint, "mine"):
            assert find_server(None) == endpoint
    finally:
        process.kill()
        process.communicate()


def serve(endpoint: Endpoint, folder: Path) -> PolicyServer:
    book = StopBook(folder / "stops")
    return PolicyServer(cart_contract(), Policy(), Settings(policy="cart"), book, endpoint=endpoint)


@pytest.mark.parametrize("text", ["tcp://*:5570", "tcp://192.168.0.9:5570", "tcp://[::]:5570"])
def test_other_machines_need_keys(text, folder):
    # seen to fail without _require_keys: it binds
    with pytest.raises(BridgeError) as caught:
        serve(parse_endpoint(text), folder).close()
    assert str(caught.value) == (
        f"The endpoint {text} can be reached by other machines, and there are no keys. Expected "
        "keys, or an endpoint of this machine (ipc, 127.0.0.1). Make keys with robot-gcrl keys and "
        "give them with --keys."
    )


def test_an_address_that_cannot_be_bound_is_one_line(folder):
    endpoint = parse_endpoint(f"ipc://{folder}/absent/s")
    with pytest.raises(BridgeError) as caught:
        serve(endpoint, folder)
    text = str(caught.value)
    assert text.startswith(
        f"The endpoint {endpoint.text} cannot be bound: No such file or directory"
    )
    assert text.endswith("Expected a free address of this machine. Choose another --bind.")
    assert "\n" not in text


def test_a_server_serves_over_tcp_and_the_address_is_free_again(folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = min(probe.getsockname()[1], 65533)
    endpoint = parse_endpoint(f"tcp://127.0.0.1:{port}")
    for _ in range(2):
        with serving(folder, endpoint=endpoint), Peer(endpoint) as robot:
            robot.hello()
            robot.step()
            with pytest.raises(BridgeError, match="cannot be bound: Address already in use"):
                serve(endpoint, folder)
