import importlib.metadata
import os
from pathlib import Path

import pytest

from robot_gcrl.train import machine as module
from robot_gcrl.train.machine import cores, differences, machine, write_environment


def test_what_a_run_depends_on() -> None:
    facts = machine(3)
    assert facts["versions"]["mujoco"] == importlib.metadata.version("mujoco")
    assert facts["physics_threads"] == 3
    assert machine(0)["physics_threads"] == max(cores() - 1, 1)
    assert facts["devices"]
    assert facts["processor"]


# Seen to fail: with only the keys of one side compared.
def test_what_differs_is_named() -> None:
    now = machine(2)
    assert differences(now, now) == ()
    then = now | {
        "devices": ["gpu H200", "gpu H200"],
        "physics_threads": 8,
        "versions": now["versions"] | {"jax": "0.10.2", "flux": "1"},
    }
    now["versions"] = now["versions"] | {"jax": "0.12.0"}
    assert differences(then, now) == (
        f"devices gpu H200, gpu H200, now {', '.join(now['devices'])}",
        "physics_threads 8, now 2",
        "jax 0.10.2, now 0.12.0",
        "flux 1, now unknown",
    )


def test_the_cores_are_those_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 5}, raising=False)
    assert cores() == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert cores() == 7


def test_environment_for_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_environment(tmp_path / "environment.txt")
    lines = (tmp_path / "environment.txt").read_text().splitlines()
    assert lines[0].startswith("# python 3.")
    assert f"{cores()} cores" in lines[1]
    assert f"jax=={importlib.metadata.version('jax')}" in lines
    packages = [line for line in lines if not line.startswith("#")]
    assert packages == sorted(packages, key=lambda line: line.split("==")[0])
    monkeypatch.setattr(module.Path, "read_text", lambda path: (_ for _ in ()).throw(OSError()))
    assert module._processor()
