"""A file of trajectories as what a task's agent learns from: observation, action, episode.

A file that says its contract must have the task's. One that does not (OGBench's, or your own) must
have qpos and qvel of the task's model, and is observed anew through it.
Letters: S rows, O observation, A action, P previous actions, H actions in a chunk.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from robot_gcrl.contract.contract import Contract
from robot_gcrl.contract.difference import differences
from robot_gcrl.contract.observe import Report, make_layout, observe, read_inputs
from robot_gcrl.errors import CheckpointError, DatasetError
from robot_gcrl.task.task import Task
from robot_gcrl.train.dataset_file import Rows, file_sha256, read_dataset
from robot_gcrl.train.run_files import unwritable, write_json

DATASET_FILE = "dataset.json"
# With fewer anchors a draw of the replay could be left over: see `replay.hindsight`
_LEAST_ANCHORS = 0.1
_TERMINATED = np.int32(-(2**31))


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """Rows to learn from, and which file they are of.

    Attributes:
      path: of the file.
      sha256: of its content.
      observation: float32 [S, O], in observation units.
      action: float32 [S, A].
      episode: int32 [S], numbers in order, with the sign bit where the episode terminated.
      max_rows: of the longest episode.
    """

    path: Path
    sha256: str
    observation: np.ndarray
    action: np.ndarray
    episode: np.ndarray
    max_rows: int

    @property
    def rows(self) -> int:
        """S."""
        return len(self.episode)

    @property
    def episodes(self) -> int:
        """How many."""
        return int(self.episode[-1] & 0x7FFFFFFF) + 1


def load_dataset(path: Path, task: Task, *, chunk: int) -> Dataset:
    """The rows of a file for a task.

    Args:
      path: of the file.
      task: whose agent learns.
      chunk: H.

    Raises:
      DatasetError: the file is wrong in itself, of another contract, or its episodes are shorter
        than a chunk.
    """
    rows = read_dataset(path)
    contract = task.contract
    if rows.actions.shape[1] != contract.action_size:
        raise DatasetError(
            f"The dataset {path} has actions of {rows.actions.shape[1]} numbers. Expected "
            f"{contract.action_size}, as task {task.name!r} has. Choose the task that it is of."
        )
    observation = _recorded(path, rows, contract) if rows.contract else observed(path, rows, task)
    ends = np.flatnonzero(rows.terminals)
    lengths = np.diff(ends, prepend=-1)
    anchors = int(np.maximum(lengths - chunk, 0).sum())
    if anchors < _LEAST_ANCHORS * len(rows.actions):
        raise DatasetError(
            f"The dataset {path} has {anchors} of {len(rows.actions)} rows that begin a chunk of "
            f"{chunk} actions within their episode. Expected a tenth of them or more. Lower "
            "--agent.chunk, or record longer episodes."
        )
    number = np.cumsum(rows.terminals) - rows.terminals
    return Dataset(
        path=path,
        sha256=file_sha256(path),
        observation=observation,
        action=rows.actions,
        episode=number.astype(np.int32) | np.where(rows.terminated, _TERMINATED, np.int32(0)),
        max_rows=int(lengths.max()),
    )


def note_dataset(folder: Path, dataset: Dataset) -> None:
    """Writes down in a run folder which rows the run learns from.

    Raises:
      CheckpointError: the folder cannot be written.
    """
    content = {"rows": dataset.rows, "episodes": dataset.episodes}
    try:
        write_json(
            folder / DATASET_FILE, {"path": str(dataset.path), "sha256": dataset.sha256} | content
        )
    except OSError as error:
        raise unwritable(folder, error) from error


def require_dataset(folder: Path, dataset: Dataset) -> None:
    """Fails unless the rows are those that a run has begun with, if it has written them down.

    Raises:
      CheckpointError: they are others, or what was written is damaged.
    """
    path = folder / DATASET_FILE
    if not path.exists():
        return
    try:
        before = json.loads(path.read_text())["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged: {error!r}. Expected the JSON object that robot-gcrl train wrote. "
            "Restore the file from a copy, or start a new run."
        ) from error
    if before != dataset.sha256:
        raise CheckpointError(
            f"The run {folder} learned from another content of {dataset.path} (sha256 "
            f"{str(before)[:12]}) than the file has now ({dataset.sha256[:12]}). Expected the same "
            "rows. Restore the file, or start a new run."
        )


def observed(path: Path, rows: Rows, task: Task) -> np.ndarray:
    """The observations [S, O] of rows that have qpos and qvel, through the task's model.

    Raises:
      DatasetError: they have not, or of another model.
    """
    model, contract = task.model, task.contract
    if rows.qpos is None or rows.qvel is None:
        raise DatasetError(
            f"The dataset {path} has no contract, and no qpos and qvel by which it could be "
            "observed. Expected either. Write it with robot-gcrl dataset, or in the layout of "
            "docs/learning/dataset.md."
        )
    sizes = rows.qpos.shape[1], rows.qvel.shape[1]
    if sizes != (model.nq, model.nv):
        raise DatasetError(
            f"The dataset {path} has qpos and qvel of {sizes[0]} and {sizes[1]} numbers. Expected "
            f"{model.nq} and {model.nv}, as the model of task {task.name!r} has. Choose the task "
            "that it is of."
        )
    report = Report(rows.qpos, rows.qvel, _sensordata(model, contract, rows.qpos, rows.qvel))
    inputs = read_inputs(make_layout(contract, model), report)
    return observe(contract, inputs, previous_actions(rows, contract)).astype(np.float32)


def previous_actions(rows: Rows, contract: Contract) -> np.ndarray:
    """float32 [S, P]: the actions before each row of its episode, the newest first, 0 before it."""
    begins = np.concatenate(([True], rows.terminals[:-1]))
    row = np.arange(len(begins))
    age = row - np.maximum.accumulate(np.where(begins, row, 0))
    columns = []
    for step in range(1, contract.history + 1):
        older = np.roll(rows.actions, step, axis=0)
        columns.append(np.where((age >= step)[:, None], older, np.float32(0.0)))
    return np.concatenate(columns, axis=-1)[:, : contract.previous_action_size]


def _recorded(path: Path, rows: Rows, contract: Contract) -> np.ndarray:
    if rows.contract != contract.canonical_json:
        found = differences(contract, str(rows.contract))
        each = "; ".join(f"{name}: expected {here}, got {there}" for name, here, there in found)
        raise DatasetError(
            f"The dataset {path} is of another contract than task {contract.name!r}: {each}. "
            "Expected the same. Choose the task that it is of, or record it anew."
        )
    if rows.observations is None or rows.observations.shape[1] != contract.observation_size:
        got = "no observations"
        if rows.observations is not None:
            got = f"observations of {rows.observations.shape[1]} numbers"
        raise DatasetError(
            f"The dataset {path} has {got}. Expected {contract.observation_size} numbers in each "
            "row, as its contract has. Write it with robot-gcrl dataset."
        )
    return rows.observations


def _sensordata(
    model: mujoco.MjModel, contract: Contract, qpos: np.ndarray, qvel: np.ndarray
) -> np.ndarray:
    """float32 [S, ns]; zeros where the contract reads no sensor."""
    values = np.zeros((len(qpos), model.nsensordata), np.float32)
    if all(source != "sensor" for source, _, _ in contract.inputs):
        return values
    data: Any = mujoco.MjData(model)
    for row in range(len(qpos)):
        data.qpos[:], data.qvel[:] = qpos[row], qvel[row]
        # Sensors of position and velocity: what forces do is not asked for
        mujoco.mj_forward(model, data)
        values[row] = data.sensordata
    return values
