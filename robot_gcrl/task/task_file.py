"""A user's own file of tasks: run, and what goes wrong in it told by file, line and reason."""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from robot_gcrl.errors import RobotGcrlError, TaskError
from robot_gcrl.task.task import Task

TaskFactory = Callable[..., Task]


def file_factories(path: Path) -> Mapping[str, TaskFactory]:
    """The TASKS of a Python file; the factories' own failures are told as those of the file are.

    Raises:
      TaskError: no such file, no Python, code that raises, or no TASKS.
    """
    if not path.is_file():
        raise TaskError(
            f"The task file {str(path)!r} does not exist. Expected FILE.py:NAME with a file that "
            "ends in TASKS = {name: factory}. Check the path."
        )
    tasks = getattr(_run(path), "TASKS", None)
    if tasks is None:
        raise TaskError(
            f"The task file {str(path)!r} has no TASKS. Expected it to end in "
            "TASKS = {name: factory}. Add that line."
        )
    if not isinstance(tasks, Mapping) or not tasks or not all(map(callable, tasks.values())):
        raise TaskError(
            f"The task file {str(path)!r} ends in TASKS = {tasks!r}. Expected names with functions "
            "that return a task. Write TASKS = {'my_task': my_task}, without calling it."
        )
    return tasks


def build(path: Path, name: str, factory: TaskFactory, **arguments: Any) -> Task:
    """The task that a factory of the file returns.

    Raises:
      TaskError: the factory raises, or returns something else.
    """
    try:
        task = factory(**arguments)
    except (Exception, SystemExit) as error:
        raise _failed(f"The task {name!r} of {str(path)!r}", path, error) from error
    if not isinstance(task, Task):
        raise TaskError(
            f"The task {name!r} of {str(path)!r} is of type {type(task).__name__}. Expected the "
            "factory to return a robot_gcrl.task.task.Task. Check what it returns."
        )
    return task


def where(path: Path, error: BaseException) -> str:
    """Which line of the file ran last before the error, as " in line 7"; empty if none did."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" in line {line}" if line else ""


def reason(error: BaseException) -> str:
    """The error's type and its message, as one line without a period at its end."""
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _run(path: Path) -> ModuleType:
    # A name of its own: a file called numpy.py must not stand for NumPy
    name = f"robot_gcrl_task_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look their annotations up
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        if error.filename != str(path):  # of a file that it imports
            raise _failed(f"The task file {str(path)!r}", path, error) from error
        raise TaskError(
            f"The task file {str(path)!r} is no Python: {error.msg} in line {error.lineno}, column "
            f"{error.offset}. Expected a file that Python can run. Correct that line."
        ) from error
    except (Exception, SystemExit) as error:
        raise _failed(f"The task file {str(path)!r}", path, error) from error
    return module


def _failed(what: str, path: Path, error: BaseException) -> TaskError:
    if isinstance(error, RobotGcrlError):  # says itself what to do
        return TaskError(f"{what} fails{where(path, error)}: {error}")
    return TaskError(
        f"{what} fails{where(path, error)}: {reason(error)}. Expected code that runs without an "
        "error. Correct the file."
    )
