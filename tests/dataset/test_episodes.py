"""`robot-gcrl dataset` of a policy: whole episodes, as the environment runs them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from robot_gcrl.commands.datasets import Dataset
from robot_gcrl.contract.actuate import actuate
from robot_gcrl.dataset import episodes
from robot_gcrl.dataset.episodes import policy_rows
from robot_gcrl.errors import ConfigError, DatasetError
from robot_gcrl.task.registry import load_task
from robot_gcrl.train.dataset import load_dataset, observed
from robot_gcrl.train.dataset_file import read_dataset
from robot_gcrl.train.export import export_run
from robot_gcrl.train.settings import make_train_config
from robot_gcrl.train.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("policy") / "run"
    return train(make_train_config("reacher", preset="smoke", run=folder, steps=512, evaluations=1))


@pytest.fixture(scope="module")
def written(run, tmp_path_factory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("rows") / "rows.npz"
    said: list[str] = []
    command = Dataset(source=run, out=out, episodes=6, num_envs=4, seed=3, json=True)
    assert command.run(said.append) == 0
    return out, json.loads(said[0])


def test_whole_episodes_that_a_run_can_learn_from(written):
    out, result = written
    task = load_task("reacher")
    rows = read_dataset(out)
    length = task.episode_length + 1
    assert (result["episodes"], result["rows"]) == (6, 6 * length)
    np.testing.assert_array_equal(np.flatnonzero(rows.terminals), np.arange(1, 7) * length - 1)
    assert not rows.terminated.any()
    assert (rows.actions[rows.terminals] == 0.0).all()
    assert (rows.actions[~rows.terminals] != 0.0).all()
    assert rows.goals is not None
    assert len(np.unique(rows.goals, axis=0)) == 6
    assert rows.summary is not None
    assert (rows.summary["actions"], rows.summary["seed"]) == ("sampled", 3)
    assert load_dataset(out, task, chunk=1).max_rows == length


def test_what_is_stored_is_what_qpos_and_qvel_show(written):
    task, rows = load_task("reacher"), read_dataset(written[0])
    assert rows.observations is not None
    np.testing.assert_allclose(observed(written[0], rows, task), rows.observations, atol=1e-4)


def test_an_action_leads_to_the_next_row(written):
    """C MuJoCo does with the stored action what the environment did."""
    import mujoco

    task, rows = load_task("reacher"), read_dataset(written[0])
    data = mujoco.MjData(task.model)
    assert rows.qpos is not None
    assert rows.qvel is not None
    for row in (0, 20, 90):
        mujoco.mj_resetData(task.model, data)
        data.qpos[:], data.qvel[:] = rows.qpos[row], rows.qvel[row]
        action_map = task.contract.action
        data.ctrl[:] = actuate(action_map, rows.actions[row], np.zeros(2, np.float32))
        mujoco.mj_step(task.model, data, task.substeps)
        np.testing.assert_allclose(data.qpos, rows.qpos[row + 1], atol=1e-3)


def test_what_a_diverged_step_holds_is_left_out():
    # Seen to fail: an action that leads to where it began. World 1 diverges in its third step,
    # world 2 in its first
    ended = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 0], [1, 1, 0]], bool)
    number = np.arange(12.0, dtype=np.float32).reshape(4, 3, 1)
    diverged = np.zeros((4, 3), bool)
    diverged[3, 1] = diverged[1, 2] = True
    zeros = np.zeros((4, 3), bool)
    frames = episodes._Frames(number, number, ended, zeros, number, number, number, diverged)
    whole, cut = episodes._whole_episodes(frames, 3)
    np.testing.assert_array_equal(whole.observation[:, 0], [0, 3, 6, 9])
    np.testing.assert_array_equal(cut.observation[:, 0], [1, 4, 7])
    np.testing.assert_array_equal(cut.ended, [False, False, True])
    np.testing.assert_array_equal(cut.action[:, 0], [1, 4, 0])
    assert not cut.terminated.any()


def test_the_seed_is_all_that_is_random(run, written):
    again = policy_rows(run, episodes=6, num_envs=4, seed=3)
    other = policy_rows(run, episodes=6, num_envs=4, seed=4)
    rows = read_dataset(written[0])
    np.testing.assert_array_equal(again.actions, rows.actions)
    assert not np.array_equal(other.actions, rows.actions)


def test_a_policy_file_without_critic_acts(run, tmp_path):
    file = export_run(run, out=tmp_path / "r.policy", checkpoint="last")
    mean = policy_rows(file, episodes=2, actions="mean")
    same = policy_rows(run, episodes=2, actions="mean", checkpoint="last")
    np.testing.assert_allclose(mean.actions[:5], same.actions[:5], atol=1e-4)
    spread = policy_rows(file, episodes=2, actions="random").actions
    assert abs(float(spread.std()) - 1.0 / np.sqrt(3.0)) < 0.05
    # Seen to fail: a policy file was refused for what it never holds, after all was loaded
    unsaid = policy_rows(file, episodes=2)
    np.testing.assert_array_equal(unsaid.actions, mean.actions)
    assert unsaid.summary is not None
    assert unsaid.summary["actions"] == "mean"
    with pytest.raises(ConfigError) as caught:
        policy_rows(file, episodes=2, actions="sampled")
    assert str(caught.value) == (
        f"--actions sampled of {file}, a file of the means alone. Expected a policy whose standard "
        "deviations are known. Name the run folder that it was exported from, or choose --actions "
        "mean."
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"episodes": 0}, "episodes is 0. Expected a whole number of 1 or more. Change "
         "--episodes."),
        ({"num_envs": 0}, "num_envs is 0. Expected a whole number of 1 or more. Change "
         "--num-envs."),
        ({"seed": -1}, "seed is -1. Expected 0 to 4294967295. Change --seed."),
    ],
)  # fmt: skip
def test_numbers_out_of_range(run, values, said):
    with pytest.raises(ConfigError) as caught:
        policy_rows(run, **values)
    assert str(caught.value) == said


def test_what_does_not_fit_in_memory_is_refused_before(run, monkeypatch):
    monkeypatch.setattr(episodes, "host_available_bytes", lambda: 10**6)
    with pytest.raises(ConfigError) as caught:
        policy_rows(run, episodes=10_000)
    assert re.fullmatch(
        r"10,000 episodes of task 'reacher' need about [\d,]+ bytes of memory. Expected at most "
        r"the 1,000,000 that are free. Lower --episodes, and record several files.",
        str(caught.value),
    )


def test_an_existing_file_and_other_sources_are_refused(written, tmp_path):
    out, _ = written
    with pytest.raises(DatasetError, match=r"exists\. Expected the name of a new file"):
        Dataset(source=tmp_path, out=out).run(lambda text: None)
    with pytest.raises(DatasetError, match=r"is no folder\. Expected one that exists"):
        Dataset(source=tmp_path, out=tmp_path / "a" / "b").run(lambda text: None)
    nothing = tmp_path / "nothing"
    with pytest.raises(ConfigError, match="There is no run folder, policy file or recording '"):
        Dataset(source=nothing, out=tmp_path / "x").run(lambda text: None)
    nothing.write_bytes(b"a recording")
    with pytest.raises(ConfigError) as caught:
        Dataset(source=nothing, out=tmp_path / "x", seed=1, num_envs=3).run(lambda text: None)
    assert str(caught.value) == (
        f"--seed, --num-envs was given for the recording {nothing}. Expected options of a "
        "simulation with a run folder or a policy file only. Leave them out, or name one of these."
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("actions", "cloning", "least"), [("random", 0.0, 0.6), ("sampled", 0.0, 0.6),
                                      ("sampled", 1.0, 0.6)]
)  # fmt: skip
def test_reaching_is_learned_from_rows_alone(tmp_path, actions, cloning, least):
    def robot_gcrl(*words: str) -> str:
        command = [sys.executable, "-m", "robot_gcrl.cli", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    policy, rows, run = (str(tmp_path / name) for name in ("policy", "rows.npz", "run"))
    robot_gcrl("train", "--task", "reacher", "--preset", "laptop", "--run", policy)
    robot_gcrl("dataset", policy, "--out", rows, "--actions", actions)
    robot_gcrl("train", "--task", "reacher", "--preset", "laptop", "--run", run, "--dataset", rows,
               "--agent.cloning", str(cloning))  # fmt: skip
    result = json.loads(robot_gcrl("evaluate", run, "--episodes", "256", "--json"))
    assert result["success_any"]["mean"] > least
