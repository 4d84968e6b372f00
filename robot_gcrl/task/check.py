"""Conformance: what every task must fulfil, tried on samples of its starts and goals."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import mujoco
import numpy as np
from mujoco import mjx

from robot_gcrl.contract.observe import Report, make_layout
from robot_gcrl.errors import ContractError
from robot_gcrl.task.task import Distribution, SampleStart, Task

NUM_SAMPLES = 128
PENETRATION = 0.01  # how deep bodies may touch at a start [m]
PRESETS = ("paper", "default", "laptop", "smoke")


class Check(NamedTuple):
    """One requirement and how a task fails it.

    Attributes:
      requirement: a sentence.
      problems: sentences; empty where the requirement is met.
    """

    requirement: str
    problems: tuple[str, ...]


class _Samples(NamedTuple):
    """Starts [NUM_SAMPLES] of one distribution and goals for them, drawn twice by equal keys."""

    name: str
    qpos: np.ndarray
    qvel: np.ndarray
    goal: np.ndarray | None
    repeatable: bool


def check_task(task: Task) -> tuple[Check, ...]:
    """Tries a task; it conforms if no check has problems.

    A sampler that cannot be vmapped or traced raises its own error: the traceback names the line.
    """
    try:
        make_layout(task.contract, task.model)
    except ContractError as error:
        return (Check("The model has what the contract names.", (str(error),)),)
    samples = _draw(task)
    first = tuple(Check(text, tuple(find(task, samples))) for text, find in _FIRST)
    # The others read the samples as numbers of the right shapes.
    rest = () if first[-1].problems else _REST
    return (
        Check("The model has what the contract names.", ()),
        *first,
        *(Check(text, tuple(find(task, samples))) for text, find in rest),
    )


def _draw(task: Task) -> tuple[_Samples, ...]:
    drawn = [
        _draw_from(task, "train", task.train.start, task.train),
        _draw_from(task, "eval", task.eval.start, task.eval),
    ]
    if task.anywhere is not None:
        drawn.append(_draw_from(task, "anywhere", task.anywhere, None))
    return tuple(drawn)


def _draw_from(
    task: Task, name: str, start: SampleStart, distribution: Distribution | None
) -> _Samples:
    keys = jax.random.split(jax.random.key(0), NUM_SAMPLES)
    # Traced once, as in training, but run op by op: compiling each sampler would take seconds.
    sample = jax.vmap(start)
    jax.eval_shape(sample, keys)
    first, second = sample(keys), sample(keys)
    qpos, qvel = np.asarray(first[0]), np.asarray(first[1])
    repeatable = all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    goal = None
    if distribution is not None and qpos.shape == (NUM_SAMPLES, task.model.nq):
        sensordata = _sensordata(task.model, qpos, qvel)
        draw = jax.vmap(distribution.goal)
        report = Report(qpos, qvel, sensordata)
        jax.eval_shape(draw, keys, report)
        goal = np.asarray(draw(keys, report))
        repeatable &= np.array_equal(goal, draw(keys, report))
    return _Samples(name, qpos, qvel, goal, repeatable)


def _sensordata(model: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
    data = mujoco.MjData(model)
    rows = []
    for position, velocity in zip(qpos, qvel, strict=True):
        data.qpos[:], data.qvel[:] = position, velocity
        mujoco.mj_forward(model, data)
        rows.append(data.sensordata.astype(np.float32))
    return np.stack(rows)


def _check_mjx(task: Task, samples: tuple[_Samples, ...]) -> Iterator[str]:
    del samples
    try:
        mjx.put_model(task.model, impl="jax")
    except (NotImplementedError, ValueError) as error:
        yield f"MJX refuses the model: {error}"


def _check_goal_is_data(task: Task, samples: tuple[_Samples, ...]) -> Iterator[str]:
    del samples
    if task.model.nmocap:
        yield f"The model has {task.model.nmocap} mocap bodies. The goal is data: remove them."
    for i in range(task.model.nbody):
        name = task.model.body(i).name
        if any(word in name.lower() for word in ("goal", "target")):
            yield f"The model has a body {name!r}. The goal is data, which viewers draw: remove it."


def _check_camera(task: Task, samples: tuple[_Samples, ...]) -> Iterator[str]:
    del samples
    names = [task.model.camera(i).name for i in range(task.model.ncam)]
    if task.camera not in names:
        yield f"The model has no camera {task.camera!r}; it has {names}."


def _check_numbers(task: Task, samples: tuple[_Samples, ...]) -> Iterator[str]:
    for s in samples:
        sizes = {"qpos": task.model.nq, "qvel": task.model.nv, "goal": task.contract.goal_size}
        for name, size in sizes.items():
            values = getattr(s, name)
            if values is None:
                continue
            if values.shape[1:] != (size,):
                yield f"{s.name}: {name} has shape {values.shape[1:]}. Expected ({size},)."
            elif not np.isfinite(values).all():
                yield f"{s.name}: some {name} are not finite."
            elif values.dtype != np.float32:
                yield f"{s.name}: {name} is {values.dtype}. Expected float32."


def _check_keys(task: Task, samples: tuple[_Samples, ...]) -> Iterator[str]:
    del task
    for s in samples:
        if not s.repeatable:
            yield f"{s.name}: equal keys give different samples."
        if s.goal is not None and len(np.unique(s.goal, axis=0)) == 1:
            yield f"{s.name}: every key gives the goal {s.goal[0].tolist()}."


def _check_ranges(task: Task, samples: tuple[_Samples, ...]) -> Iterator[str]:
    model = task.model
    for s in samples:
        for joint in np.flatnonzero(model.jnt_limited):
            values = s.qpos[:, model.jnt_qposadr[joint]]
            low, high = model.jnt_range[joint]
            if values.min() < low or values.max() > high:
                yield (
                    f"{s.name}: joint {model.joint(joint).name!r} starts in [{values.min():.3g}, "
                    f"{values.max():.3g}]; its range is [{low:.3g}, {high:.3g}]."
                )
        for joint in np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE):
            address = model.jnt_qposadr[joint] + 3
            norms = np.linalg.norm(s.qpos[:, address : address + 4], axis=-1)
            if abs(norms - 1.0).max() > 1e-4:
                yield (
                    f"{s.name}: quaternions of {model.joint(joint).name!r} have norms in "
                    f"[{norms.min():.4g}, {norms.max():.4g}]. Expected 1."
                )


def _check_penetration(task: Task, samples: tuple[_Samples, ...]) -> Iterator[str]:
    data = mujoco.MjData(task.model)
    for s in samples:
        deepest = 0.0
        for position in s.qpos:
            data.qpos[:] = position
            mujoco.mj_fwdPosition(task.model, data)
            deepest = min(deepest, float(data.contact.dist.min(initial=0.0)))
        if deepest < -PENETRATION:
            yield f"{s.name}: bodies start {-deepest:.3g} m inside others. At most {PENETRATION} m."


def _check_bounds(task: Task, samples: tuple[_Samples, ...]) -> Iterator[str]:
    low, high = task.contract.goal_bounds
    for s in samples:
        if s.goal is None:
            continue
        for i, field in enumerate(task.contract.goal):
            least, greatest = s.goal[:, i].min(), s.goal[:, i].max()
            if least < low[i] or greatest > high[i]:
                yield (
                    f"{s.name}: goal field {field.label!r} is drawn in [{least:.4g}, "
                    f"{greatest:.4g}]; its bounds are [{low[i]:.4g}, {high[i]:.4g}]."
                )


def _check_regions(task: Task, samples: tuple[_Samples, ...]) -> Iterator[str]:
    regions, count = task.regions, len(task.regions.names)
    if len(set(regions.names)) != count or not count:
        yield f"Regions are called {regions.names}. Expected at least one, and no name twice."
    if any(i not in range(count) for i in regions.far):
        yield f"Regions {regions.far} are far; there are {count}."
    goals = next(s.goal for s in samples if s.name == "eval")
    labels = np.asarray(regions.label(np.asarray(goals)))
    if labels.shape != (NUM_SAMPLES,) or not np.issubdtype(labels.dtype, np.integer):
        yield f"Labels of {NUM_SAMPLES} goals are {labels.dtype} {labels.shape}. Expected integers."
    elif labels.min() < 0 or labels.max() >= count:
        yield f"Labels lie in [{labels.min()}, {labels.max()}]. Expected 0 to {count - 1}."


def _check_hints(task: Task, samples: tuple[_Samples, ...]) -> Iterator[str]:
    del samples
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


_Find = Callable[[Task, tuple[_Samples, ...]], Iterator[str]]

_FIRST: tuple[tuple[str, _Find], ...] = (
    ("MJX accepts the model.", _check_mjx),
    ("Nothing in the model depicts the goal.", _check_goal_is_data),
    ("The model has the camera of the videos.", _check_camera),
    ("Hints are complete and in range.", _check_hints),
    ("Samplers give finite numbers of the right shapes.", _check_numbers),
)
_REST: tuple[tuple[str, _Find], ...] = (
    ("Samplers depend on their key and on nothing else.", _check_keys),
    ("Starts are within the joints' ranges.", _check_ranges),
    ("Starts do not begin inside another body.", _check_penetration),
    ("Goals are within the contract's bounds.", _check_bounds),
    ("Regions divide the goals of the eval distribution.", _check_regions),
)
