"""`robot-gcrl dataset --replay`: what a run has practised."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.commands.datasets import Dataset
from robot_gcrl.dataset.stored import replay_rows
from robot_gcrl.errors import CheckpointError, ConfigError, DatasetError
from robot_gcrl.replay.buffer import Replay
from robot_gcrl.task.registry import load_task
from robot_gcrl.train.checkpoint import RunFolder
from robot_gcrl.train.dataset import load_dataset
from robot_gcrl.train.dataset_file import read_dataset
from robot_gcrl.train.settings import make_train_config
from robot_gcrl.train.train import train

STEPS = 2048


def smoke(folder: Path, **settings) -> Path:
    config = make_train_config("reacher", preset="smoke", run=folder, evaluations=0, **settings)
    return train(config)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return smoke(tmp_path_factory.mktemp("practice") / "run", steps=STEPS, algorithm="sac_her")


def test_the_rows_are_those_of_the_replay(run, tmp_path):
    out, said = tmp_path / "rows.npz", []
    assert Dataset(source=run, out=out, replay=True, json=True).run(said.append) == 0
    told, rows, task = json.loads(said[0]), read_dataset(out), load_task("reacher")
    replay, _ = RunFolder.open(run).restore_replay()
    capacity, worlds = replay.episode.shape
    assert capacity * worlds < STEPS, "the ring has turned"
    assert 0.95 * capacity * worlds <= told["rows"] <= capacity * worlds
    assert told["summary"]["control_steps"] == int(replay.inserted) * worlds >= STEPS
    # The first rows of the file are the first world's, the oldest first
    oldest = int(replay.inserted) % capacity
    length = int(np.argmax(rows.terminals))
    first = slice(oldest, oldest + length)
    assert rows.observations is not None
    np.testing.assert_array_equal(
        rows.observations[:length], replay.observation[first, 0, : task.contract.observation_size]
    )
    np.testing.assert_array_equal(rows.actions[:length], replay.action[first, 0])
    dataset = load_dataset(out, task, chunk=1)
    assert dataset.episodes == told["episodes"]
    assert dataset.max_rows <= task.episode_length + 1
    # Goals are told in SI: within reach of an arm of 0.21 m
    assert rows.goals is not None
    assert 0.05 < np.linalg.norm(rows.goals, axis=1).max() < 0.25


def test_a_run_learns_from_them(run, tmp_path):
    out = tmp_path / "rows.npz"
    Dataset(source=run, out=out, replay=True).run(lambda line: None)
    folder = smoke(tmp_path / "offline", dataset=out, steps=512)
    assert RunFolder.open(folder).has_last
    with pytest.raises(CheckpointError, match="stores no rows of its own"):
        replay_rows(folder)


# Rows of the ring, which has turned: its oldest row is 2; world 0 has a fall at its oldest but one
RING = [[3, 8], [3, 8], [2, 6], [2 - 2**31, 6], [3, 7]]


def test_the_ring_is_cut_where_its_episodes_are(run, monkeypatch):
    task = load_task("reacher")
    sizes = task.contract.observation_size, task.contract.action_size
    mark = np.arange(10, dtype=np.float32).reshape(5, 2, 1)
    ring = Replay(
        observation=jnp.broadcast_to(mark, (5, 2, sizes[0])),
        action=jnp.broadcast_to(mark / 10, (5, 2, sizes[1])),
        episode=jnp.array(RING, jnp.int32),
        inserted=jnp.array(7),
    )
    new = ring._replace(inserted=jnp.array(1))
    _, info = RunFolder.open(run).restore_replay()
    monkeypatch.setattr(RunFolder, "restore_replay", lambda self: (ring, info))
    rows = replay_rows(run)
    # World 0: rows 2, 3 | 4, 0, 1; world 1: rows 2, 3 | 0, 1, without the lonely row 4
    assert rows.observations is not None
    np.testing.assert_array_equal(rows.observations[:, 0], [4, 6, 8, 0, 2, 5, 7, 1, 3])
    np.testing.assert_array_equal(np.flatnonzero(rows.terminals), [1, 4, 6, 8])
    np.testing.assert_array_equal(np.flatnonzero(rows.terminated), [1])
    np.testing.assert_allclose(rows.actions[:, 0], [0.4, 0, 0.8, 0, 0, 0.5, 0, 0.1, 0])
    monkeypatch.setattr(RunFolder, "restore_replay", lambda self: (new, info))
    with pytest.raises(DatasetError, match="no two rows of an episode"):
        replay_rows(run)


# Seen to fail: the system, not a sentence, ended a process that wanted more memory than there is.
def test_more_rows_than_memory_are_told(run, monkeypatch):
    replay, _ = RunFolder.open(run).restore_replay()
    stored = sum(leaf.nbytes for leaf in replay)
    monkeypatch.setattr("robot_gcrl.dataset.stored.host_available_bytes", lambda: 4 * stored - 1)
    with pytest.raises(ConfigError, match=rf"at most the {4 * stored - 1:,} that are free"):
        replay_rows(run)
    monkeypatch.setattr("robot_gcrl.dataset.stored.host_available_bytes", lambda: 8 * stored)
    assert replay_rows(run).actions.shape[0] > 0


def test_what_it_cannot_do_is_told_and_nothing_is_written(run, tmp_path):
    out, policy = tmp_path / "rows.npz", tmp_path / "some.policy"
    policy.write_bytes(b"")
    with pytest.raises(ConfigError, match="--episodes was given beside --replay"):
        Dataset(source=run, out=out, replay=True, episodes=3).run(print)
    with pytest.raises(ConfigError, match="which is no run folder"):
        Dataset(source=policy, out=out, replay=True).run(print)
    hidden = tmp_path / "real"
    config = make_train_config("reacher", preset="smoke", run=hidden, randomize="low")
    RunFolder.create(hidden, config, load_task("reacher").contract.sha256)
    with pytest.raises(ConfigError, match="--randomize low"):
        Dataset(source=hidden, out=out, replay=True).run(print)
    assert not out.exists()
