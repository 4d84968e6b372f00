"""The runs of a sweep as jobs of submitit itself, by its executor for one machine."""

from pathlib import Path

import pytest

from robot_gcrl.study import sweep as sweeping
from robot_gcrl.study.cluster import Cluster
from robot_gcrl.study.sweep import make_sweep, sweep

FILE = """
tasks = ["reacher"]
seeds = [0]
[options]
preset = "smoke"
engine = "native"
[variants.good]
[variants.bad]
"agent.width" = 4611686018427387904
[evaluation]
episodes = 4
"""


# Seen to fail: with results that stay where the jobs left them.
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_jobs_of_submitit_leave_their_results(tmp_path: Path):
    pytest.importorskip("submitit", reason="the extra cluster is not installed")
    file = tmp_path / "jobs.toml"
    file.write_text(FILE)
    local = Cluster(name="local", options={"timeout_min": 10})
    what = make_sweep(file, folder=tmp_path / "out", cluster=local)
    assert sweep(what), "what failed has a result too: why"
    results = sweeping.read_lines(what.folder / "results.jsonl")
    assert {r["variant"]: "failed" in r for r in results} == {"good": False, "bad": True}
    (good,) = (r for r in results if r["variant"] == "good")
    assert good["success_any"]["n"] == 4
    # Nothing is left to do, so that no job is submitted
    (what.folder / "jobs").rename(tmp_path / "jobs")
    assert sweep(make_sweep(file, folder=what.folder, cluster=local))
    assert not (what.folder / "jobs").exists()
