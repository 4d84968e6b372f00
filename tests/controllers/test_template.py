"""The template: it runs as it is, and a robot that fails is left safe."""

import importlib
import signal

import numpy as np
import pytest

from robot_gcrl.bridge.keys import make_keys
from tests.controllers.pushers import shared_pusher
from tests.controllers.servers import serving

template = importlib.import_module("robot_gcrl.controllers.template")


@pytest.fixture(scope="module")
def pusher(tmp_path_factory):
    return shared_pusher(tmp_path_factory.getbasetemp())


def words(pusher, server, *more: str) -> list[str]:
    given = f"--policy {pusher.path} --profile point --connect {server.endpoint.text}"
    return [*given.split(), *more]


def test_it_runs_with_a_fake_robot(pusher, tmp_path, capsys):
    with serving(pusher, tmp_path) as server:
        assert template.main(words(pusher, server, "--fake", "--seconds", "1")) == 0
        assert server.robots == set()  # it has said bye
    said = capsys.readouterr().err
    assert "input 0: qpos x [0]\ninput 1: qpos y [0]\n" in said
    assert "robot0: hold" in said  # a session, and no goal


# Seen to fail: a robot on another machine could bring no key, and waited for ever.
def test_it_brings_its_key(pusher, tmp_path, capsys):
    keys = tmp_path / "keys"
    for role, name in (("server", "server"), ("robot", "robot0")):
        make_keys(keys, role=role, name=name)
    with serving(pusher, tmp_path, keys=keys) as server:
        key = ["--key", str(keys / "robot0.key_secret")]
        assert template.main(words(pusher, server, "--fake", "--seconds", "1", *key)) == 0
    assert "robot0: hold" in capsys.readouterr().err


def test_the_motors_are_left_safe_when_the_program_fails(pusher, tmp_path, monkeypatch):
    # seen to fail with leave_safe after the loop instead of in `finally`
    safe = []
    monkeypatch.setattr(template.FakeRobot, "leave_safe", lambda self: safe.append(True))
    monkeypatch.setattr(template.FakeRobot, "write_ctrl", lambda self, ctrl: 1 / 0)
    with serving(pusher, tmp_path) as server, pytest.raises(ZeroDivisionError):
        template.main(words(pusher, server, "--fake", "--seconds", "1"))
    assert safe == [True]


@pytest.fixture
def escaped():
    """Signals that the program did not note: they would have ended it."""
    numbers, ways = [], (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {n: signal.signal(n, lambda number, _: numbers.append(number)) for n in ways}
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_brakes_and_is_left_safe_whatever_ends_it(
    pusher, tmp_path, monkeypatch, escaped, number
):
    # Seen to fail: SIGHUP, or a second signal, ended the program without leave_safe; and the last
    # force that was commanded stayed written
    written, at, safe = [], [], []

    def write(robot, ctrl):
        written.append(ctrl)
        if at or len(written) < 40 or not ctrl.any():
            return
        at.append(len(written))
        for again in (number, number, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(again)

    def leave(robot):
        for again in 2 * (number, signal.SIGTERM, signal.SIGHUP):
            signal.raise_signal(again)
        safe.append(len(server.robots))

    monkeypatch.setattr(template.FakeRobot, "write_ctrl", write)
    monkeypatch.setattr(template.FakeRobot, "leave_safe", leave)
    with serving(pusher, tmp_path) as server:
        server.server.core.operators.goals["robot0"] = np.array([1.0, -1.0], np.float32)
        assert template.main(words(pusher, server, "--fake", "--seconds", "20")) == 0
    assert (safe, escaped) == ([0], [])  # it has said bye, too
    assert len(at) == 1
    rest = np.array(written[at[0] :])
    assert not rest.any()
    assert len(rest) > 0.5 * template.REST / pusher.contract.control_dt


def test_hardware_is_to_be_filled_in(pusher, tmp_path):
    with serving(pusher, tmp_path) as server, pytest.raises(NotImplementedError, match="--fake"):
        template.main(words(pusher, server))
