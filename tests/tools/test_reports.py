"""The tools that measure: the accelerator's report at tiny sizes, the table of success."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _tool(name, *options):
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / name), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )


@pytest.mark.slow
def test_the_gpu_report_fills_every_section(tmp_path):
    # Seen to fail: with the sections' time already over, every one of them is skipped.
    done = _tool("gpu_report.py", "--tiny", "--train-minutes", "0.3", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    for section in ("engines agree", "training", "control steps", "update by depth"):
        rows = report[section]
        assert rows
        assert not any("skipped" in row for row in rows), section
        assert f"## {section}" in (tmp_path / "report.md").read_text()
    assert report["engines agree"][0]["max dqpos"] < 1e-3
    assert all(row["finite"] for row in report["update by depth"])


def test_the_table_of_success_has_a_row_for_each_run(tmp_path):
    def value(mean):
        return {"mean": mean, "ci95": [0.0, 1.0], "n": 4}

    row = {k: value(0.5) for k in ("success_any", "success_final", "time_at_goal", "distance")}
    result = row | {
        "task": "reacher",
        "training_seed": 2,
        "wall_seconds": 90.0,
        "control_steps": 1000,
        "regions": {"near": row},
        "zero": row,
        "random": row | {"success_any": value(0.25)},
    }
    (tmp_path / "reacher-2.json").write_text(json.dumps(result))
    done = _tool("measure_success.py", "--tasks", "reacher", "--seeds", "2", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[2].startswith("| `reacher` | 2 | 1.5 | 1,000 | 50.0% (0.0% to 100.0%) |")
    assert lines[2].endswith("| 50.0% | 25.0% |")
    assert "near" in lines[3]
