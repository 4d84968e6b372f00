"""Whether contract and model fit: names, units, limits, and the named quantity itself."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import mujoco
import numpy as np

from robot_gcrl.contract.actuate import actuate, initial_ctrl
from robot_gcrl.contract.contract import Contract
from robot_gcrl.contract.observe import Report, achieved_goal, make_layout, read_inputs
from robot_gcrl.errors import ContractError
from robot_gcrl.task.closest import closest_first
from robot_gcrl.task.task import Task

# Corners of the cube of actions: all of them up to this many actuators, so many random ones beyond.
_CORNERS = 8
_CONTROL_STEPS = 20


def missing_names(task: Task) -> Iterator[str]:
    """A sentence for each name of the contract that the model does not have, and what else differs.

    Names that exist are listed closest first.
    """
    users: dict[tuple[str, str], str] = {}
    for kind, name, user in _named(task.contract):
        users.setdefault((kind, name), user)
    found = False
    for (kind, name), user in users.items():
        known = _names(task.model, kind)
        if name not in known:
            found = True
            listed = ", ".join(closest_first(name, known)) or "none"
            yield (
                f"The model has no {kind} {name!r}, which {user} names. It has: {listed}. Name one "
                "of these."
            )
    if not found:
        try:
            make_layout(task.contract, task.model)
        except ContractError as error:
            yield str(error)


def nameless_components(task: Task) -> Iterator[str]:
    """Sentences on what a person who reads the contract could not name."""
    contract = task.contract
    for field in (*contract.observation, *contract.goal):
        if not field.unit:
            yield f"The field of {field.source} {field.name!r} has no unit. Expected '1' for none."
    keys = [(f.source, f.name, c, f.transform) for f, c in contract.components]
    for source, name, component, transform in dict.fromkeys(k for k in keys if keys.count(k) > 1):
        yield (
            f"The observation holds component {component} of {source} {name!r} ({transform}) "
            f"{keys.count((source, name, component, transform))} times. Expected once."
        )
    if not task.summary.endswith("."):
        yield f"The summary is {task.summary!r}. Expected a sentence with its period."


def round_trip(task: Task) -> Iterator[str]:
    """A sentence if the contract is another one after a trip through JSON."""
    contract = task.contract
    again = Contract.from_json(contract.canonical_json)
    if again.sha256 != contract.sha256:
        yield f"The contract's sha256 is {contract.sha256}; read back from its JSON {again.sha256}."


def ctrl_faults(task: Task) -> Iterator[str]:
    """Sentences on actuators that an action cannot move, or moves beyond the model's ctrlrange."""
    contract, model, names = task.contract, task.model, task.contract.action.actuators
    layout = make_layout(contract, model)
    limited = model.actuator_ctrllimited[layout.actuators].astype(bool)
    low, high = model.actuator_ctrlrange[layout.actuators].T.astype(np.float32)
    actions = _actions(contract.action_size)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    first = initial_ctrl(contract, read_inputs(layout, _report(data)))
    ctrl = np.tile(first, (len(actions), 1)).astype(np.float32)
    least, greatest = np.full_like(first, np.inf), np.full_like(first, -np.inf)
    for _ in range(_CONTROL_STEPS):
        ctrl = actuate(contract.action, actions, ctrl)
        least, greatest = np.minimum(least, ctrl.min(0)), np.maximum(greatest, ctrl.max(0))
    for i, name in enumerate(names):
        if not np.isfinite(ctrl[:, i]).all():
            yield f"Actuator {name!r} gets a ctrl that is not finite."
        elif least[i] == greatest[i]:
            yield f"Actuator {name!r} gets the ctrl {least[i]:g} for every action."
        elif limited[i] and (least[i] < low[i] or greatest[i] > high[i]):
            yield (
                f"Actuator {name!r} gets ctrl in [{least[i]:g}, {greatest[i]:g}]; its ctrlrange in "
                f"the model is [{low[i]:g}, {high[i]:g}]. Change ActionMap.low and high, or it."
            )


def goal_faults(
    task: Task, qpos: np.ndarray, qvel: np.ndarray, achieved: np.ndarray | None = None
) -> Iterator[str]:
    """A sentence where the achieved goal is not the quantity that the contract names.

    The quantity is read by MuJoCo's own access by name, which shares no code with the contract.

    Args:
      task: of the states.
      qpos: [N, nq].
      qvel: [N, nv].
      achieved: [N, G], what an engine says of these states; None: what the contract reads in them.
    """
    layout, data = make_layout(task.contract, task.model), mujoco.MjData(task.model)
    for i, (position, velocity) in enumerate(zip(qpos, qvel, strict=True)):
        data.qpos[:], data.qvel[:] = position, velocity
        mujoco.mj_forward(task.model, data)
        read = achieved_goal(task.contract, read_inputs(layout, _report(data)))
        told = read if achieved is None else achieved[i]
        for value, goal in zip(told, task.contract.goal, strict=True):
            named = named_value(data, goal.source, goal.name, goal.component)
            if not np.isclose(value, named, rtol=1e-4, atol=1e-4):
                yield (
                    f"Goal field {goal.label!r} reads {value:.6g}; component {goal.component} of "
                    f"{goal.source} {goal.name!r} is {named:.6g}."
                )
                return


def named_value(data: mujoco.MjData, source: str, name: str, component: int) -> float:
    """What MuJoCo calls so: a joint's qpos or qvel, or a sensor's data."""
    holder = data.sensor(name).data if source == "sensor" else getattr(data.joint(name), source)
    return float(np.atleast_1d(holder)[component])


def _report(data: mujoco.MjData) -> Report:
    return Report(*(np.float32(part) for part in (data.qpos, data.qvel, data.sensordata)))


def _actions(size: int) -> np.ndarray:
    """Corners of the cube of actions and points in it [.., A]."""
    rng = np.random.default_rng(0)
    if size <= _CORNERS:
        corners = np.array(list(itertools.product((-1.0, 1.0), repeat=size)))
    else:
        random = rng.choice((-1.0, 1.0), (2**_CORNERS, size))
        corners = np.concatenate((random, np.ones((1, size)), -np.ones((1, size))))
    inside = rng.uniform(-1.0, 1.0, (64, size))
    return np.concatenate((corners, inside, np.zeros((1, size)))).astype(np.float32)


def _named(contract: Contract) -> Iterator[tuple[str, str, str]]:
    """(kind, name, who names it) of everything that the contract names in a model."""
    kinds = {"qpos": "joint", "qvel": "joint", "sensor": "sensor", "previous_action": "actuator"}
    for users, fields in (
        ("the observation", contract.observation),
        ("the goal", contract.goal),
        ("healthy", tuple(limit.field for limit in contract.healthy)),
    ):
        for field in fields:
            yield kinds[field.source], field.name, users
    for name in contract.action.actuators:
        yield "actuator", name, "the action"
    for name in contract.action.joints:
        if name is not None:
            yield "joint", name, "the action"


def _names(model: mujoco.MjModel, kind: str) -> Sequence[str]:
    count = {"joint": model.njnt, "sensor": model.nsensor, "actuator": model.nu}[kind]
    access: Callable[[int], object] = getattr(model, kind)
    return [name for i in range(count) if (name := getattr(access(i), "name", ""))]
