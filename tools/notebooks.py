"""Runs the notebooks of docs/notebooks from top to bottom and keeps what they show.

    python tools/notebooks.py [FILE...]

What is kept is what the site shows: text and small pictures. No times or counts are stored, so that
running them again changes little. `tests/test_notebooks.py` runs the same without keeping it.
"""

import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "notebooks"
TIMEOUT = 900  # of a cell [s]


def execute(path: Path) -> Any:
    """The notebook with what it shows when it is run anew.

    Raises:
      nbclient.exceptions.CellExecutionError: a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    for cell in notebook.cells:
        # Progress and warnings are those of one machine
        kept = [o for o in cell.get("outputs", []) if o.get("name") != "stderr"]
        cell["outputs"] = kept if cell.cell_type == "code" else []
        if cell.cell_type != "code":
            del cell["outputs"]
    return notebook


def main(arguments: list[str]) -> int:
    """Runs and writes; returns 0."""
    for path in [Path(a) for a in arguments] or sorted(FOLDER.glob("*.ipynb")):
        nbformat.write(execute(path), path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
