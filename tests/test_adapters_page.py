"""The examples of docs/adapters.md run."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "adapters.md").read_text()
LIBRARIES = ("gymnasium", "stable_baselines3", "dm_env", "dm_control", "brax")
# They train
SLOW = ("stable_baselines3", "brax")


def examples():
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        named = [name for name in LIBRARIES if re.search(rf"(import|from) {name}\b", block)]
        # Those of our modules that need a library
        named += [name for name in ("dm_env", "gymnasium") if f"robot_gcrl.env.{name} " in block]
        slow = any(name in SLOW for name in named)
        marks = pytest.mark.slow if slow else ()
        yield pytest.param(block, sorted(set(named)), id="-".join(named), marks=marks)


@pytest.mark.parametrize(("example", "libraries"), list(examples()))
def test_an_example_runs(example, libraries):
    # Seen to fail: with options={"goals": ..} in the first of them
    assert libraries
    for library in libraries:
        pytest.importorskip(library, reason=f"{library} is not installed: see docs/adapters.md")
    if "stable_baselines3" in libraries:
        # On shared cores its threads wait for each other
        pytest.importorskip("torch").set_num_threads(1)
    exec(compile(example, "docs/adapters.md", "exec"), {"__name__": "adapters"})


def test_there_is_an_example_of_every_library():
    for name in LIBRARIES:
        assert any(name in str(example.id) for example in examples())
