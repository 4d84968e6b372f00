"""Joint angles that bring the arm's gripper to a place, pointing down: damped least squares."""

import mujoco
import numpy as np

from robot_gcrl.task.arm import JOINT_HIGH, JOINT_LOW, JOINTS

ALONG_Y = np.pi / 2  # of the fingers' direction [rad]

_N = len(JOINTS)
_ITERATIONS = 200
_DAMPING = 1e-4
_LARGEST_STEP = 0.1  # [rad]
_SMALL = 1e-4  # [m, rad]


def reach_down(
    model: mujoco.MjModel, joints: np.ndarray, tip: np.ndarray, *, closing: float = ALONG_Y
) -> tuple[np.ndarray, float]:
    """Joint angles [7] near `joints` [7] at which the gripper's tip is at `tip` [3] [m].

    Args:
      model: whose first joints are the arm's, with a site `tip`: z out of the hand, y along the
        fingers' direction.
      joints: where the search begins [rad].
      tip: in the world [m].
      closing: the angle from +x to the fingers' direction, in the plane [rad].

    Returns:
      The angles, within the joints' ranges, and the error that remains [m and rad]: above 1e-3
      where nothing was found.
    """
    data, site = mujoco.MjData(model), model.site("tip").id
    data.qpos[:_N] = joints
    y, z = np.array((np.cos(closing), np.sin(closing), 0.0)), np.array((0.0, 0.0, -1.0))
    wanted = np.stack((np.cross(y, z), y, z), axis=1)
    jacobian, error = np.zeros((6, model.nv)), np.zeros(6)
    for _ in range(_ITERATIONS):
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        found = data.site_xmat[site].reshape(3, 3)
        turn = 0.5 * np.cross(found, wanted, axis=0).sum(1)
        error = np.concatenate((tip - data.site_xpos[site], turn))
        if np.linalg.norm(error) < _SMALL:
            break
        mujoco.mj_jacSite(model, data, jacobian[:3], jacobian[3:], site)
        part = jacobian[:, :_N]
        step = part.T @ np.linalg.solve(part @ part.T + _DAMPING * np.eye(6), error)
        step = step.clip(-_LARGEST_STEP, _LARGEST_STEP)
        data.qpos[:_N] = np.clip(data.qpos[:_N] + step, JOINT_LOW, JOINT_HIGH)
    return data.qpos[:_N].copy(), float(np.linalg.norm(error))
