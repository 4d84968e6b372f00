"""Runs that learn from a dataset: the same learner, the same folder, bit for bit resumed."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.errors import CheckpointError, ConfigError, DatasetError
from robot_gcrl.policy.verify import verify_policy
from robot_gcrl.replay.buffer import Replay
from robot_gcrl.task.registry import load_task
from robot_gcrl.train.assess import evaluate_run
from robot_gcrl.train.checkpoint import RunFolder
from robot_gcrl.train.config import override, resumed
from robot_gcrl.train.config_json import from_content, to_content
from robot_gcrl.train.dataset import load_dataset
from robot_gcrl.train.dataset_file import Rows, write_dataset
from robot_gcrl.train.export import export_run
from robot_gcrl.train.loop import agent_of, gradient_steps, learn, make_program, update_counts
from robot_gcrl.train.memory import check_memory, estimate
from robot_gcrl.train.metrics import read_metrics
from robot_gcrl.train.offline import make_offline_program
from robot_gcrl.train.options import parse_train
from robot_gcrl.train.plot import plot_runs
from robot_gcrl.train.settings import make_train_config
from robot_gcrl.train.train import train
from tests.physics.models import box_task
from tests.train.samples import make_config, same_bits
from tests.train.trajectories import random_rows

AGENT = CrlConfig(
    width=16, embedding_size=8, batch_size=16, normalize_observations=True, cloning=0.2
)
ROOT = Path(__file__).resolve().parents[2]


def _offline(tmp_path, dataset: Path, **values):
    return make_config(tmp_path, dataset=dataset, agent=AGENT, rollout=8, **values)


@pytest.fixture(scope="module")
def online(tmp_path_factory):
    """A replay that a run of one world has filled, and the same rows as a file."""
    folder = tmp_path_factory.mktemp("online")
    task = box_task(episode_length=30, highest=3.0)
    config = make_config(
        folder / "run", num_envs=1, rollout=80, prefill=80, replay_capacity=80, agent=AGENT
    )
    program = make_program(task, config)
    state, _ = program.iterate(program.init(3), update_counts(config, 0))
    replay = jax.device_get(state.replay)
    number = replay.episode[:, 0] & 0x7FFFFFFF
    rows = Rows(
        actions=replay.action[:, 0],
        terminals=np.append(number[1:] != number[:-1], True),
        terminated=replay.episode[:, 0] < 0,
        observations=replay.observation[:, 0],
        contract=task.contract.canonical_json,
    )
    assert rows.terminated.any()
    assert rows.episodes > 2
    write_dataset(folder / "rows.npz", rows)
    return task, replay, folder / "rows.npz"


def test_offline_learns_what_learning_on_the_same_rows_gives(online, tmp_path):
    task, replay, path = online
    config = _offline(tmp_path, path)
    dataset = load_dataset(path, task, chunk=1)
    program = make_offline_program(task, config, dataset)
    start = program.init(7)
    key = jax.random.fold_in(jax.random.wrap_key_data(jnp.copy(start.key)), 0)
    learner = jax.tree.map(jnp.copy, start.agent)
    np.testing.assert_allclose(
        learner.moments.mean, dataset.observation.mean(axis=0), rtol=1e-4, atol=1e-5
    )
    found, sums = program.iterate(start, update_counts(config, 0))
    agent = agent_of(task, config.agent)

    @jax.jit
    def by_hand(replay: Replay):
        return learn(learner, replay, key, jnp.int32(8), agent,
                     goal_index=task.contract.goal_index, max_rows=dataset.max_rows)  # fmt: skip

    expected, wanted = by_hand(jax.tree.map(jnp.asarray, replay))
    assert same_bits(found.agent, expected)
    assert same_bits(sums, wanted)
    assert int(found.iteration) == 1
    assert (found.replay, found.env, found.queue) == ((), (), ())
    assert float(sums["learner/count"]) == 8.0


def test_resume_is_exact(online, tmp_path):
    task, _, path = online
    config = _offline(tmp_path / "run", path)
    dataset = load_dataset(path, task, chunk=1)

    def iterate(program, state, iterations):
        for i in iterations:
            state, _ = program.iterate(state, update_counts(config, i))
        return jax.device_get(state)

    program = make_offline_program(task, config, dataset)
    straight = iterate(program, program.init(3), range(4))
    half = iterate(program, program.init(3), range(2))
    with RunFolder.create(config.run, config, task.contract.sha256) as folder:
        folder.save_last(half, {"iteration": 2, "control_steps": 80, "seconds": 1.0})
    again = make_offline_program(task, config, dataset)
    restored, info = RunFolder.open(config.run).restore_last(again.init(99))
    assert info.control_steps == 80
    assert same_bits(straight, iterate(again, restored, range(2, 4)))
    size = sum(f.stat().st_size for f in config.run.rglob("rest/**/*") if f.is_file())
    assert size < dataset.observation.nbytes + 20_000


def test_the_program_does_not_grow_with_depth(online, tmp_path):
    task, _, path = online
    dataset = load_dataset(path, task, chunk=1)
    sizes = []
    for depth in (4, 64):
        agent = dataclasses.replace(AGENT, depth=depth, actor_depth=depth)
        config = dataclasses.replace(_offline(tmp_path, path), agent=agent)
        program = make_offline_program(task, config, dataset)
        compiled = program.iterate.func  # pyright: ignore
        state = jax.eval_shape(lambda: program.init(0))  # noqa: B023
        counts = jax.ShapeDtypeStruct((8,), np.int32)
        lowered = compiled.lower(state, counts, **program.iterate.keywords)  # pyright: ignore
        sizes.append(len(lowered.as_text()))
    assert sizes[1] < 1.02 * sizes[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of the command line on random rows of the reacher."""
    folder = tmp_path_factory.mktemp("offline")
    contract = load_task("reacher").contract
    path = folder / "rows.npz"
    write_dataset(path, random_rows(contract, lengths=(51,) * 20))
    run = folder / "run"
    options = ("--preset", "smoke", "--steps", "320", "--evaluations", "2", "--run", str(run))
    process = subprocess.run(
        [sys.executable, "-m", "robot_gcrl.cli", "train", "--task", "reacher", *options,
         "--dataset", "rows.npz", "--agent.cloning", "0.3"],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"NPROC": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    return run, path, process.stderr


def test_a_run_says_and_measures_what_it_does(trained):
    run, path, said = trained
    for words in (f"data     {path}: 1,020 rows, 20 episodes", "320 gradient steps",
                  "native, for evaluations", "320 of 320 gradient steps (100%)"):  # fmt: skip
        assert words in said
    assert "control steps" not in said.replace("told once the first control steps", "")
    lines = read_metrics(run)
    names = set().union(*lines)
    assert {"critic_loss", "cloning_loss", "gradient_steps_per_second", "success_any"} <= names
    assert not {n for n in names if n.startswith(("control", "practice", "diverged"))}
    assert [line["gradient_steps"] for line in lines if "success_any" in line] == [160, 320]
    config = json.loads((run / "config.json").read_text())
    assert config["dataset"] == str(path)
    assert json.loads((run / "dataset.json").read_text())["rows"] == 1020


def test_it_is_a_run_like_any_other(trained, tmp_path):
    run, _, _ = trained
    result = evaluate_run(run, episodes=8, checkpoint="last")
    assert result["control_steps"] == 1020
    file = export_run(run, out=tmp_path / "r.policy", with_critic=True, checkpoint="last")
    assert verify_policy(file)["ok"]
    assert plot_runs([run], out=tmp_path / "c.png").exists()


def test_runs_of_either_kind_share_no_steps(trained, tmp_path):
    run, _, _ = trained
    config = make_config(tmp_path / "online")
    with RunFolder.create(config.run, config, "ab" * 32):
        (config.run / "metrics.jsonl").write_text(
            '{"iteration": 1, "control_steps": 5, "gradient_steps": 1, "critic_loss": 1.0}\n'
        )
    assert plot_runs([run, config.run], out=tmp_path / "c.png", x="updates").exists()
    with pytest.raises(ConfigError) as caught:
        plot_runs([run, config.run], out=tmp_path / "c.png")
    assert str(caught.value) == (
        f"The run {run} learned from a dataset and has no control steps, others have. Expected an "
        "axis that all of them have. Choose --x updates or --x minutes."
    )


def test_it_goes_on_with_the_same_rows_alone(trained, tmp_path):
    # Seen to fail: with the rows compared after the settings were written
    run, path, _ = trained
    stored = RunFolder.open(run).config
    moved = tmp_path / "moved.npz"
    moved.write_bytes(path.read_bytes())
    train(resumed(stored, {"steps": 336, "dataset": moved}), resume=True)
    assert read_metrics(run)[-1]["gradient_steps"] == 336
    other = tmp_path / "other.npz"
    write_dataset(other, random_rows(load_task("reacher").contract, lengths=(51,) * 20, seed=1))
    with pytest.raises(CheckpointError, match="learned from another content"):
        train(resumed(stored, {"steps": 400, "dataset": other}), resume=True)
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        train(resumed(stored, {"dataset": tmp_path / "none.npz"}), resume=True)
    after = RunFolder.open(run).config
    assert (after.dataset, after.steps) == (moved, 336)
    train(resumed(after, {"dataset": path}), resume=True)


def test_fine_tuning_both_ways(trained, tmp_path):
    """Online from an offline run, and offline from that one."""
    run, path, _ = trained
    values = {"start_from": run, "from_checkpoint": "last", "steps": 256, "evaluations": 1}
    config = make_train_config("reacher", preset="smoke", run=tmp_path / "online", **values)
    online = train(override(config, {"agent.cloning": 0.0}))
    assert read_metrics(online)[-1]["control_steps"] == 256
    config = make_train_config(
        "reacher", preset="smoke", run=tmp_path / "again", start_from=online, dataset=path,
        from_checkpoint="last", steps=32, evaluations=1,
    )  # fmt: skip
    again = train(config)
    assert read_metrics(again)[-1]["gradient_steps"] == 32


def test_settings_of_collecting_are_refused(trained, tmp_path):
    _, path, _ = trained
    words = ["--task", "reacher", "--dataset", str(path)]
    for more, said in (
        (["--num-envs", "7"], "--num-envs was given beside --dataset, with which nothing is "
         "collected. Expected settings that learning reads. Leave it out, or collect without "
         "--dataset."),
        (["--prefill", "9", "--goal-proposal", "visited"], "--prefill, --goal-proposal was given "
         "beside --dataset, with which nothing is collected. Expected settings that learning "
         "reads. Leave them out, or collect without --dataset."),
    ):  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            parse_train([*words, *more])
        assert str(caught.value) == said


def test_a_resumed_run_refuses_them_too(trained):
    run, path, _ = trained
    with pytest.raises(ConfigError, match="--physics-threads was given beside --dataset"):
        parse_train(["--resume", str(run), "--physics-threads", "3"])
    config, _ = parse_train(["--resume", str(run), "--steps", "500"])
    assert (config.steps, config.dataset) == (500, path)


def test_steps_are_gradient_steps(trained, tmp_path):
    _, path, _ = trained
    task = load_task("reacher")
    budget = task.hints.budgets["laptop"]
    config, _ = parse_train(["--task", "reacher", "--preset", "laptop", "--dataset", str(path)])
    assert config.steps == budget.gradient_steps
    words = ["--preset", "laptop", "--dataset", str(path), "--steps", str(budget.control_steps)]
    config, _ = parse_train(["--task", "reacher", *words])
    assert config.steps == budget.control_steps
    assert gradient_steps(config, 10) == 10 * config.rollout


def test_settings_of_older_runs_are_read(tmp_path):
    content = to_content(make_config(tmp_path))
    del content["dataset"]
    del content["agent"]["cloning"]
    config = from_content(content)
    assert (config.dataset, config.agent.cloning) == (None, 0.0)


def test_memory_is_that_of_the_rows(tmp_path):
    task = load_task("reacher")
    config = make_train_config("reacher", preset="smoke", dataset=tmp_path / "x", run=tmp_path)
    small, large = (estimate(task.contract, task.model, config, n).replay for n in (1000, 3000))
    assert large == 3 * small
    with pytest.raises(ConfigError, match=r"Lower the rows of --dataset \(90,000,000\)\.$"):
        check_memory(task.contract, task.model, config, available=10**9, rows=90_000_000)
