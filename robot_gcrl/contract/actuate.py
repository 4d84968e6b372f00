"""Action in [-1, 1] -> ctrl in SI units, in any array namespace.

A delta is added to the previous *commanded* ctrl, so that a robot that lags is not pulled back to
where it is; at the start the previous ctrl is the measured position.
"""

from types import ModuleType

import numpy as np

from robot_gcrl.contract.contract import Contract
from robot_gcrl.contract.fields import ActionMap
from robot_gcrl.contract.observe import Array


def actuate(
    action_map: ActionMap, action: Array, previous_ctrl: Array, xp: ModuleType = np
) -> Array:
    """The ctrl [.., A] in contract order for an action [.., A] and the previous ctrl [.., A].

    Actions outside [-1, 1] are clipped; NaN stays NaN, for the caller to see.
    """
    low, high = action_map.ctrl_range
    base = xp.where(action_map.is_delta, previous_ctrl, np.array(action_map.offset, np.float32))
    ctrl = base + np.array(action_map.scale, np.float32) * xp.clip(action, -1.0, 1.0)
    return xp.clip(ctrl, low, high)


def inferred_action(
    action_map: ActionMap, ctrl: Array, previous_ctrl: Array, xp: ModuleType = np
) -> Array:
    """The action [.., A] in [-1, 1] that comes nearest to a ctrl [.., A] after the previous one.

    The inverse of `actuate`, as far as there is one: where a limit clipped the ctrl it is the least
    action that reaches the limit, where the scale is 0 it is 0.
    """
    base = xp.where(action_map.is_delta, previous_ctrl, np.array(action_map.offset, np.float32))
    scale = np.array(action_map.scale, np.float32)
    safe = np.where(scale == 0.0, np.float32(1.0), scale)
    return xp.where(scale == 0.0, 0.0, xp.clip((ctrl - base) / safe, -1.0, 1.0))


def initial_ctrl(contract: Contract, inputs: Array, xp: ModuleType = np) -> Array:
    """The ctrl [.., A] before the first action: the measured position, or 0 in other modes.

    Args:
      contract: of the robot.
      inputs: [.., I], raw measured numbers.
      xp: the array namespace.
    """
    low, high = contract.action.ctrl_range
    index = contract.actuated_input
    held = xp.clip(inputs[..., np.maximum(index, 0)], low, high)
    known = contract.action.is_position & (index >= 0)
    return xp.where(known, held, xp.zeros_like(held))
