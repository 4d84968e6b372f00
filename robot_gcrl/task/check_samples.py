"""What a task's samplers draw: numbers, ranges, bounds, regions.

Each function takes the task and samples of its distributions and yields a sentence for each fault.
"""

import traceback
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from robot_gcrl.contract.observe import Report, is_healthy, make_layout
from robot_gcrl.task.check_model import goal_faults
from robot_gcrl.task.task import Distribution, SampleStart, Task
from robot_gcrl.task.task_file import reason

NUM_SAMPLES = 128
PENETRATION = 0.01  # how deep bodies may touch at a start [m]
_FEW = 8  # starts at which the achieved goal is read by name


class Samples(NamedTuple):
    """Starts [NUM_SAMPLES] of one distribution and goals for them, drawn twice by equal keys."""

    name: str
    qpos: np.ndarray
    qvel: np.ndarray
    sensordata: np.ndarray | None
    goal: np.ndarray | None
    repeatable: bool


def draw(task: Task) -> tuple[tuple[Samples, ...], tuple[str, ...]]:
    """Samples of every distribution; or none, and sentences on the samplers that raise."""
    wanted: list[tuple[str, SampleStart, Distribution | None]] = [
        ("train", task.train.start, task.train),
        ("eval", task.eval.start, task.eval),
    ]
    if task.anywhere is not None:
        wanted.append(("anywhere", task.anywhere, None))
    drawn, problems = [], []
    for name, start, distribution in wanted:
        try:
            drawn.append(_draw_from(task, name, start, distribution))
        except Exception as error:
            problems.append(f"{name}: {reason(error)}, {_place(error)}.")
    return (() if problems else tuple(drawn)), tuple(problems)


def _place(error: Exception) -> str:
    """The innermost line that is of no library."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and "<" not in f.filename]
    return f"in line {own[-1].lineno} of {own[-1].filename}"


def _draw_from(
    task: Task, name: str, start: SampleStart, distribution: Distribution | None
) -> Samples:
    keys = jax.random.split(jax.random.key(0), NUM_SAMPLES)
    # Traced once, as in training, but run op by op: compiling each sampler would take seconds.
    sample = jax.vmap(start)
    jax.eval_shape(sample, keys)
    first, second = sample(keys), sample(keys)
    qpos, qvel = np.asarray(first[0]), np.asarray(first[1])
    repeatable = all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    goal = sensordata = None
    if qpos.shape == (NUM_SAMPLES, task.model.nq) and qvel.shape == (NUM_SAMPLES, task.model.nv):
        sensordata = _sensordata(task.model, qpos, qvel)
    if distribution is not None and sensordata is not None:
        draw = jax.vmap(distribution.goal)
        report = Report(qpos, qvel, sensordata)
        jax.eval_shape(draw, keys, report)
        goal = np.asarray(draw(keys, report))
        repeatable &= np.array_equal(goal, draw(keys, report))
    return Samples(name, qpos, qvel, sensordata, goal, repeatable)


def _sensordata(model: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
    data = mujoco.MjData(model)
    rows = []
    for position, velocity in zip(qpos, qvel, strict=True):
        data.qpos[:], data.qvel[:] = position, velocity
        mujoco.mj_forward(model, data)
        rows.append(data.sensordata.astype(np.float32))
    return np.stack(rows)


def wrong_numbers(task: Task, samples: tuple[Samples, ...]) -> Iterator[str]:
    """Samples that are not finite, of another shape or no float32."""
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


def keys_ignored(task: Task, samples: tuple[Samples, ...]) -> Iterator[str]:
    """Samplers with a memory, and those that give the same to every key."""
    del task
    for s in samples:
        if not s.repeatable:
            yield f"{s.name}: equal keys give different samples."
        # A maze may have one goal cell, whose center evaluation draws
        if s.goal is None or s.name != "train":
            continue
        if len(np.unique(np.hstack((s.qpos, s.qvel)), axis=0)) == 1:
            yield f"{s.name}: every key gives the same start. Expected a new one at every reset."
        if len(np.unique(s.goal, axis=0)) == 1:
            yield f"{s.name}: every key gives the goal {s.goal[0].tolist()}."


def out_of_range(task: Task, samples: tuple[Samples, ...]) -> Iterator[str]:
    """Joints that start beyond their range, and quaternions that are none."""
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


def penetrations(task: Task, samples: tuple[Samples, ...]) -> Iterator[str]:
    """Bodies that start inside others."""
    data = mujoco.MjData(task.model)
    for s in samples:
        deepest = 0.0
        for position in s.qpos:
            data.qpos[:] = position
            mujoco.mj_fwdPosition(task.model, data)
            deepest = min(deepest, float(data.contact.dist.min(initial=0.0)))
        if deepest < -PENETRATION:
            yield f"{s.name}: bodies start {-deepest:.3g} m inside others. At most {PENETRATION} m."


def out_of_bounds(task: Task, samples: tuple[Samples, ...]) -> Iterator[str]:
    """Goals beyond the contract's bounds, and such that the task itself does not admit."""
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
        if task.admits is not None and s.goal.shape[1:] == low.shape:
            refused = s.goal[~np.asarray(jax.vmap(task.admits)(jnp.asarray(s.goal)))]
            if len(refused):
                yield f"{s.name}: `admits` refuses the goal {refused[0].tolist()}, which is drawn."


def bad_regions(task: Task, samples: tuple[Samples, ...]) -> Iterator[str]:
    """Regions that do not divide the goals."""
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


def unhealthy(task: Task, samples: tuple[Samples, ...]) -> Iterator[str]:
    """Starts that the contract's `healthy` ends at once."""
    layout = make_layout(task.contract, task.model)
    for s in samples:
        assert s.sensordata is not None
        ended = ~is_healthy(task.contract, layout, Report(s.qpos, s.qvel, s.sensordata))
        if ended.any():
            names = ", ".join(repr(limit.field.name) for limit in task.contract.healthy)
            yield (
                f"{s.name}: {ended.sum()} of {NUM_SAMPLES} starts are outside of what is healthy "
                f"({names})."
            )


def misread_goals(task: Task, samples: tuple[Samples, ...]) -> Iterator[str]:
    """An achieved goal that is not what the contract names."""
    for s in samples:
        for text in goal_faults(task, s.qpos[:_FEW], s.qvel[:_FEW]):
            yield f"{s.name}: {text}"
