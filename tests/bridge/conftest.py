"""Fixtures of the bridge's tests."""

import signal
from collections.abc import Iterator

import pytest

from tests.bridge.carts import Cart


@pytest.fixture
def cart(tmp_path_factory, monkeypatch) -> Iterator[Cart]:
    folder = tmp_path_factory.mktemp("c")
    folder.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    cart = Cart(folder)
    yield cart
    for process in cart.processes:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()
