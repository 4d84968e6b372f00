"""An arm with a gripper that follows waypoints by inverse kinematics, with a task's own actions.

The gripper points down; `closing` is the angle of the fingers' direction from +x in the plane [rad].
"""

import jax
import mujoco
import numpy as np

from robot_gcrl.contract.actuate import actuate
from robot_gcrl.task.arm import JOINT_HIGH, JOINT_LOW, JOINTS, TARGET_CHANGE
from robot_gcrl.task.registry import load_task

N = len(JOINTS)
ALONG_X, ALONG_Y = 0.0, np.pi / 2
CLOSE, OPEN = -1.0, 1.0


def downward(closing):
    """The tip's orientation: z down, y along the fingers' direction."""
    y, z = np.array((np.cos(closing), np.sin(closing), 0.0)), np.array((0.0, 0.0, -1.0))
    return np.stack((np.cross(y, z), y, z), axis=1)


def solve(model, joints, position, closing=ALONG_Y):
    """Joint angles [7] that bring the tip there, from `joints` on, and the error [m, rad]."""
    data, site = mujoco.MjData(model), model.site("tip").id
    data.qpos[:N] = joints
    jacobian, wanted, error = np.zeros((6, model.nv)), downward(closing), np.zeros(6)
    for _ in range(200):
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        found = data.site_xmat[site].reshape(3, 3)
        turn = 0.5 * np.cross(found, wanted, axis=0).sum(1)
        error = np.concatenate((position - data.site_xpos[site], turn))
        if np.linalg.norm(error) < 1e-4:
            break
        mujoco.mj_jacSite(model, data, jacobian[:3], jacobian[3:], site)
        part = jacobian[:, :N]
        step = part.T @ np.linalg.solve(part @ part.T + 1e-4 * np.eye(6), error)
        data.qpos[:N] = np.clip(data.qpos[:N] + step.clip(-0.1, 0.1), JOINT_LOW, JOINT_HIGH)
    return data.qpos[:N].copy(), float(np.linalg.norm(error))


class ScriptedArm:
    """One world in C MuJoCo with a task's model.

    Attributes:
      time: control steps so far.
      ctrls: every ctrl so far, for another engine to repeat.
    """

    def __init__(self, name, *, cube=None, turn=0.0, seed=0):
        self.task = load_task(name)
        self.model = self.task.model
        self.data = mujoco.MjData(self.model)
        self.data.qpos[:] = self.task.train.start(jax.random.key(seed))[0]
        if cube is not None:
            self.data.joint("cube/joint").qpos[:] = (
                *cube, np.cos(turn / 2), 0.0, 0.0, np.sin(turn / 2),
            )  # fmt: skip
        mujoco.mj_forward(self.model, self.data)
        self.start = self.data.qpos.copy()
        self.ctrls, self.ctrl = [], np.float32((*self.data.qpos[:N], self.data.qpos[N]))

    @property
    def time(self):
        return len(self.ctrls)

    @property
    def cube(self):
        return self.data.sensor("cube/position").data.copy()

    @property
    def tip(self):
        return self.data.sensor("tip_in_world").data.copy()

    def act(self, action):
        """One control step."""
        self.ctrl = actuate(self.task.contract.action, np.float32(action), self.ctrl)
        self.ctrls.append(self.ctrl)
        self.data.ctrl[:] = self.ctrl
        for _ in range(self.task.substeps):
            mujoco.mj_step(self.model, self.data)
        assert not any(warning.number for warning in self.data.warning)

    def wait(self, gripper, steps):
        for _ in range(steps):
            self.act((*(0.0,) * N, gripper))

    def go(self, position, gripper, *, closing=ALONG_Y, speed=0.3):
        """On a straight line [m/s], as fast as the actions allow; then 0.2 s of rest."""
        start = self.tip
        count = max(1, round(np.linalg.norm(position - start) / (speed * 0.05)))
        for i in range(1, count + 1):
            joints, error = solve(
                self.model, self.ctrl[:N], start + (position - start) * i / count, closing
            )
            assert error < 2e-3, (position, error)
            while abs(joints - self.ctrl[:N]).max() > 1e-3:
                change = (joints - self.ctrl[:N]) / TARGET_CHANGE
                # all joints arrive together
                self.act((*(change / max(1.0, abs(change).max())), gripper))
        self.wait(gripper, 4)
