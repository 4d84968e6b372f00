"""What a simulator measures at given starts; MuJoCo, no JAX."""

import mujoco
import numpy as np

from robot_gcrl.contract.observe import Layout, Report, read_inputs
from robot_gcrl.policy.runtime.file import Scenarios


def start_inputs(model: mujoco.MjModel, layout: Layout, scenarios: Scenarios) -> np.ndarray:
    """What a robot measures at the starts: [S, I], in contract order, SI."""
    return read_inputs(layout, start_report(model, scenarios.qpos, scenarios.qvel))


def start_report(model: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray) -> Report:
    """The report of the model at each of qpos [S, nq] and qvel [S, nv]."""
    data = mujoco.MjData(model)
    sensordata = np.zeros((len(qpos), model.nsensordata), np.float32)
    for row, (position, velocity) in enumerate(zip(qpos, qvel, strict=True)):
        data.qpos[:], data.qvel[:] = position, velocity
        mujoco.mj_forward(model, data)
        sensordata[row] = data.sensordata
    return Report(qpos, qvel, sensordata)
