"""The folder of a run: its settings and its checkpoints.

    RUN/config.json                   settings, contract, before step 0
        maze/NAME.txt                 the maze, if it was given by file
        environment.txt  metrics.jsonl
        checkpoints/last/000007/      the whole TrainState: agent/, rest/, metadata.json
        checkpoints/best/000003/      the agent alone

The folder with the greatest number counts; the one before it is deleted only when the new one is
whole on the disk, so that a kill at any moment leaves a usable checkpoint.
"""

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, TypeVar

from robot_gcrl.errors import CheckpointError
from robot_gcrl.replay.buffer import Replay
from robot_gcrl.train import slot, store
from robot_gcrl.train.config import TrainConfig
from robot_gcrl.train.lock import FolderLock
from robot_gcrl.train.machine import differences, machine
from robot_gcrl.train.run_files import (
    CHECKPOINTS,
    begin_run,
    read_config,
    stored_config,
    unwritable,
    write_config,
)

S = TypeVar("S")
Which = Literal["best", "last"]

_LOG = logging.getLogger(__name__)


class CheckpointInfo(NamedTuple):
    """Where in a run a checkpoint was taken.

    Attributes:
      iteration: calls of the compiled program.
      control_steps: of all worlds; of an offline run, rows of the dataset that it learned from.
      seconds: of training until then [s].
      best_score: greatest score of an evaluation until then; -inf if there was none.
    """

    iteration: int
    control_steps: int
    seconds: float
    best_score: float = -math.inf


class RunFolder:
    """A run folder. Reading needs no lock; writing happens inside `with folder:`.

    Attributes:
      path: of the folder.
      config: the settings of the run, with `run` and `maze` as they lie now.
      contract_sha256: of the task's contract when the run was started.
    """

    def __init__(self, path: Path, config: TrainConfig, contract_sha256: str) -> None:
        """Use `create` or `open`."""
        self.path = path
        self.config = config
        self.contract_sha256 = contract_sha256
        self._lock: FolderLock | None = None

    @classmethod
    def create(cls, path: Path, config: TrainConfig, contract_sha256: str) -> "RunFolder":
        """Makes the folder of a new run, with its settings.

        Raises:
          CheckpointError: the folder holds a run, is in use, or cannot be written.
        """
        return cls(path, begin_run(path, config, contract_sha256), contract_sha256)

    @classmethod
    def open(cls, path: Path, config: TrainConfig | None = None) -> "RunFolder":
        """The folder of an existing run.

        Args:
          path: of the folder.
          config: of a run that is resumed, the stored settings with those changed that may change;
            they are written when the folder is entered.

        Raises:
          CheckpointError: no run folder, or its config.json is damaged.
          ConfigError: the settings are not of this version.
        """
        stored, contract_sha256 = read_config(path)
        return cls(path, config or stored, contract_sha256)

    def require_contract(self, contract_sha256: str) -> None:
        """Fails unless the task's contract is still the one that the run was started with.

        Raises:
          CheckpointError: it is another.
        """
        if contract_sha256 != self.contract_sha256:
            raise CheckpointError(
                f"The run {self.path} was made with another contract of task "
                f"{self.config.task!r} (sha256 {self.contract_sha256[:12]}) than the task has now "
                f"({contract_sha256[:12]}). Expected the same observation, goal and action. Undo "
                "the change to the task, or start a new run."
            )

    def lock(self) -> None:
        """Makes this process the one that writes.

        Raises:
          CheckpointError: another process has the folder, or it cannot be written.
        """
        self._lock = FolderLock(self.path)

    def __enter__(self) -> "RunFolder":
        """Locks the folder; writes the settings if a resumed run changed them."""
        self.lock()
        try:
            if self.config != stored_config(self.path):
                write_config(self.path, self.config, self.contract_sha256)
        except OSError as error:
            self.__exit__(None, None, None)
            raise unwritable(self.path, error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Unlocks the folder."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def has_last(self) -> bool:
        """Whether there is a checkpoint to resume from."""
        return slot.newest(self._slot("last")) is not None

    @property
    def last_info(self) -> CheckpointInfo | None:
        """Where in the run its last checkpoint was taken; None if there is none."""
        folder = slot.newest(self._slot("last"))
        return None if folder is None else _info(store.read_metadata(folder))

    @property
    def has_best(self) -> bool:
        """Whether an evaluation has left a checkpoint."""
        return slot.newest(self._slot("best")) is not None

    def save_last(self, state: Any, info: Mapping[str, Any]) -> None:
        """Saves a whole TrainState in place of the last one.

        Args:
          state: NamedTuple of pytrees of arrays, one of which is `agent`.
          info: iteration, control_steps, seconds, and score if there is one (finite).

        Raises:
          CheckpointError: it cannot be written; the last one is unharmed.
        """
        agent, rest = _split(state)
        self._save("last", {"agent": agent, "rest": rest}, info)

    def save_best(self, agent_state: Any, info: Mapping[str, Any]) -> None:
        """Saves an agent's state in place of the best one; as `save_last`."""
        self._save("best", {"agent": agent_state}, info)

    def restore_last(self, template: S) -> tuple[S, CheckpointInfo]:
        """The TrainState that was saved last, bit for bit; warns of another machine than then.

        Args:
          template: a TrainState of the same structure, shapes and dtypes; not changed.

        Raises:
          CheckpointError: there is none, it is damaged or does not fit.
        """
        folder, metadata = self._intact("last")
        agent, rest = _split(template)
        groups = {
            "agent": store.read_group(folder, "agent", agent),
            **store.read_group(folder, "rest", rest),
        }
        changed = differences(metadata["machine"], machine(self.config.physics_threads))
        if changed:
            _LOG.warning(
                "The run %s continues on another machine than it was saved on, so it is not the "
                "same run bit for bit: %s.",
                self.path,
                "; ".join(changed),
            )
        return type(template)(**groups), _info(metadata)

    def restore_replay(self) -> tuple[Replay, CheckpointInfo]:
        """The rows that the last checkpoint stores, as NumPy arrays, and where it was taken.

        Raises:
          CheckpointError: there is no checkpoint, it is damaged, or holds no rows.
        """
        folder, metadata = self._intact("last")
        try:
            arrays = store.read_arrays(folder, "rest")
        except (CheckpointError, OSError, ValueError):
            if folder == slot.newest(self._slot("last")):
                raise
            # A run that goes on has replaced it meanwhile
            return self.restore_replay()
        columns = [arrays.get(f"['replay'].{field}") for field in Replay._fields]
        if any(column is None for column in columns):
            raise CheckpointError(
                f"The run {self.path} stores no rows of its own. Expected a run that collects and "
                "has a replay: none of --dataset or the algorithms ppo and sac. Record episodes "
                "of its policy."
            )
        return Replay(*columns), _info(metadata)  # pyright: ignore[reportArgumentType]

    @property
    def replay_bytes(self) -> int:
        """About what `restore_replay` takes: all of the last checkpoint beside the agent [bytes].

        Raises:
          CheckpointError: there is no checkpoint, or it is damaged.
        """
        return store.arrays_bytes(self._intact("last")[0], "rest")

    @property
    def best_score(self) -> float:
        """The score of the checkpoint `best`, which may be newer than `last`.

        -inf where there is none, or a damaged one, which any other may replace.
        """
        try:
            return _info(self._intact("best")[1]).best_score
        except CheckpointError:
            return -math.inf

    def restore_agent(self, which: Which, template: S) -> tuple[S, CheckpointInfo]:
        """The agent's state of the best or the last checkpoint; as `restore_last`."""
        folder, metadata = self._intact(which)
        return store.read_group(folder, "agent", template), _info(metadata)

    def _slot(self, which: Which) -> Path:
        return self.path / CHECKPOINTS / which

    def _save(self, which: Which, groups: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        assert self._lock is not None, "a run folder is written inside `with folder:`"
        metadata = {
            "task": self.config.task,
            "contract_sha256": self.contract_sha256,
            "machine": machine(self.config.physics_threads),
            "info": {k: v for k, v in info.items() if math.isfinite(v)},
        }
        slot.replace(self._slot(which), groups, metadata)

    def _intact(self, which: Which) -> tuple[Path, dict[str, Any]]:
        other = self._slot("best" if which == "last" else "last")
        folder = slot.newest(self._slot(which))
        if folder is None:
            raise CheckpointError(
                f"The run {self.path} has no checkpoint {which!r}. {_EXPECTED[which]} The run has "
                f"{slot.describe(other)}."
            )
        damage = store.find_damage(folder)
        if damage is None:
            return folder, store.read_metadata(folder)
        if folder != slot.newest(self._slot(which)):
            # A run that goes on has replaced it meanwhile
            return self._intact(which)
        raise CheckpointError(
            f"The checkpoint {folder} is damaged: {damage}. Expected the files as they were "
            f"saved. It cannot be used; the run has {slot.describe(other)}."
        )


_EXPECTED = {
    "last": "Expected one: the first is saved within the first minute of training.",
    "best": "Expected one: it is saved after the first evaluation.",
}


def _split(state: Any) -> tuple[Any, dict[str, Any]]:
    rest = state._asdict()
    return rest.pop("agent"), rest


def _info(metadata: Mapping[str, Any]) -> CheckpointInfo:
    info = metadata["info"]
    return CheckpointInfo(
        iteration=info["iteration"],
        control_steps=info["control_steps"],
        seconds=info["seconds"],
        best_score=info.get("score", -math.inf),
    )
