"""The wall clock never matters: nothing of the bridge reads it, but for the date in a recording."""

import ast
from pathlib import Path

import pytest

import robot_gcrl.bridge
from robot_gcrl.rooms import room

FOLDER = Path(str(robot_gcrl.bridge.__file__)).parent
FILES = sorted(FOLDER.rglob("*.py")) + sorted(room("controllers").glob("*.py"))
WALL = {"time", "time_ns", "now", "utcnow", "today", "localtime", "gmtime", "ctime"}


def wall_clocks(source: str) -> set[str]:
    """Calls of functions that tell the time of day: time.time, datetime.now and the like."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in WALL:
            owner = ast.unparse(node.value)
            if owner in ("time", "datetime", "datetime.datetime", "datetime.date", "date"):
                found.add(f"{owner}.{node.attr}")
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            found |= {alias.name for alias in node.names} & WALL
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nothing_reads_the_wall_clock(path: Path) -> None:
    # Seen to fail: with time.time() in the pacer
    allowed = {"datetime.datetime.now"} if path.name == "record.py" else set()
    assert wall_clocks(path.read_text()) <= allowed


def test_the_search_finds_the_ways_to_read_it() -> None:
    source = "import time\nfrom time import time_ns\na = time.time()\nb = datetime.datetime.now()"
    assert wall_clocks(source) == {"time.time", "time_ns", "datetime.datetime.now"}
    assert wall_clocks("time.monotonic_ns(); self.time") == set()
