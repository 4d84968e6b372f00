"""An arm with a gripper that follows waypoints by inverse kinematics, with a task's own actions.

The gripper points down; `closing` is the angle from +x to the fingers' direction [rad].
"""

import jax
import mujoco
import numpy as np

from robot_gcrl.contract.actuate import actuate
from robot_gcrl.task.arm import JOINTS, TARGET_CHANGE
from robot_gcrl.task.arm_kinematics import ALONG_Y, reach_down
from robot_gcrl.task.registry import load_task

N = len(JOINTS)
CLOSE, OPEN = -1.0, 1.0


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
        self.ctrls, self.ctrl = [], self.data.qpos[: N + 1].astype(np.float32)

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
            joints, error = reach_down(
                self.model,
                self.ctrl[:N],
                start + (position - start) * i / count,
                closing=closing,
            )
            assert error < 2e-3, (position, error)
            while abs(joints - self.ctrl[:N]).max() > 1e-3:
                change = (joints - self.ctrl[:N]) / TARGET_CHANGE
                # all joints arrive together
                self.act((*(change / max(1.0, abs(change).max())), gripper))
        self.wait(gripper, 4)
