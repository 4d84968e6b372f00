"""A level of realism with its names turned into addresses of a model; see `contract.reality`.

Letters: I inputs, G goal, P joints that start elsewhere; D and C, rows of what was measured and
commanded.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_gcrl.contract.contract import Contract
from robot_gcrl.contract.departures import Delay
from robot_gcrl.contract.realism import Realism
from robot_gcrl.errors import ContractError

_FREE = 0  # mjtJoint
_SLIDE = 2


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan:
    """A level of realism with its names turned into addresses of a model.

    Attributes:
      variants: of the model, among which an episode draws one.
      std: [I], of the noise.
      bias: [I], greatest.
      encoders: int [A], the input by which each actuator holds a position, so that the bias of one
        shifts what the other holds; -1 where none is.
      goal_bias: [G], greatest.
      delays: of observation and action, each (low, high, jitter, hold) [control steps].
      rows: (D, C).
      substeps: of a control step.
      poses: addresses in qpos [P]; least and greatest offset, least and greatest value [P] each.
      push: (address of the joint's first velocity, probability per control step, greatest velocity,
        greatest spin); None for no pushes.
    """

    variants: int
    std: np.ndarray
    bias: np.ndarray
    encoders: np.ndarray
    goal_bias: np.ndarray
    delays: tuple[tuple[float, float, float, float], tuple[float, float, float, float]]
    rows: tuple[int, int]
    substeps: int
    poses: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    push: tuple[int, float, float, float] | None

    @property
    def episode_draws(self) -> int:
        """Uniform numbers that an episode begins with."""
        return 1 + len(self.bias) + len(self.goal_bias) + 2 + len(self.poses[0])


def make_plan(
    realism: Realism, contract: Contract, model: Any, *, substeps: int, variants: int
) -> Plan:
    """Resolves a level's names in a model (a mujoco.MjModel) and in the contract.

    Args:
      realism: the level.
      contract: of the task.
      model: of the task.
      substeps: physics substeps per control step.
      variants: how many variants of the model there are.

    Raises:
      ContractError: a name that does not exist, or fewer previous actions in the observation than
        the delay asks for.
    """
    _require_history(realism, contract)
    std, bias = _noise(realism, contract)
    delays = tuple(
        (d.low / contract.control_dt, d.high / contract.control_dt,
         d.jitter / contract.control_dt, d.hold)
        for d in (realism.observation_delay, realism.action_delay)
    )  # fmt: skip
    return Plan(
        variants=variants,
        std=std,
        bias=bias,
        encoders=np.where(contract.action.is_position, contract.actuated_input, -1),
        goal_bias=_goal_bias(realism, contract),
        delays=(delays[0], delays[1]),
        rows=(
            _rows(realism.observation_delay, contract.control_dt),
            _rows(realism.action_delay, contract.control_dt),
        ),
        substeps=substeps,
        poses=_poses(realism, model),
        push=_push(realism, contract, model),
    )


def _rows(delay: Delay, control_dt: float) -> int:
    # One for the newest, one beyond the latest to interpolate or switch from
    return math.floor(delay.greatest / control_dt) + 2


def _require_history(realism: Realism, contract: Contract) -> None:
    needed = math.ceil(realism.greatest_delay / contract.control_dt - 1e-9)
    observed = {(f.name, age) for f, age in contract.components if f.source == "previous_action"}
    missing = [
        (name, age)
        for age in range(needed)
        for name in contract.action.actuators
        if (name, age) not in observed
    ]
    if missing:
        name, age = missing[0]
        raise ContractError(
            f"Contract {contract.name!r} does not observe the action of {name!r} "
            f"{age + 1} control steps ago; its delays are up to {realism.greatest_delay:g} s, "
            f"{needed} control steps. Expected the last {needed} actions of every actuator, "
            "without which the state is not known. Add fields of source previous_action "
            "(components are ages), or lower the delays."
        )


def _noise(realism: Realism, contract: Contract) -> tuple[np.ndarray, np.ndarray]:
    std = np.zeros(len(contract.inputs), np.float32)
    bias = np.zeros_like(std)
    for noise in realism.noises:
        for name in noise.names:
            at = [
                i for i, (s, n, _) in enumerate(contract.inputs) if (s, n) == (noise.source, name)
            ]
            if not at:
                known = sorted({n for s, n, _ in contract.inputs if s == noise.source})
                raise ContractError(
                    f"Noise is declared of {noise.source} {name!r}, which contract "
                    f"{contract.name!r} does not observe. It observes: "
                    f"{', '.join(known) or 'none'}. Name one of these."
                )
            std[at], bias[at] = noise.std, noise.bias
    return std, bias


def _goal_bias(realism: Realism, contract: Contract) -> np.ndarray:
    labels = [goal.label for goal in contract.goal]
    greatest = np.zeros(len(labels), np.float32)
    for entry in realism.goal_bias:
        for label in entry.labels:
            if label not in labels:
                raise ContractError(
                    f"GoalBias names the goal field {label!r}. Expected one of "
                    f"{', '.join(labels)}. Name one of these."
                )
            greatest[labels.index(label)] = entry.bias
    return greatest


def _poses(
    realism: Realism, model: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rows = []
    for pose in realism.poses:
        joint = _joint(model, pose.joint)
        if int(model.jnt_type[joint]) < _SLIDE:
            raise ContractError(
                f"Pose moves the joint {pose.joint!r}, which is a ball or free joint. Expected a "
                "hinge or slide. Let the task's starts move it."
            )
        limited = bool(model.jnt_limited[joint])
        least, greatest = model.jnt_range[joint] if limited else (-math.inf, math.inf)
        rows.append((model.jnt_qposadr[joint], pose.low, pose.high, least, greatest))
    columns = np.array(rows, np.float32).reshape(-1, 5).T
    return columns[0].astype(np.int32), columns[1], columns[2], columns[3], columns[4]


def _push(
    realism: Realism, contract: Contract, model: Any
) -> tuple[int, float, float, float] | None:
    push = realism.push
    if push is None:
        return None
    joint = _joint(model, push.joint)
    if int(model.jnt_type[joint]) != _FREE:
        raise ContractError(
            f"Push kicks the joint {push.joint!r}, which is no free joint. Expected one. Name the "
            "root of a robot that moves about."
        )
    probability = min(contract.control_dt / push.interval, 1.0)
    return int(model.jnt_dofadr[joint]), probability, push.velocity, push.spin


def _joint(model: Any, name: str) -> int:
    try:
        return int(model.joint(name).id)
    except KeyError as error:
        names = ", ".join(model.joint(i).name for i in range(model.njnt))
        raise ContractError(
            f"The model has no joint {name!r}. It has: {names or 'none'}. Name one of these."
        ) from error
