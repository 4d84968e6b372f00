"""The template: it runs as it is, and a robot that fails is left safe."""

import importlib

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


def test_hardware_is_to_be_filled_in(pusher, tmp_path):
    with serving(pusher, tmp_path) as server, pytest.raises(NotImplementedError, match="--fake"):
        template.main(words(pusher, server))
