"""The benchmark of serving with few samples: every figure is there; none of them is judged here."""

import json
import math

import numpy as np
import pytest

from robot_gcrl.bench.serve import bench_serve, goals
from robot_gcrl.bench.synthetic import DEPTH, WIDTH, write_synthetic
from robot_gcrl.bench.table import format_serve
from robot_gcrl.bench.timing import interleaved, spread_us
from robot_gcrl.errors import ConfigError
from robot_gcrl.policy.compare import golden_difference
from robot_gcrl.policy.runtime import make_runtime, read_policy


@pytest.fixture(scope="module")
def result() -> dict:
    return bench_serve(seconds=0.5, samples=20, robots=3)


def test_every_figure_is_there(result):
    for key in ("echo_us", "round_trip_us"):
        assert 0.0 < result[key]["median"] <= result[key]["p99"]
    assert set(result["inference_us"]) == {"numpy", "onnxruntime"}
    assert set(result["encode_decode_us"]) == {"report", "command"}
    alone = result["echo_us"]["median"] + result["inference_us"]["onnxruntime"]["median"]
    assert result["ratio"] == pytest.approx(result["round_trip_us"]["median"] / alone)
    assert result["fast"]["ticks"] >= 250
    assert 0.0 <= result["fast"]["missed_share"] <= 1.0
    many = result["many"]
    assert many["robots"] == 3
    assert 0.0 <= many["least_commands_per_s"] <= many["commands_per_robot_s"]
    assert many["server_cpu_s_per_s"] is None or many["server_cpu_s_per_s"] > 0.0
    assert 0.0 <= result["restart"]["from_listening_s"] <= result["restart"]["from_start_s"]
    json.dumps(result, allow_nan=False)


def test_the_frames_are_of_a_robot_that_sends_its_pose(result):
    # header 40, 29 inputs, 8 ctrl, 15 numbers of pose; float32
    assert 4 * (29 + 8 + 15) < result["sizes"]["report"] < 4 * (29 + 8 + 15) + 70
    assert 4 * (8 + 2) < result["sizes"]["command"] < 4 * (8 + 2) + 80


def test_goals_stand_beside_what_was_measured(result):
    slow = json.loads(json.dumps(result))
    slow["ratio"], slow["many"]["server_cpu_s_per_s"] = 2.5, None
    found = {goal["name"]: goal for goal in goals(slow)}
    assert found["round trip / (echo + inference)"]["ok"] is False
    assert found["cores of the server, many robots"]["ok"] is None
    assert "MISSED" in format_serve(slow | {"goals": goals(slow)})
    assert format_serve(result).startswith("synthetic 4 x 256, onnxruntime; report ")


def test_the_synthetic_policy_is_one(tmp_path):
    file = read_policy(write_synthetic(tmp_path / "s.policy", 0.002))
    assert (file.network.depth, file.network.width) == (DEPTH, WIDTH)
    assert file.contract.control_dt == 0.002
    difference = golden_difference(file.contract, make_runtime(file, "onnxruntime"), file.golden)
    assert difference < file.tolerance
    # neither at the limits, where nothing is computed, nor all the same
    assert 0.01 < np.abs(file.golden.action).std() < 0.9


def test_times_of_actions_that_take_turns():
    calls: list[str] = []
    times = interleaved(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, samples=4, rounds=2
    )
    assert {name: len(values) for name, values in times.items()} == {"a": 4, "b": 4}
    assert "".join(calls) == "aaabbb" * 2  # each turn begins with one that is not counted
    assert spread_us([1000, 2000, 9000])["median"] == 2.0


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="The benchmark was given 0 s, 5000 samples and 64 robot"):
        bench_serve(seconds=0.0)
    with pytest.raises(ConfigError):
        bench_serve(seconds=math.nan)
