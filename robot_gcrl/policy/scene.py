"""The scene of a policy file: the task's compiled model, to the last bit.

A task is a compiled model, which cannot be turned back into MJCF, and MJCF that MuJoCo writes
rounds to six digits. So the entry is MuJoCo's binary form with every asset inside it; a version of
MuJoCo reads only what it wrote itself.
"""

import mujoco
import numpy as np

from robot_gcrl.policy.runtime.file import PolicyFile

_NAME = "scene.mjb"


def scene_bytes(model: mujoco.MjModel) -> bytes:
    """The model in MuJoCo's binary form, with the assets that it refers to."""
    hermetic = mujoco.mj_embedAssets(model)
    buffer = np.zeros(mujoco.mj_sizeModel(hermetic), np.uint8)
    mujoco.mj_saveModel(hermetic, None, buffer)
    return buffer.tobytes()


def load_scene(file: PolicyFile) -> mujoco.MjModel:
    """The model of a policy file's scene.

    Raises:
      PolicyError: another version of MuJoCo wrote it.
    """
    scene = file.scene(mujoco.__version__)
    return mujoco.MjModel.from_binary_path(_NAME, {_NAME: scene})
