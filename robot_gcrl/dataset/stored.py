"""What a run has practised, as rows of a dataset: the replay of its last checkpoint.

Letters: C rows per world, N worlds, O observation, A action, G goal.
"""

from pathlib import Path

import numpy as np

from robot_gcrl import __version__
from robot_gcrl.errors import ConfigError, DatasetError
from robot_gcrl.replay.buffer import EPISODE_NUMBER
from robot_gcrl.task.registry import load_task
from robot_gcrl.train.checkpoint import RunFolder
from robot_gcrl.train.dataset_file import Rows
from robot_gcrl.train.memory import host_available_bytes
from robot_gcrl.train.run_files import require_trained

# What was restored; the same in the order of time, by world, and what is kept of it
_COPIES = 4


def replay_rows(run: Path) -> Rows:
    """The rows that a run's last checkpoint stores, world after world, cut into episodes.

    The oldest stored episode of a world may lack its beginning, and its newest its end. Rows of one
    alone are left out: they lead nowhere.

    Args:
      run: folder of a run that collects.

    Raises:
      RobotGcrlError: no such run or checkpoint, one without rows of its own, or under realism.
    """
    folder = RunFolder.open(run)
    config = folder.config
    if config.randomize != "off":
        raise ConfigError(
            f"The run {run} practised with --randomize {config.randomize}, and stores what was "
            "shown beside what was true. A dataset has no place for both. Expected a run without. "
            "Record episodes of its policy."
        )
    require_trained(run)
    task = load_task(config.task, maze=config.maze)
    contract = task.contract
    folder.require_contract(contract.sha256)
    _check_memory(folder)
    replay, info = folder.restore_replay()
    capacity, inserted = len(replay.episode), int(replay.inserted)
    stored = min(inserted, capacity)
    order = (inserted - stored + np.arange(stored)) % capacity

    def by_world(column: np.ndarray) -> np.ndarray:
        return np.swapaxes(column[order], 0, 1).reshape(-1, *column.shape[2:])

    episode = by_world(np.asarray(replay.episode))
    world = np.repeat(np.arange(replay.episode.shape[1]), stored)
    number = episode & EPISODE_NUMBER
    ends = np.append((number[1:] != number[:-1]) | (world[1:] != world[:-1]), True)
    lengths = np.diff(np.flatnonzero(ends), prepend=-1)
    kept = np.repeat(lengths > 1, lengths)
    if not kept.any():
        raise DatasetError(
            f"The run {run} stores no two rows of an episode. Expected some. Train it for longer."
        )
    ends = ends[kept]
    memory = by_world(np.asarray(replay.observation))[kept]
    size = contract.observation_size
    goals = memory[:, size:] / contract.goal_scale if memory.shape[1] > size else None
    return Rows(
        actions=np.where(ends[:, None], np.float32(0.0), by_world(np.asarray(replay.action))[kept]),
        terminals=ends,
        terminated=ends & (episode[kept] < 0),
        observations=memory[:, :size],
        goals=goals,
        contract=contract.canonical_json,
        task=task.name,
        summary={
            "source": str(run.resolve()),
            "replay": True,
            "control_steps": info.control_steps,
            "episodes": int(ends.sum()),
            "robot_gcrl": __version__,
        },
    )


def _check_memory(folder: RunFolder) -> None:
    needs, available = _COPIES * folder.replay_bytes, host_available_bytes()
    if available is not None and needs > available:
        raise ConfigError(
            f"The rows that the run {folder.path} stores need about {needs:,} bytes of memory to "
            f"be written as a dataset. Expected at most the {available:,} that are free. Write "
            "them on a machine that has more, or record episodes of its policy."
        )
