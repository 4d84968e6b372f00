"""Conformance: what every task must fulfil, tried on its model and on samples of starts and goals.

What needs physics is in `robot_gcrl.env.conformance`.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from robot_gcrl.task import check_model, check_samples
from robot_gcrl.task.check_samples import Samples
from robot_gcrl.task.mjx_gaps import mjx_gaps
from robot_gcrl.task.task import Task

PRESETS = ("paper", "default", "laptop", "smoke")


class Check(NamedTuple):
    """One requirement and how a task fails it.

    Attributes:
      requirement: a sentence.
      problems: sentences; empty where the requirement is met.
      limits: sentences on what does not break a rule and yet binds the task to the native engine.
    """

    requirement: str
    problems: tuple[str, ...]
    limits: tuple[str, ...] = ()


def check_task(task: Task) -> tuple[Check, ...]:
    """Tries a task; it conforms if no check has problems."""
    names = _tried(_NAMES, task)
    if names[0].problems:
        return names  # the others read what is named
    model = _tried(_MODEL, task)
    mjx = Check("MJX runs the model too.", (), tuple(mjx_gaps(task.model)))
    samples, problems = check_samples.draw(task)
    drawn = Check("Samplers run for one world, and traced and vmapped for many.", problems)
    if problems:
        return (*names, *model, mjx, drawn)
    shapes = _tried(_SHAPES, task, samples)
    # The others read the samples as numbers of the right shapes.
    rest = () if shapes[0].problems else _tried(_SAMPLES, task, samples)
    return (*names, *model, mjx, drawn, *shapes, *rest)


def _tried(table: "_Table", *arguments: Task | tuple[Samples, ...]) -> tuple[Check, ...]:
    return tuple(Check(requirement, tuple(find(*arguments))) for requirement, find in table)


def _check_goal_is_data(task: Task) -> Iterator[str]:
    if task.model.nmocap:
        yield f"The model has {task.model.nmocap} mocap bodies. The goal is data: remove them."
    for i in range(task.model.nbody):
        name = task.model.body(i).name
        if any(word in name.lower() for word in ("goal", "target")):
            yield f"The model has a body {name!r}. The goal is data, which viewers draw: remove it."


def _check_camera(task: Task) -> Iterator[str]:
    names = [task.model.camera(i).name for i in range(task.model.ncam)]
    if task.camera not in names:
        yield f"The model has no camera {task.camera!r}; it has {names}."


def _check_hints(task: Task) -> Iterator[str]:
    hints, control_dt = task.hints, task.contract.control_dt
    if hints.horizon <= control_dt:
        found = f"The horizon is {hints.horizon} s."
        yield f"{found} Expected more than a control step ({control_dt} s)."
    interval = hints.goal_switch_interval
    if interval is not None and interval < control_dt:
        yield f"Goals switch every {interval} s. Expected at least a control step, {control_dt} s."
    for name in ("near_goal_share", "random_start_share"):
        if not 0.0 <= getattr(hints, name) <= 1.0:
            yield f"{name} is {getattr(hints, name)}. Expected 0 to 1."
    if hints.near_goal_share > 0.0 and hints.near_goal_radius is None:
        yield f"near_goal_share is {hints.near_goal_share} without a near_goal_radius."
    if hints.random_start_share > 0.0 and task.anywhere is None:
        yield f"random_start_share is {hints.random_start_share} without `anywhere`."
    missing = [preset for preset in PRESETS if preset not in hints.budgets]
    if missing:
        yield f"Budgets lack the presets {', '.join(missing)}."


_Table = tuple[tuple[str, Callable[..., Iterator[str]]], ...]

_NAMES: _Table = (("The model has what the contract names.", check_model.missing_names),)
_MODEL: _Table = (
    (
        "Every component has a name and a unit, and is observed once.",
        check_model.nameless_components,
    ),
    ("The contract is the same after a trip through JSON.", check_model.round_trip),
    ("Every action gives a ctrl within the model's range.", check_model.ctrl_faults),
    ("Nothing in the model depicts the goal.", _check_goal_is_data),
    ("The model has the camera of the videos.", _check_camera),
    ("Hints are complete and in range.", _check_hints),
)
_SHAPES: _Table = (
    ("Samplers give finite numbers of the right shapes.", check_samples.wrong_numbers),
)
_SAMPLES: _Table = (
    ("Samplers depend on their key and on nothing else.", check_samples.keys_ignored),
    ("Starts are within the joints' ranges.", check_samples.out_of_range),
    ("Starts do not begin inside another body.", check_samples.penetrations),
    ("No episode ends at its start.", check_samples.unhealthy),
    ("The achieved goal is the quantity that the contract names.", check_samples.misread_goals),
    ("Goals are within the contract's bounds.", check_samples.out_of_bounds),
    ("Regions divide the goals of the eval distribution.", check_samples.bad_regions),
)
