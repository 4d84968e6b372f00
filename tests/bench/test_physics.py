"""The benchmark of physics with little time: every figure is there; none of them is judged here."""

import json

import jax
import numpy as np
import pytest

from robot_gcrl import cli
from robot_gcrl.bench import physics
from robot_gcrl.bench.physics import bench_physics, goals
from robot_gcrl.bench.physics_loops import MOST_STEPS, in_turns, make_env, record
from robot_gcrl.bench.physics_table import format_physics, markdown_physics
from robot_gcrl.errors import EngineError
from robot_gcrl.task.registry import load_task

KINDS = {"bare", "engine", "environment"}


@pytest.fixture(scope="module")
def result() -> dict:
    found = bench_physics(tasks=("reacher",), num_envs=(3,), seconds=0.2, compilation=False)
    assert found["compilation"] == []
    return found | {"compilation": [{"task": "reacher", "seconds": 2.34}]}


def test_every_figure_is_there(result):
    (row,) = result["rows"]
    assert (row["task"], row["robot"], row["num_envs"], row["substeps"]) == ("reacher",) * 2 + (
        3,
        5,
    )
    assert set(row["control_steps_per_second"]) == KINDS
    for kind, rate in row["control_steps_per_second"].items():
        assert row["physics_steps_per_second"][kind] == pytest.approx(5 * rate)
        assert rate > 0.0
    assert row["engine_over_bare"] > 0.0
    assert row["environment_cost"] > -1.0
    memory = row["memory"]
    assert memory["before"] < memory["expected"]
    assert memory["before"] < memory["resident"]
    json.dumps(result, allow_nan=False)


@pytest.mark.slow  # XLA takes a quarter of a minute for MJX, even of two joints
def test_mjx_is_measured_too():
    # Seen to fail: with the cache left on, the second compilation took 0.9 s after 14.
    times = []
    for _ in range(2):
        result = bench_physics(tasks=("reacher",), engine="mjx", num_envs=(3,), seconds=0.1)
        (row,), (compiled,) = result["rows"], result["compilation"]
        times.append(compiled["compiling_seconds"])
        parts = compiled["lowering_seconds"] + compiled["compiling_seconds"]
        assert compiled["seconds"] == pytest.approx(parts, rel=0.01)
        assert set(row["control_steps_per_second"]) == {"engine", "environment"}
        assert row["engine_over_bare"] is None
    assert min(times) > max(times) / 3


def test_the_tables_say_what_was_measured(result):
    table, markdown = format_physics(result), markdown_physics(result)
    assert "reacher: MJX compiles its step in 2.3 s" in table
    assert [goal["name"] in table for goal in result["goals"]] == [True, True]
    head, ruler, row = markdown.splitlines()
    assert head.count("|") == ruler.count("|") == row.count("|")
    assert row.startswith("| `reacher` | 3 | ")
    assert row.endswith(" MiB | 2.3 s |")


def test_what_an_engine_refuses_is_said_and_not_judged():
    refused = {"task": "a", "num_envs": 4, "refused": "Engine 'mjx' cannot run this model."}
    slow = {"task": "b", "environment_cost": 0.2, "engine_over_bare": None}
    assert [(g["value"], g["ok"]) for g in goals([refused])] == [(None, None)] * 2
    assert [(g["value"], g["ok"]) for g in goals([refused, slow])] == [(0.2, False), (None, None)]
    result = {"engine": "mjx", "cores": 2, "seconds": 1.0, "rows": [refused]}
    result |= {"compilation": [refused], "goals": goals([refused])}
    assert "a: MJX cannot: Engine 'mjx' cannot run this model." in format_physics(result)
    assert markdown_physics(result).splitlines()[-1].count("|") == 10


# Seen to fail: with the starts left out, so that the engine steps on where the environment resets.
def test_the_engine_alone_takes_the_steps_of_the_environment():
    task = load_task("reacher")
    start, recording = record(task, 40)
    assert recording.starts.mask.any()
    engine, _ = make_env(task, "native", 40)
    ended = jax.jit(
        lambda s: jax.lax.scan(lambda s, x: (engine.step(s, x.ctrl, x.starts), None), s, recording)[
            0
        ]
    )(start.physics)
    # The last rows of the recording are the environment's own after MOST_STEPS control steps
    np.testing.assert_array_equal(ended.qpos, recording.starts.qpos[-1])
    np.testing.assert_array_equal(ended.qvel, recording.starts.qvel[-1])


def test_loops_take_turns_and_take_as_long_as_they_may():
    calls: list[tuple[str, int]] = []
    found = in_turns(
        {
            "a": lambda steps: calls.append(("a", steps)),
            "b": lambda steps: calls.append(("b", steps)),
        },
        seconds=0.0005,
    )
    assert found["control_steps"] == MOST_STEPS  # they are quick
    assert found["repetitions"] >= 3
    assert calls[:4] == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert calls[4:] == [("a", MOST_STEPS), ("b", MOST_STEPS)] * found["repetitions"]
    assert found["of"]["a", "b"] == pytest.approx(1.0 / found["of"]["b", "a"], rel=0.9)


def test_one_task_of_each_robot_unless_all_are_asked_for():
    few = physics._chosen((), all_tasks=False)
    robots = [task.contract.robot for task in few.values()]
    assert len(set(robots)) == len(robots)
    assert {"ant", "point", "reacher", "arm_reach"} <= set(few)
    assert "ant_maze" in physics._chosen((), all_tasks=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--num-envs", "0"),
            "The benchmark was given 4 s and 0 worlds. Expected more than 0 s, and at least one "
            "world. Change --seconds or --num-envs.",
        ),
        (
            ("--seconds", "nan"),
            "The benchmark was given nan s and 64 256 1024 worlds. Expected more than 0 s, and at "
            "least one world. Change --seconds or --num-envs.",
        ),
        (
            ("--all", "--task", "ant"),
            "The benchmark was given --all and the tasks ant. Expected one of the two. Leave --all "
            "or --task out.",
        ),
        (
            ("--json", "--markdown"),
            "Both --markdown and --json were given. Expected at most one form of output. Leave one "
            "out; --out FILE writes the JSON object beside a table.",
        ),
        (("--task", "ant_maz"), "Unknown task 'ant_maz'. Did you mean 'ant_maze'? See: robot-gcrl "
                                "tasks"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused(words, message, capsys):
    assert cli.main(["bench", "physics", *words]) == 2
    assert capsys.readouterr().err == f"robot-gcrl: {message}\n"


# Seen to fail: with the table said whatever was asked for.
def test_json_is_one_object(monkeypatch, capsys):
    monkeypatch.setattr(physics, "_measure", lambda what, *words: {"refused": what})
    assert cli.main(["bench", "physics", "--task", "reacher", "--num-envs", "4", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["rows"][0]["refused"] == "rates"
    assert "reacher: native, 4 worlds, 4 s" in captured.err
    assert "reacher: MJX compiles its step" in captured.err


def test_a_process_that_fails_is_named():
    with pytest.raises(EngineError) as caught:
        physics._measure("rates", "reacher", "native", -1, 0.1)
    assert str(caught.value) == (
        "The measurement of 'reacher' with -1 worlds on native ended with code 1. Expected it to "
        "finish. Try fewer worlds with --num-envs, or see why: python -m "
        "robot_gcrl.bench.physics_cell rates reacher native -1 0.1."
    )
