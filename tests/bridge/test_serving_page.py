"""The loop of a robot's program, as docs/serving.md and the client's own text show it."""

import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

from robot_gcrl import bridge
from robot_gcrl.bridge import client, parse_endpoint
from robot_gcrl.policy import runtime
from tests.bridge.fakes import cart_contract, cart_profile

PAGE = Path(__file__).resolve().parents[2] / "docs" / "serving.md"
IMPORTS = """
from robot_gcrl.bridge import Pacer, RobotClient, find_server, load_profile
from robot_gcrl.policy.runtime import read_policy
"""


def page_loop() -> str:
    section = PAGE.read_text().partition("## A computer that drives a robot")[2]
    (block,) = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    return block


def docstring_loop() -> str:
    (block,) = re.findall(r"\n\n(    .*?)\n\n`step`", client.__doc__ or "", re.DOTALL)
    return IMPORTS + textwrap.dedent(block)


# Seen to fail: the loop reported what was measured once before it, of a contract that nothing made.
@pytest.mark.parametrize("loop", [page_loop(), docstring_loop()], ids=["page", "docstring"])
def test_the_loop_that_is_shown_measures_anew_in_each_period(loop, tmp_path, monkeypatch):
    endpoint, contract = parse_endpoint(f"ipc://{tmp_path}/s"), cart_contract()
    monkeypatch.setattr(bridge, "find_server", lambda text: endpoint)
    monkeypatch.setattr(bridge, "load_profile", lambda name: cart_profile())
    monkeypatch.setattr(
        runtime, "read_policy", lambda path: type("File", (), {"contract": contract})
    )
    measured, written, left = [], [], iter([True] * 5 + [False] + [True] * 2 + [False])

    def read_joints():
        measured.append(0.01 * len(measured))
        return np.full(2, measured[-1]), np.zeros(2)

    robots_own = {
        "read_joints": read_joints,
        "read_inputs": lambda position, velocity: np.append(position, (0, 0)).astype(np.float32),
        "write_to_motors": written.append,
        "running": lambda: next(left),
        "moving": lambda: next(left),
    }
    exec(compile(loop, "docs/serving.md", "exec"), robots_own)
    assert len(measured) == 8
    assert len(written) == 7
    assert all(np.isfinite(ctrl).all() for ctrl in written)
