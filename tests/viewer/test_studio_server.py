"""The viewer's web server without a browser: who can reach it, what it sends, how it ends."""

import socket
import time
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from robot_gcrl.errors import ViewerError
from robot_gcrl.viewer.studio import server
from robot_gcrl.viewer.studio.server import ClosedServer, origins
from tests.policy.policies import make_file
from tests.viewer.watched import watched


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> Path:
    return make_file(tmp_path_factory.mktemp("policy") / "box.policy", width=16).path


@pytest.fixture(scope="module")
def viewer(policy, tmp_path_factory):
    with watched(policy, tmp_path_factory.mktemp("home")) as viewer:
        yield viewer


def address(viewer) -> tuple[str, int]:
    url = viewer.now["url"]
    return url, int(url.rstrip("/").rpartition(":")[2])


def listening(port: int) -> list[str]:
    """Local addresses, in hexadecimal, of the TCP sockets that listen on a port (Linux)."""
    rows = [
        line.split()
        for name in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(name).read_text().splitlines()[1:]
    ]
    return [row[1].partition(":")[0] for row in rows if row[3] == "0A" and _port(row) == port]


def _port(row: list[str]) -> int:
    return int(row[1].partition(":")[2], 16)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's table of sockets")
def test_only_this_machine_can_reach_it(viewer):
    # Seen to fail: with Studio's own server, which listens on every interface
    _, port = address(viewer)
    assert listening(port) == ["0100007F"]


@pytest.mark.parametrize("channel", ["state", "ui"])
def test_a_page_of_another_site_is_refused(viewer, channel):
    # Seen to fail: without the list of origins
    _, port = address(viewer)
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(f"ws://127.0.0.1:{port}/{channel}?sid=a", origin=Origin("http://evil.example")),
    ):
        pass
    assert caught.value.response.status_code == 403


def frames(viewer, count: int = 5) -> list[bytes | str]:
    """What a page of the viewer's own is sent first. The page leaves then."""
    url, port = address(viewer)
    # Only a connected page makes Studio draw; its panels need the channel "ui"
    with (
        connect(f"ws://127.0.0.1:{port}/ui?sid=a", origin=Origin(url.rstrip("/"))),
        connect(f"ws://127.0.0.1:{port}/state?sid=a", origin=Origin(url.rstrip("/"))) as state,
    ):
        return [state.recv(timeout=20) for _ in range(count)]


def test_its_own_page_is_sent_the_state(viewer):
    sent = frames(viewer)
    assert any(isinstance(frame, bytes) and len(frame) > 100 for frame in sent)


def test_a_page_goes_after_fonts_were_baked(policy, tmp_path):
    # Seen to fail: without the flag that `_make_viewer` sets; 15 of 100 viewers on a busy machine
    # then ended by a null pointer
    with watched(policy, tmp_path) as viewer:
        assert frames(viewer)
        time.sleep(1.0)
        last = viewer.end()
    assert viewer.process.returncode == 0, "".join(viewer.said)
    assert last["ended"]["locked"] <= 1  # of the page itself, whose frames have baked them


def test_what_another_viewer_holds_is_one_line(viewer):
    _, port = address(viewer)
    closed = ClosedServer("127.0.0.1", port)
    with pytest.raises(ViewerError) as caught:
        closed._bind_here("::", port)
    assert str(caught.value) == (
        f"The viewer cannot listen on 127.0.0.1, port {port}: it is in use, or the address is not "
        "this machine's. Expected a free one. Choose another --port or --host."
    )


def test_who_may_connect():
    assert origins("127.0.0.1", 8080) == [
        None,
        "http://127.0.0.1:8080",
        "http://localhost:8080",
    ]
    assert "http://10.0.0.5:8080" in origins("10.0.0.5", 8080)


def test_a_version_that_serves_otherwise_is_refused(monkeypatch):
    module = server._server_module()
    monkeypatch.delattr(module, "serve")
    with pytest.raises(ViewerError, match=r"might be open to other machines.*4\.0\.0"):
        ClosedServer("127.0.0.1", 0)


def test_a_viewer_that_ends_leaves_no_thread_and_no_port(policy, tmp_path):
    began = time.monotonic()
    with watched(policy, tmp_path) as viewer:
        _, port = address(viewer)
        assert time.monotonic() - began < 15  # 3 s on an idle machine
        time.sleep(0.5)
        last = viewer.end()
    assert viewer.process.returncode == 0, "".join(viewer.said)
    assert last["ended"]["threads"] == []
    assert last["ended"]["actions"] > 0
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))
