"""Realism, drawn and applied to robots, in any array namespace.

What is measured reaches the policy late, with noise and biased; what it commands reaches the
motors late; a kick changes the velocity. The numbers that were drawn come in, so that JAX and NumPy
run the same lines: `uniform` in [0, 1), `normal` of mean 0 and deviation 1. Times are in control
steps here. Letters: I inputs, G goal, A action; D and C, rows of what was measured and commanded,
the newest first.
"""

from types import ModuleType
from typing import NamedTuple

import numpy as np

from robot_gcrl.contract.contract import Contract
from robot_gcrl.contract.observe import Array
from robot_gcrl.contract.plan import Plan

# Of a control step: jitter and loss of the observation, of the action; push: whether, where, how
# strong, spin
STEP_DRAWS = 8


class Reality(NamedTuple):
    """What robots depart by in this episode, and what is on its way.

    Attributes:
      variant: int [..], which variant of the model.
      bias: [.., I], of what is measured, SI.
      goal_bias: [.., G], of the goal that is told, SI.
      delay: [.., 2], means of the observation's and the action's delay [control steps].
      seen: [.., D, I], what was true.
      shown: [.., I], what the policy is shown now.
      sent: [.., C, A], ctrl that was commanded.
      age: int [..], row of `sent` that is in force last in a control step.
    """

    variant: Array
    bias: Array
    goal_bias: Array
    delay: Array
    seen: Array
    shown: Array
    sent: Array
    age: Array


class Command(NamedTuple):
    """What the motors are given during one control step.

    Attributes:
      held: [.., A], ctrl until `substeps` physics substeps have passed.
      substeps: int [..].
      ctrl: [.., A], from then on.
    """

    held: Array
    substeps: Array
    ctrl: Array


def begin(
    plan: Plan, uniform: Array, normal: Array, inputs: Array, ctrl: Array, xp: ModuleType = np
) -> Reality:
    """What an episode begins with.

    Args:
      plan: the level.
      uniform: [.., plan.episode_draws].
      normal: [.., I].
      inputs: [.., I], what is true at the start.
      ctrl: [.., A], before the first action.
      xp: the array namespace.
    """
    count, goals = len(plan.bias), len(plan.goal_bias)
    second, third = 1 + count + goals, 3 + count + goals
    low = np.array([d[0] for d in plan.delays], np.float32)
    high = np.array([d[1] for d in plan.delays], np.float32)
    return Reality(
        variant=(uniform[..., 0] * plan.variants).astype(np.int32),
        bias=_bias(plan, uniform),
        goal_bias=goal_bias(plan, uniform),
        delay=low + (high - low) * uniform[..., second:third],
        seen=_repeated(inputs, plan.rows[0], xp),
        shown=first_shown(plan, uniform, normal, inputs),
        sent=_repeated(ctrl, plan.rows[1], xp),
        age=xp.zeros(uniform.shape[:-1], np.int32),
    )


def first_shown(plan: Plan, uniform: Array, normal: Array, inputs: Array) -> Array:
    """What the policy is shown at the start [.., I]; arguments are those of `begin`."""
    return inputs + _bias(plan, uniform) + plan.std * normal


def told_goal(contract: Contract, goal: Array, bias: Array, xp: ModuleType = np) -> Array:
    """The goal [.., G] that is told instead of `goal`: within the bounds, as every one, SI."""
    return xp.clip(goal + bias, *contract.goal_bounds)


def goal_bias(plan: Plan, uniform: Array) -> Array:
    """What the goal that is told differs by [.., G], SI; `uniform` is that of `begin`."""
    first = 1 + len(plan.bias)
    return plan.goal_bias * (2.0 * uniform[..., first : first + len(plan.goal_bias)] - 1.0)


def posed(plan: Plan, uniform: Array, qpos: Array, xp: ModuleType = np) -> Array:
    """Starts qpos [.., nq] with some joints elsewhere; `uniform` is that of `begin`."""
    address, low, high, least, greatest = plan.poses
    if not len(address):
        return qpos
    draw = uniform[..., plan.episode_draws - len(address) :]
    moved = xp.clip(qpos[..., address] + low + (high - low) * draw, least, greatest)
    if xp is np:
        qpos = np.array(qpos)
        qpos[..., address] = moved
        return qpos
    return qpos.at[..., address].set(moved)


def send(
    plan: Plan, reality: Reality, uniform: Array, ctrl: Array, xp: ModuleType = np
) -> tuple[Reality, Command]:
    """What is in force during a control step in which `ctrl` [.., A] is commanded.

    Jitter brings no command back that a newer one has replaced. Where an actuator holds a position,
    it does so by its biased encoder.

    Args:
      plan: the level.
      reality: before the step.
      uniform: [.., STEP_DRAWS].
      ctrl: [.., A].
      xp: the array namespace.
    """
    lost = uniform[..., 3:4] < plan.delays[1][3]
    ctrl = xp.where(lost, reality.sent[..., 0, :], ctrl)
    sent = _pushed(reality.sent, ctrl, xp)
    late = _late(reality.delay[..., 1], uniform[..., 1], plan.delays[1])
    whole = xp.floor(late).astype(np.int32)
    substeps = xp.round((late - whole) * plan.substeps).astype(np.int32)
    oldest = reality.age + 1
    held, last = xp.minimum(whole + 1, oldest), xp.minimum(whole, oldest)
    shift = xp.where(plan.encoders < 0, 0.0, reality.bias[..., np.maximum(plan.encoders, 0)])
    command = Command(_row(sent, held, xp) - shift, substeps, _row(sent, last, xp) - shift)
    return reality._replace(sent=sent, age=last), command


def see(
    plan: Plan,
    reality: Reality,
    uniform: Array,
    normal: Array,
    inputs: Array,
    xp: ModuleType = np,
) -> Reality:
    """What the policy is shown after a control step that ended with `inputs` [.., I].

    Between two control steps what was true is interpolated.
    """
    seen = _pushed(reality.seen, inputs, xp)
    late = _late(reality.delay[..., 0], uniform[..., 0], plan.delays[0])
    whole = xp.floor(late).astype(np.int32)
    share = (late - whole)[..., None]
    true = _row(seen, whole, xp)
    true = true + share * (_row(seen, whole + 1, xp) - true)
    shown = true + reality.bias + plan.std * normal
    lost = uniform[..., 2:3] < plan.delays[0][3]
    return reality._replace(seen=seen, shown=xp.where(lost, reality.shown, shown))


def kicked(plan: Plan, uniform: Array, qvel: Array, xp: ModuleType = np) -> Array:
    """The velocities [.., nv] after the kick of this control step, if there is one.

    A free joint's velocity is in the world's frame, its angular velocity in the body's: the spin is
    around the body's own vertical.
    """
    if plan.push is None:
        return qvel
    address, probability, velocity, spin = plan.push
    angle = 2.0 * np.pi * uniform[..., 5]
    kick = xp.stack(
        (
            velocity * uniform[..., 6] * xp.cos(angle),
            velocity * uniform[..., 6] * xp.sin(angle),
            spin * (2.0 * uniform[..., 7] - 1.0),
        ),
        axis=-1,
    )
    index = address + np.array((0, 1, 5))
    changed = qvel[..., index] + xp.where(uniform[..., 4:5] < probability, kick, 0.0)
    if xp is np:
        qvel = np.array(qvel)
        qvel[..., index] = changed
        return qvel
    return qvel.at[..., index].set(changed)


def _bias(plan: Plan, uniform: Array) -> Array:
    return plan.bias * (2.0 * uniform[..., 1 : 1 + len(plan.bias)] - 1.0)


def _late(mean: Array, uniform: Array, delay: tuple[float, float, float, float]) -> Array:
    jittered = mean + delay[2] * (2.0 * uniform - 1.0)
    return jittered * (jittered > 0.0)


def _repeated(row: Array, rows: int, xp: ModuleType) -> Array:
    return xp.repeat(row[..., None, :], rows, axis=-2)


def _pushed(rows: Array, row: Array, xp: ModuleType) -> Array:
    return xp.concatenate((row[..., None, :], rows[..., :-1, :]), axis=-2)


def _row(rows: Array, index: Array, xp: ModuleType) -> Array:
    last = rows.shape[-2] - 1
    index = xp.minimum(index, last)[..., None, None]
    return xp.take_along_axis(rows, index, axis=-2)[..., 0, :]
