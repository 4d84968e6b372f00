"""Report -> inputs -> observation and achieved goal, in any array namespace.

`Layout` turns names into addresses of a model once. `read_inputs` needs it, so it runs where a
model is (a simulator); everything after it needs the contract alone, so it runs on a robot too.
`xp` is `numpy` or `jax.numpy`; all functions take any leading axes.
"""

import functools
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from robot_gcrl.contract.contract import Contract
from robot_gcrl.contract.fields import Field
from robot_gcrl.errors import ContractError

Array = Any  # numpy or jax: the functions below are the same lines for both


class Report(NamedTuple):
    """What a simulator measures at one instant: SI, world frame, float32.

    Attributes:
      qpos: [.., nq].
      qvel: [.., nv].
      sensordata: [.., ns].
    """

    qpos: Array
    qvel: Array
    sensordata: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Layout:
    """Where a model keeps what a contract names.

    Attributes:
      inputs: int [I], addresses in concatenate(qpos, qvel, sensordata).
      healthy: int [H], likewise, one for each component of the contract's healthy fields.
      actuators: int [A], the model's actuator ids in contract order.
    """

    inputs: np.ndarray
    healthy: np.ndarray
    actuators: np.ndarray


def make_layout(contract: Contract, model: Any) -> Layout:
    """Resolves the contract's names in `model` (a mujoco.MjModel).

    Raises:
      ContractError: a name that the model does not have, a component beyond its size, a sensor of
        the acceleration stage (after a step it would be one substep old), or a contract that
        leaves out one of the model's actuators or names another joint than they drive.
    """
    inputs = [_address(model, source, name, c) for source, name, c in contract.inputs]
    healthy = [
        _address(model, h.field.source, h.field.name, c)
        for h in contract.healthy
        for c in h.field.components
    ]
    actuators = [_id(model, "actuator", name) for name in contract.action.actuators]
    if sorted(actuators) != list(range(model.nu)):
        missing = [model.actuator(i).name for i in range(model.nu) if i not in actuators]
        raise ContractError(
            f"Contract {contract.name!r} commands {len(actuators)} actuators; the model has "
            f"{model.nu}. Name each of them once; missing: {missing}."
        )
    _check_joints(contract, model, actuators)
    return Layout(
        inputs=np.array(inputs, np.int32),
        healthy=np.array(healthy, np.int32),
        actuators=np.array(actuators, np.int32),
    )


def read_inputs(layout: Layout, report: Report, xp: ModuleType = np) -> Array:
    """The raw measured numbers [.., I] in contract order, SI."""
    return xp.concatenate(report, axis=-1)[..., layout.inputs]


def observe(
    contract: Contract, inputs: Array, previous_action: Array, xp: ModuleType = np
) -> Array:
    """The observation [.., O] for inputs [.., I] and previous actions [.., P], the newest first."""
    plan = _plan(contract)
    raw = xp.concatenate((inputs, previous_action), axis=-1)[..., plan.index]
    if plan.has_cos:
        raw = xp.where(plan.is_cos, xp.cos(raw), raw)
    if plan.has_sin:
        raw = xp.where(plan.is_sin, xp.sin(raw), raw)
    return raw * plan.scale


def remembered(
    contract: Contract, action: Array, previous_action: Array, xp: ModuleType = np
) -> Array:
    """The previous actions [.., P] of the next control step.

    Args:
      contract: of the policy.
      action: [.., A], in [-1, 1], of this control step.
      previous_action: [.., P], those that it was computed with.
      xp: the array namespace.
    """
    if contract.history == 1:
        return action
    older = previous_action[..., : contract.previous_action_size - contract.action_size]
    return xp.concatenate((action, older), axis=-1)


def achieved_goal(contract: Contract, inputs: Array) -> Array:
    """The achieved goal [.., G], SI."""
    return inputs[..., _plan(contract).goal_input]


def goal_distances(contract: Contract, achieved: Array, goal: Array, xp: ModuleType = np) -> Array:
    """Euclidean distance [.., S] of each success group, in the group's unit."""
    squared = (achieved - goal) ** 2
    groups = _plan(contract).groups
    sums = [squared[..., group].sum(-1, keepdims=True) for group in groups]
    return xp.sqrt(sums[0] if len(sums) == 1 else xp.concatenate(sums, axis=-1))


def is_success(contract: Contract, distances: Array) -> Array:
    """Bool [..]: whether every success group's distance [.., S] is within its radius."""
    return (distances <= _plan(contract).radii).all(-1)


def is_healthy(contract: Contract, layout: Layout, report: Report, xp: ModuleType = np) -> Array:
    """Bool [..]: whether each healthy field lies within its limits."""
    values = xp.concatenate(report, axis=-1)[..., layout.healthy]
    healthy = xp.ones(values.shape[:-1], bool)
    column = 0
    for limit in contract.healthy:
        width = len(limit.field.components)
        value = _transformed(limit.field, values[..., column : column + width], xp)
        healthy = healthy & ((value >= limit.low) & (value <= limit.high)).all(-1)
        column += width
    return healthy


def _transformed(field: Field, raw: Array, xp: ModuleType) -> Array:
    if field.transform == "cos":
        raw = xp.cos(raw)
    elif field.transform == "sin":
        raw = xp.sin(raw)
    return raw * np.float32(field.scale)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Plan:
    """The contract as index arrays: O components out of inputs and previous action."""

    index: np.ndarray
    is_cos: np.ndarray
    is_sin: np.ndarray
    has_cos: bool
    has_sin: bool
    scale: np.ndarray
    goal_input: np.ndarray
    groups: tuple[np.ndarray, ...]
    radii: np.ndarray


@functools.lru_cache(maxsize=64)
def _plan(contract: Contract) -> _Plan:
    position = {entry: i for i, entry in enumerate(contract.inputs)}
    index = []
    for field, component in contract.components:
        if field.source == "previous_action":
            if field.name not in contract.action.actuators:
                raise ContractError(
                    f"Field of source previous_action names actuator {field.name!r}. Expected one "
                    f"of {', '.join(contract.action.actuators)}."
                )
            age = component * contract.action_size
            index.append(len(position) + age + contract.action.actuators.index(field.name))
        else:
            index.append(position[field.source, field.name, component])
    transforms = [field.transform for field, _ in contract.components]
    is_cos = np.array([t == "cos" for t in transforms])
    is_sin = np.array([t == "sin" for t in transforms])
    labels = [goal.label for goal in contract.goal]
    return _Plan(
        index=np.array(index, np.int32),
        is_cos=is_cos,
        is_sin=is_sin,
        has_cos=bool(is_cos.any()),
        has_sin=bool(is_sin.any()),
        scale=np.array([field.scale for field, _ in contract.components], np.float32),
        goal_input=np.array(
            [position[g.source, g.name, g.component] for g in contract.goal], np.int32
        ),
        groups=tuple(
            np.array([labels.index(label) for label in group.labels], np.int32)
            for group in contract.success
        ),
        radii=np.array([group.radius for group in contract.success], np.float32),
    )


def _check_joints(contract: Contract, model: Any, actuators: list[int]) -> None:
    for i, named in zip(actuators, contract.action.joints, strict=True):
        # mjTRN_JOINT is 0: the transmission whose target is a joint
        by_joint = int(model.actuator_trntype[i]) == 0
        driven = model.joint(int(model.actuator_trnid[i, 0])).name if by_joint else None
        if named != driven:
            raise ContractError(
                f"Contract {contract.name!r} says that actuator {model.actuator(i).name!r} drives "
                f"the joint {named!r}; in the model it drives {driven!r}. Expected the same. "
                "Change ActionMap.joints."
            )


def _id(model: Any, kind: str, name: str) -> int:
    try:
        return int(getattr(model, kind)(name).id)
    except KeyError as error:
        count = {"joint": model.njnt, "sensor": model.nsensor, "actuator": model.nu}[kind]
        names = ", ".join(getattr(model, kind)(i).name for i in range(count))
        raise ContractError(
            f"The model has no {kind} {name!r}. It has: {names or 'none'}. Name one of these."
        ) from error


# mjtStage: sensors that need accelerations are computed before the last substep's integration
_STAGE_ACC = 3
# mjtJoint in order: free, ball, slide, hinge
_QPOS_SIZE = (7, 4, 1, 1)
_QVEL_SIZE = (6, 3, 1, 1)


def _address(model: Any, source: str, name: str, component: int) -> int:
    if source == "sensor":
        sensor = _id(model, "sensor", name)
        if int(model.sensor_needstage[sensor]) == _STAGE_ACC:
            raise ContractError(
                f"Sensor {name!r} is of the acceleration stage, so that after a step it is one "
                "substep old. Use a position or velocity sensor."
            )
        start = model.nq + model.nv + int(model.sensor_adr[sensor])
        size = int(model.sensor_dim[sensor])
    else:
        joint = _id(model, "joint", name)
        kind = int(model.jnt_type[joint])
        if source == "qpos":
            start, size = int(model.jnt_qposadr[joint]), _QPOS_SIZE[kind]
        else:
            start, size = model.nq + int(model.jnt_dofadr[joint]), _QVEL_SIZE[kind]
    if component >= size:
        raise ContractError(
            f"Component {component} of {source} {name!r} does not exist: it has {size}. "
            f"Expected 0 to {size - 1}."
        )
    return start + component
