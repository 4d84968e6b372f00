"""The command line on a robot's computer, where most of what training needs is not installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from robot_gcrl.commands import COMMANDS

ROOT = Path(__file__).resolve().parent.parent

# Each command with words that would take it as far as its first import
WORDS = {
    "check": "reacher",
    "train": "--task reacher",
    "dataset": "tests --out x.npz",
    "distill": "tests",
    "evaluate": "nowhere",
    "plot": "nowhere",
    "sweep": "nowhere",
    "runs": ".",
    "runs compare": "a b",
    "view": "--task reacher",
    "export": "nowhere",
    "gate": "nowhere",
    "tasks": "",
    "bench physics": "",
}
PROGRAM = """
import json, sys
for name in ("jax", "jaxlib", "flax", "optax", "orbax", "mujoco", "onnx", "onnxruntime", "PIL",
             "matplotlib", "av", "jaxtyping"):
    sys.modules[name] = None  # as if it were not installed
from robot_gcrl.cli import main
for words in json.loads(sys.argv[1]):
    print(main(words))
"""


def run(*lines: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(lines)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_command_that_cannot_run_names_the_package_in_one_line() -> None:
    # Seen to fail: each was a traceback of ModuleNotFoundError, with exit code 1
    ran = run(*([*name.split(), *words.split()] for name, words in WORDS.items()))
    assert ran.stdout.split() == ["2"] * len(WORDS), ran.stderr
    lines = ran.stderr.splitlines()
    assert len(lines) == len(WORDS)
    for name, line in zip(WORDS, lines, strict=True):
        assert line.startswith("robot-gcrl: The package '"), line
        assert line.endswith(
            f"' is not installed, which robot-gcrl {name} needs. Expected all that robot-gcrl "
            "depends on. Install it from the checkout: python -m pip install --constraint "
            "constraints.txt . (on a robot's computer see docs/install.md)"
        ), line


def test_the_doctor_reports_what_is_missing() -> None:
    # Seen to fail: the doctor itself imported jax
    ran = run(["doctor"])
    assert ran.stdout.splitlines()[-1] == "2", ran.stderr
    assert (
        "  Without jax and mujoco nothing is trained, simulated or drawn here; a policy is served "
        "and a robot driven. Install them from the checkout: python -m pip install --constraint "
        "constraints.txt .\n"
    ) in ran.stdout


def test_the_page_names_the_commands_that_run_there() -> None:
    # Seen to fail: nothing said which commands a robot's computer can run
    page = (ROOT / "docs" / "install.md").read_text()
    section = page.partition("## A robot's computer")[2].partition("\n## ")[0]
    needing = {*WORDS, "doctor", "bench serve", "critic", "controller"}
    for name in set(COMMANDS) - needing:
        assert f"`{name}`" in section, name


def test_a_module_of_ours_that_is_missing_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    # Seen to fail: with every ModuleNotFoundError taken for a package of other people
    from robot_gcrl import cli

    for name in ("robot_gcrl.nowhere", "json.nowhere", "numpy.nowhere"):

        def fail(words: list[str], name: str = name) -> None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        monkeypatch.setattr(cli, "parse", fail)
        with pytest.raises(ModuleNotFoundError):
            cli.main(["tasks"])
