"""The scene of a policy file, twice: to the last bit, and readable by every version of MuJoCo.

MuJoCo's binary form holds the task's compiled model with its assets; only the version that wrote it
can read it. The MJCF, a zip with what it refers to, is for other versions, and for who adds
something to the scene, as a viewer does; MuJoCo rounds the numbers that it writes there to six
digits.
"""

import io

import mujoco
import numpy as np

from robot_gcrl.errors import PolicyError
from robot_gcrl.policy.runtime import archive
from robot_gcrl.policy.runtime.file import PolicyFile


def scene_bytes(model: mujoco.MjModel) -> bytes:
    """The model in MuJoCo's binary form, with the assets that it refers to."""
    hermetic = mujoco.mj_embedAssets(model)
    buffer = np.zeros(mujoco.mj_sizeModel(hermetic), np.uint8)
    mujoco.mj_saveModel(hermetic, None, buffer)
    return buffer.tobytes()


def mjcf_bytes(scene: mujoco.MjSpec) -> bytes:
    """The scene as MJCF in a zip, with the files that it refers to."""
    buffer = io.BytesIO()
    scene.to_zip(buffer)
    return buffer.getvalue()


def load_scene(file: PolicyFile) -> mujoco.MjModel:
    """The model of a policy file's scene: exact where this version of MuJoCo wrote it.

    Raises:
      PolicyError: this version of MuJoCo cannot read what another one wrote, or the file has
        changed.
    """
    if file.manifest["versions"]["mujoco"] == mujoco.__version__:
        name = archive.SCENE
        return mujoco.MjModel.from_binary_path(name, {name: file.entry(name)})
    return load_scene_spec(file).compile()


def load_scene_spec(file: PolicyFile) -> mujoco.MjSpec:
    """The scene as a specification, to which things can be added before it is compiled.

    Raises:
      PolicyError: as `load_scene`.
    """
    try:
        return mujoco.MjSpec.from_zip(io.BytesIO(file.entry(archive.MJCF)))
    except (ValueError, mujoco.FatalError) as error:
        written = file.manifest["versions"]["mujoco"]
        raise PolicyError(
            f"The scene of the policy file {file.path} was written by MuJoCo {written}, and "
            f"MuJoCo {mujoco.__version__} cannot read it: {error}. Expected one that can. Install "
            f"mujoco=={written}, or export the run again."
        ) from error
