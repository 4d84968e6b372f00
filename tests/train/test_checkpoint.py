import json
import logging
import math
from pathlib import Path

import jax
import numpy as np
import pytest

from robot_gcrl.task.registry import load_task
from robot_gcrl.train import checkpoint
from robot_gcrl.train.checkpoint import RunFolder, stored_config
from robot_gcrl.train.config import override
from tests.train.samples import SHA256, FakeState, info, make_config, make_state, same_bits


# Seen to fail: with arrays without elements left out, with -0.0 written as 0.0, with the episode
# numbers (negative int32) restored as float32.
def test_every_leaf_comes_back_bit_for_bit(run: Path) -> None:
    folder = RunFolder.open(run)
    state, where = folder.restore_last(make_state(0))
    assert isinstance(state, FakeState)
    assert same_bits(state, make_state(3))
    assert where == (3, 768, 1.5, -math.inf)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))


def test_the_agent_alone(run: Path) -> None:
    folder = RunFolder.open(run)
    best, where = folder.restore_agent("best", make_state(0).agent)
    assert same_bits(best, make_state(2).agent)
    assert where.best_score == 0.25
    last, _ = folder.restore_agent("last", jax.eval_shape(lambda: make_state(0)).agent)
    assert same_bits(last, make_state(3).agent)


def test_a_save_replaces_the_one_before(run: Path) -> None:
    with RunFolder.open(run) as folder:
        folder.save_last(make_state(4), info(4))
        folder.save_last(make_state(5), info(5))
    assert [path.name for path in (run / "checkpoints/last").iterdir()] == ["000003"]
    assert same_bits(RunFolder.open(run).restore_last(make_state(0))[0], make_state(5))


def test_the_restored_state_can_be_donated(run: Path) -> None:
    state, _ = RunFolder.open(run).restore_last(make_state(0))
    copies = [np.array(leaf) for leaf in jax.tree.leaves(state)]
    following = jax.jit(lambda s: jax.tree.map(lambda x: x, s), donate_argnums=0)(state)
    pairs = zip(copies, jax.tree.leaves(following), strict=True)
    assert all(a.tobytes() == np.asarray(b).tobytes() for a, b in pairs)


def test_settings_stand_in_the_folder_before_anything_else(tmp_path: Path) -> None:
    maze = tmp_path / "grid.txt"
    maze.write_text("###\n#SG#\n")
    path = tmp_path / "run"
    RunFolder.create(path, make_config(path, maze=maze), SHA256)
    content = json.loads((path / "config.json").read_text())
    assert (content["format"], content["contract_sha256"]) == (1, SHA256)
    assert (content["maze"], content["num_envs"]) == ("maze/grid.txt", 16)
    assert "numpy==" in (path / "environment.txt").read_text()
    folder = RunFolder.open(path)
    assert not folder.has_last
    assert not folder.has_best
    # The folder may be moved, and the user's file deleted
    moved = path.rename(tmp_path / "moved")
    maze.unlink()
    config = stored_config(moved)
    assert (config.run, config.maze) == (moved, moved / "maze" / "grid.txt")
    assert moved.joinpath("maze", "grid.txt").read_text() == "###\n#SG#\n"


# Seen to fail: the copy had another name than the maze, and with it another contract.
def test_a_run_in_a_maze_of_the_users_is_of_the_same_contract_in_its_folder(tmp_path: Path) -> None:
    maze = tmp_path / "grid.txt"
    maze.write_text("####\n#SG#\n####\n")
    path = tmp_path / "run"
    sha256 = load_task("point_maze", maze=maze).contract.sha256
    RunFolder.create(path, make_config(path, maze=maze), sha256)
    folder = RunFolder.open(path)
    task = load_task("point_maze", maze=folder.config.maze)
    assert task.name == "point_maze_grid"
    folder.require_contract(task.contract.sha256)


def test_a_resumed_run_writes_the_settings_it_changed(run: Path) -> None:
    longer = override(stored_config(run), {"steps": 10_000})
    folder = RunFolder.open(run, longer)
    assert stored_config(run).steps == 4096
    with folder:
        assert stored_config(run) == longer


def test_metadata_says_where_it_comes_from(run: Path) -> None:
    metadata = json.loads((run / "checkpoints/last/000001/metadata.json").read_text())
    assert (metadata["task"], metadata["contract_sha256"]) == ("reacher", SHA256)
    assert metadata["machine"]["versions"]["jax"] == jax.__version__
    assert metadata["machine"]["physics_threads"] == 1
    assert metadata["info"] == {"iteration": 3, "control_steps": 768, "seconds": 1.5}
    assert metadata["leaves"]["agent"]["['params']['w']"] == [[16, 10], "float32"]
    assert all(len(entry) == 2 for entry in metadata["files"].values())


# Seen to fail: with the comparison of `versions` left out of `differences`.
def test_another_machine_is_named(
    run: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = RunFolder.open(run)
    with caplog.at_level(logging.WARNING):
        folder.restore_last(make_state(0))
        assert caplog.messages == []
        now = checkpoint.machine(4)
        now["versions"] = now["versions"] | {"numpy": "9.9"}
        monkeypatch.setattr(checkpoint, "machine", lambda threads: now)
        folder.restore_last(make_state(0))
    assert caplog.messages == [
        f"The run {run} continues on another machine than it was saved on, so it is not the same "
        f"run bit for bit: physics_threads 1, now 4; numpy {np.__version__}, now 9.9."
    ]
