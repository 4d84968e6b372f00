"""Tasks by name: those of the room `tasks`, and a user's own as FILE.py:NAME.

A task file ends in `TASKS = {name: factory}`. A factory takes no argument, or `maze: Maze | None`
by keyword if the task can be built in a maze of the user's (None: the task's own).
"""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import robot_gcrl.tasks
from robot_gcrl.errors import TaskError, UnknownNameError
from robot_gcrl.task.closest import closest_first, likely
from robot_gcrl.task.maze import load_maze
from robot_gcrl.task.task import Task
from robot_gcrl.task.task_file import TaskFactory, build, file_factories

# So many names are listed where none is similar to what the user wrote.
_LISTED = 12


def task_names() -> tuple[str, ...]:
    """The names of all tasks of the room, sorted."""
    return tuple(sorted(_factories()))


def load_task(reference: str, *, maze: Path | None = None) -> Task:
    """Builds a task.

    Args:
      reference: a name of the room, or FILE.py:NAME for a task in a file of one's own.
      maze: a text file with a grid, for tasks that take one.

    Raises:
      UnknownNameError: no task is called so.
      TaskError: the file is not a file of tasks, its code raises, the task takes no maze, or the
        maze is none.
    """
    file, name = _split(reference)
    factories = _factories() if file is None else file_factories(file)
    see = "robot-gcrl tasks" if file is None else f"the end of {file}"
    if not name:
        raise TaskError(
            f"The task {reference!r} lacks a name. {Path(reference).name} has: "
            f"{', '.join(sorted(factories))}. Write {reference}:NAME."
        )
    if name not in factories:
        raise _unknown(name, factories, see)
    factory = factories[name]
    arguments = {} if maze is None else {"maze": _maze(name, factories, maze)}
    if file is None:
        return factory(**arguments)
    return build(file, name, factory, **arguments)


def task_file(reference: str) -> Path | None:
    """The file of FILE.py:NAME; None for a task of the room."""
    return _split(reference)[0]


def _split(reference: str) -> tuple[Path | None, str]:
    """The file, or None, and the name, which is empty where it is missing."""
    path, colon, name = reference.rpartition(":")
    if colon and path.endswith(".py"):
        return Path(path), name
    # the last colon may belong to the path of a reference without a name
    return (Path(reference), "") if reference.endswith(".py") else (None, reference)


def _unknown(name: str, known: Iterable[str], see: str) -> UnknownNameError:
    names, meant = sorted(known), likely(name, known)
    if meant:
        *others, last = map(repr, meant)
        hint = f"Did you mean {' or '.join([', '.join(others), last] if others else [last])}?"
    elif len(names) <= _LISTED:
        hint = f"Known: {', '.join(names)}."
    else:
        hint = f"There are {len(names)}; the closest: {', '.join(closest_first(name, names)[:3])}."
    return UnknownNameError(f"Unknown task {name!r}. {hint} See: {see}")


def _maze(name: str, factories: Mapping[str, TaskFactory], path: Path) -> object:
    if not _takes_maze(factories[name]):
        able = ", ".join(sorted(n for n, f in factories.items() if _takes_maze(f))) or "none"
        raise TaskError(
            f"Task {name!r} takes no maze, got {str(path)!r}. Tasks that take one: {able}. Use one "
            "of these, or leave the maze out."
        )
    return load_maze(path)


def _takes_maze(factory: Callable[..., object]) -> bool:
    return "maze" in inspect.signature(factory).parameters


@functools.cache
def _factories() -> Mapping[str, TaskFactory]:
    factories: dict[str, TaskFactory] = {}
    for module in pkgutil.iter_modules(robot_gcrl.tasks.__path__):
        content = importlib.import_module(f"robot_gcrl.tasks.{module.name}")
        for name, factory in content.TASKS.items():
            if name in factories:
                raise TaskError(
                    f"The task {name!r} of tasks/{module.name}.py exists already. Expected every "
                    "name once. Rename one of them."
                )
            factories[name] = factory
    return factories
