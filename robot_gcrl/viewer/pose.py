"""Drawing a robot from what its server tells of it."""

import mujoco
import numpy as np

from robot_gcrl.bridge.feed import RobotState
from robot_gcrl.contract.observe import Report, is_healthy
from robot_gcrl.viewer.scene import Show


class Pose:
    """The pose that a robot reports for drawing, or without one the joints that its inputs hold.

    What neither tells stays where the first evaluation starts.

    Attributes:
      lacks: what is not drawn as it is, in words; empty if nothing.
      is_fallen: whether the robot is where an episode ends, as far as that is measured.
    """

    def __init__(self, show: Show, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """The robot at a start of the evaluation.

        Args:
          show: whose layout the inputs have.
          model: of `show`, with markers.
          data: that is drawn.
        """
        self._show, self._model, self._data = show, model, data
        if len(show.scenarios.qpos):
            data.qpos[:] = show.scenarios.qpos[0]
        # Of the inputs, those that are joint positions
        self._held = np.flatnonzero(show.layout.inputs < model.nq)
        self._missing = _missing(model, show.layout.inputs[self._held])
        self.lacks = "" if len(show.layout.inputs) else "no picture without a policy file"
        self.is_fallen = False

    def draw(self, state: RobotState) -> None:
        """Puts the robot where a state tells that it is."""
        inputs, qpos = self._show.layout.inputs, self._data.qpos
        if not len(inputs) or state.inputs.size != len(inputs):
            return
        has_pose = state.pose.size == self._model.nq
        if has_pose:
            qpos[:] = state.pose
        else:
            qpos[inputs[self._held]] = state.inputs[self._held]
        self.lacks = "" if has_pose else self._missing
        mujoco.mj_fwdPosition(self._model, self._data)
        self.is_fallen = self._is_fallen(state, has_pose=has_pose)

    def _is_fallen(self, state: RobotState, *, has_pose: bool) -> bool:
        layout, model = self._show.layout, self._model
        sizes = (model.nq, model.nv, model.nsensordata)
        values = np.full(sum(sizes), np.nan, np.float32)
        if has_pose:
            values[: model.nq] = state.pose
        values[layout.inputs] = state.inputs
        if np.isnan(values[layout.healthy]).any():
            return False
        report = Report(*np.split(values, np.cumsum(sizes)[:-1]))
        return not bool(is_healthy(self._show.contract, layout, report))


def _missing(model: mujoco.MjModel, held: np.ndarray) -> str:
    """What is not drawn where it is, in words: joints of which the inputs [.] hold nothing."""
    sizes = np.diff([*model.jnt_qposadr, model.nq])
    names = [
        model.joint(i).name or f"joint {i}"
        for i, (start, size) in enumerate(zip(model.jnt_qposadr, sizes, strict=True))
        if not np.isin(np.arange(start, start + size), held).all()
    ]
    if not names:
        return ""
    return f"drawn from the inputs, which do not tell all of: {', '.join(names)}"
