"""A file as what a task's agent learns from: its contract, or its observation anew."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.contract.observe import remembered
from robot_gcrl.env.goal_env import GoalEnv
from robot_gcrl.errors import CheckpointError, DatasetError
from robot_gcrl.physics.make import make_engine
from robot_gcrl.train.dataset import load_dataset, note_dataset, previous_actions, require_dataset
from robot_gcrl.train.dataset_file import Rows
from tests.physics.models import arm_task
from tests.train.trajectories import random_rows, save

TASK = arm_task()


def test_rows_become_a_replay_with_numbers_in_order(tmp_path):
    # Seen to fail: with the cumulative sum not shifted by one
    rows = random_rows(TASK.contract)
    dataset = load_dataset(save(tmp_path / "d.npz", rows), TASK, chunk=1)
    np.testing.assert_array_equal(dataset.episode & 0x7FFFFFFF, np.repeat([0, 1, 2], [5, 3, 4]))
    assert np.flatnonzero(dataset.episode < 0).tolist() == [4]
    assert (dataset.rows, dataset.episodes, dataset.max_rows) == (12, 3, 5)
    np.testing.assert_array_equal(dataset.observation, rows.observations)


def test_another_contract_is_refused_field_by_field(tmp_path):
    other = dataclasses.replace(TASK.contract, control_dt=0.1)
    path = save(tmp_path / "d.npz", random_rows(other))
    with pytest.raises(DatasetError) as caught:
        load_dataset(path, TASK, chunk=1)
    assert str(caught.value) == (
        f"The dataset {path} is of another contract than task 'arm': control_dt: expected 0.05, "
        "got 0.1. Expected the same. Choose the task that it is of, or record it anew."
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"actions": np.zeros((12, 3))}, "has actions of 3 numbers. Expected 2, as task 'arm' has."
         " Choose the task that it is of."),
        ({"observations": np.zeros((12, 3))}, "has observations of 3 numbers. Expected 8 numbers in"
         " each row, as its contract has. Write it with robot-gcrl dataset."),
        ({"observations": None}, "has no observations. Expected 8 numbers in each row, as its "
         "contract has. Write it with robot-gcrl dataset."),
        ({"contract": None}, "has no contract, and no qpos and qvel by which it could be observed. "
         "Expected either. Write it with robot-gcrl dataset, or in the layout of "
         "docs/learning/dataset.md."),
        ({"contract": None, "qpos": np.zeros((12, 7)), "qvel": np.zeros((12, 6))},
         "has qpos and qvel of 7 and 6 numbers. Expected 2 and 2, as the model of task 'arm' has. "
         "Choose the task that it is of."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(tmp_path, changes, said):
    path = save(tmp_path / "d.npz", random_rows(TASK.contract), **changes)
    with pytest.raises(DatasetError) as caught:
        load_dataset(path, TASK, chunk=1)
    assert str(caught.value) == f"The dataset {path} {said}"


def test_episodes_shorter_than_chunks_are_refused(tmp_path):
    path = save(tmp_path / "d.npz", random_rows(TASK.contract))
    assert load_dataset(path, TASK, chunk=3).rows == 12
    with pytest.raises(DatasetError) as caught:
        load_dataset(path, TASK, chunk=4)
    assert str(caught.value) == (
        f"The dataset {path} has 1 of 12 rows that begin a chunk of 4 actions within their episode."
        " Expected a tenth of them or more. Lower --agent.chunk, or record longer episodes."
    )


def test_previous_actions_are_those_of_the_episode():
    # Seen to fail: with the actions of the episode before, and with the oldest first
    rows = random_rows(TASK.contract)
    assert TASK.contract.history == 2
    found, row = previous_actions(rows, TASK.contract), 0
    for length in (5, 3, 4):
        before = np.zeros(4, np.float32)
        for _ in range(length):
            np.testing.assert_array_equal(found[row], before)
            before = remembered(TASK.contract, rows.actions[row], before)
            row += 1


def test_qpos_and_qvel_are_observed_as_the_environment_does(tmp_path):
    """A file of OGBench's layout: no contract, observations of somebody else's."""
    # Seen to fail: without mj_forward, and without previous actions
    worlds, length = 3, 10
    engine = make_engine(
        "native", TASK.model, num_worlds=worlds, substeps=TASK.substeps, overlap=False
    )
    env = GoalEnv(TASK, engine, goals="train")
    state = jax.jit(env.init)(jax.random.key(0))
    step, frames = jax.jit(env.step), []
    for i in range(length + 1):
        action = jax.random.uniform(jax.random.key(i), (worlds, 2), minval=-1.0)
        frames.append(jax.device_get(
            (env.observation(state), action, state.ended, state.physics.qpos, state.physics.qvel)
        ))  # fmt: skip
        state = step(state, jnp.asarray(action), jax.random.key(100 + i))
    columns = [np.concatenate(np.moveaxis(np.stack(x), 1, 0)) for x in zip(*frames, strict=True)]
    observation, action, terminals, qpos, qvel = columns
    assert terminals.sum() == worlds
    rows = Rows(actions=action, terminals=terminals, terminated=np.zeros_like(terminals))
    others = np.zeros((len(action), 29))
    path = save(tmp_path / "d.npz", rows, terminated=None, observations=others,
                qpos=qpos.astype(float), qvel=qvel.astype(float),
                terminals=terminals.astype(float))  # fmt: skip
    dataset = load_dataset(path, TASK, chunk=1)
    np.testing.assert_allclose(dataset.observation, observation, atol=1e-5)


def test_a_run_keeps_to_its_rows(tmp_path):
    # Seen to fail: with the comparison left out
    path = save(tmp_path / "d.npz", random_rows(TASK.contract))
    dataset = load_dataset(path, TASK, chunk=1)
    require_dataset(tmp_path, dataset)
    note_dataset(tmp_path, dataset)
    written = json.loads((tmp_path / "dataset.json").read_text())
    assert written == {"path": str(path), "sha256": dataset.sha256, "rows": 12, "episodes": 3}
    require_dataset(tmp_path, dataset)
    other = load_dataset(
        save(tmp_path / "e.npz", random_rows(TASK.contract, seed=1)), TASK, chunk=1
    )
    with pytest.raises(CheckpointError) as caught:
        require_dataset(tmp_path, other)
    assert str(caught.value) == (
        f"The run {tmp_path} learned from another content of {other.path} (sha256 "
        f"{dataset.sha256[:12]}) than the file has now ({other.sha256[:12]}). Expected the same "
        "rows. Restore the file, or start a new run."
    )
