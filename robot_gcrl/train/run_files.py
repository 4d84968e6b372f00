"""What a run folder holds beside its checkpoints: settings, maze, environment."""

import dataclasses
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robot_gcrl.errors import CheckpointError
from robot_gcrl.train.config import TrainConfig
from robot_gcrl.train.config_json import from_content, to_content
from robot_gcrl.train.lock import FolderLock
from robot_gcrl.train.machine import write_environment

CONFIG_FILE = "config.json"
CHECKPOINTS = "checkpoints"
METRICS_FILE = "metrics.jsonl"
# Of a run that was not trained but distilled
DISTILLATION_FILE = "distillation.json"
# Holds the maze under its own name, which is in the contract
_MAZE_FOLDER = "maze"
_FORMAT = 1


def begin_run(path: Path, config: TrainConfig, contract_sha256: str) -> TrainConfig:
    """Makes the folder of a new run and writes its settings, the maze first if it has a file.

    Returns:
      The settings with `run` and `maze` as they lie in the folder.

    Raises:
      CheckpointError: the folder holds a run, is in use, or cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    lock = FolderLock(path)
    try:
        _require_new(path)
        if config.maze is not None:
            maze = path / _MAZE_FOLDER / config.maze.name
            maze.parent.mkdir(exist_ok=True)
            shutil.copyfile(config.maze, maze)
            config = dataclasses.replace(config, maze=maze)
        config = dataclasses.replace(config, run=path)
        write_config(path, config, contract_sha256)
        write_environment(path / "environment.txt")
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        lock.release()
    return config


def write_config(folder: Path, config: TrainConfig, contract_sha256: str) -> None:
    """Writes the config.json of a run folder, all or nothing.

    Raises:
      OSError: the disk refuses.
    """
    content = {"format": _FORMAT, "contract_sha256": contract_sha256} | to_content(config)
    if config.maze is not None and config.maze.is_relative_to(folder):
        # Within it, so that the folder may be moved
        content["maze"] = config.maze.relative_to(folder).as_posix()
    write_json(folder / CONFIG_FILE, content)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON object, all or nothing.

    Raises:
      OSError: the disk refuses.
    """
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("w") as file:
        json.dump(content, file, indent=2, allow_nan=False)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def read_distillation(folder: Path) -> dict[str, Any] | None:
    """What `distillation.json` says; None of a run that was not distilled.

    Raises:
      CheckpointError: the file is damaged.
    """
    path = folder / DISTILLATION_FILE
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged: {error!r}. Expected the JSON object that robot-gcrl distill "
            "wrote. Restore the file from a copy, or distill again."
        ) from error


def require_trained(folder: Path) -> None:
    """Fails if a run was distilled: it has neither replay nor worlds to go on with.

    Raises:
      CheckpointError: it was.
    """
    if (folder / DISTILLATION_FILE).exists():
        raise CheckpointError(
            f"The run {folder} was distilled, so that it has no replay to go on with. Expected a "
            "run that robot-gcrl train began. Distill it again, or train on from it with "
            f"robot-gcrl train --task {stored_config(folder).task} --from {folder}"
        )


def read_config(folder: Path) -> tuple[TrainConfig, str]:
    """The settings in a run folder, with its paths as they are now, and the contract's sha256.

    Raises:
      CheckpointError: it is no run folder, of another format, or its config.json is damaged.
      ConfigError: the settings are not those of this version.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        if folder.is_file():
            raise CheckpointError(
                f"{folder} is no run folder: it is a file. Expected a folder that robot-gcrl train "
                "wrote: a policy file holds neither replay nor settings. Name the run that it was "
                "exported from."
            )
        what = f"holds no {CONFIG_FILE}" if folder.is_dir() else "does not exist"
        raise CheckpointError(
            f"{folder} is no run folder: it {what}. Expected a folder that robot-gcrl train "
            "wrote. Check the path."
        )
    try:
        content = json.loads(path.read_text())
        version, contract_sha256 = content.pop("format"), content.pop("contract_sha256")
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged: {error!r}. Expected the JSON object that robot-gcrl train wrote. "
            "Restore the file from a copy, or start a new run."
        ) from error
    if version != _FORMAT:
        raise CheckpointError(
            f"{path} has format {version}. Expected format {_FORMAT}. Use the version of "
            "robot-gcrl that wrote it, or start a new run."
        )
    config = from_content(content)
    maze = config.maze if config.maze is None or config.maze.is_absolute() else folder / config.maze
    return dataclasses.replace(config, run=folder, maze=maze), contract_sha256


def stored_config(folder: Path) -> TrainConfig:
    """The settings in a run folder; as `read_config`."""
    return read_config(folder)[0]


def _require_new(path: Path) -> None:
    if (path / CONFIG_FILE).exists():
        raise CheckpointError(
            f"The folder {path} holds a run of task {stored_config(path).task!r}. Expected a new "
            f"folder. Continue that run with --resume {path}, or choose another --run."
        )
    for name in (CHECKPOINTS, METRICS_FILE):
        if (path / name).exists():
            raise CheckpointError(
                f"The folder {path} holds {name} without a {CONFIG_FILE}. Expected a new folder. "
                "Choose another --run."
            )


def unwritable(path: Path, error: OSError) -> CheckpointError:
    """The error of a run folder that the operating system refuses to write."""
    return CheckpointError(
        f"The run folder {path} cannot be written: {error.strerror}. Expected a folder on a "
        "writable disk with room. Choose another place with --run."
    )
