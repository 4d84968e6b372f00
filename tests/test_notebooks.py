"""The notebooks run from top to bottom, and hold what they show."""

import json
from pathlib import Path

import pytest

from tests.programs import ROOT, load_program

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
LARGEST = 200_000  # bytes, with pictures


@pytest.mark.alone  # a robot's process keeps time
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nbclient", reason="needs the group docs: make test installs it")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    load_program("tools/notebooks.py").execute(path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_it_does_and_stays_small(path: Path) -> None:
    # Seen to fail: with a notebook that was saved before it was run
    cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
    assert any("image/png" in o.get("data", {}) for cell in cells for o in cell["outputs"])
    assert not any(o["output_type"] == "error" for cell in cells for o in cell["outputs"])
    assert path.stat().st_size < LARGEST


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"train_and_look", "your_own_robot"}
