"""Tasks by name: those of the room `tasks`, and a user's own as FILE.py:NAME.

A task file ends in `TASKS = {name: factory}`. A factory takes no argument, or `maze: Maze | None`
by keyword if the task can be built in a maze of the user's (None: the task's own).
"""

import functools
import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path

import robot_gcrl.tasks
from robot_gcrl.errors import TaskError, unknown_name
from robot_gcrl.task.maze import load_maze
from robot_gcrl.task.task import Task

TaskFactory = Callable[..., Task]


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
      TaskError: the file is not a file of tasks, the task takes no maze, or the maze is none.
    """
    path, colon, name = reference.rpartition(":")
    if path.endswith(".py") or reference.endswith(".py"):
        # the last colon may belong to the path of a reference without a name
        file = Path(path if colon and path.endswith(".py") else reference)
        factories = _file_factories(file)
        if not path.endswith(".py"):
            raise TaskError(
                f"The task {reference!r} lacks a name. {file.name} has: "
                f"{', '.join(sorted(factories))}. Write {reference}:NAME."
            )
        see = f"the end of {file}"
    else:
        factories, name, see = _factories(), reference, "robot-gcrl tasks"
    if name not in factories:
        raise unknown_name("task", name, factories, see=see)
    factory = factories[name]
    if maze is None:
        return factory()
    if not _takes_maze(factory):
        able = ", ".join(sorted(n for n, f in factories.items() if _takes_maze(f))) or "none"
        raise TaskError(
            f"Task {name!r} takes no maze, got {str(maze)!r}. Tasks that take one: {able}. Use one "
            "of these, or leave the maze out."
        )
    return factory(maze=load_maze(maze))


def _takes_maze(factory: TaskFactory) -> bool:
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


def _file_factories(path: Path) -> Mapping[str, TaskFactory]:
    if not path.is_file():
        raise TaskError(
            f"The task file {str(path)!r} does not exist. Expected FILE.py:NAME with a file that "
            "ends in TASKS = {name: factory}. Check the path."
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    factories = getattr(module, "TASKS", None)
    if not isinstance(factories, Mapping) or not factories:
        raise TaskError(
            f"The task file {str(path)!r} has no TASKS. Expected it to end in "
            "TASKS = {name: factory}. Add that line."
        )
    return factories
