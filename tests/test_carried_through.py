"""One task of every family from training to a robot on the bridge and a viewer, in smoke sizes."""

import json

import numpy as np
import pytest

from robot_gcrl.gate.gate import run_gate
from robot_gcrl.policy.runtime import read_policy
from robot_gcrl.policy.verify import verify_policy
from robot_gcrl.task.registry import load_task
from robot_gcrl.train.assess import evaluate_run
from robot_gcrl.train.export import export_run
from robot_gcrl.train.settings import make_train_config
from robot_gcrl.train.train import train
from robot_gcrl.viewer.scene import show_policy
from robot_gcrl.viewer.world import World

# With the sizes of their robots' models, and each kind of goal
TASKS = (
    "reacher",
    "pusher_two",
    "cheetah",
    "point_maze",
    "ant_random_start",
    "ant_maze_stitch",
    "ant_ball",
    "ant_ball_maze",
    "ant_push",
    "humanoid",
    "humanoid_maze",
    "arm_reach",
    "arm_push_hard",
    "arm_binpick_hard",
    "arm_grasp",
    "quadruped",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_carried_through(name, tmp_path):
    level = "full" if load_task(name).realism else "off"
    config = make_train_config(
        name, preset="smoke", engine="native", run=tmp_path / "run", randomize=level, steps=1024
    )
    run = train(config)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert all(np.isfinite(v) for line in lines for v in line.values() if isinstance(v, float))

    measured = evaluate_run(run, episodes=8, engine="native", randomize=level)
    assert measured["success_any"]["n"] == 8
    assert set(measured.get("levels", {})) == ({"low", "full"} if level == "full" else set())

    path = export_run(run, out=None, with_critic=True)
    file = read_policy(path)
    assert file.contract.sha256 == load_task(name).contract.sha256
    assert verify_policy(path)["ok"]

    gate = run_gate(
        path, episodes=2, robots=2, delays=(), jitters=(), drops=(), restart=False,
        realtime_episodes=0, engine="native", randomize=level,
    )  # fmt: skip
    clean = gate["rows"][0]
    # A hand's first command may lie farther off than its fingers are allowed to go in a step
    clips = sum(clean["counts"][kind] for kind in ("bounds", "velocity", "acceleration", "margin"))
    assert clean["first_action_difference"] < 1e-5 or (clips > 0 and "arm_" in name)
    assert [row["randomize"] for row in gate["rows"]][-1] == level

    world = World(show_policy(path, randomize=level))
    before = world.data.qpos.copy()
    world.step(5 * file.simulation.substeps)
    assert world.actions == 5
    assert np.isfinite(world.data.qpos).all()
    assert np.abs(world.data.qpos - before).max() > 0.0
    world.close()
