"""Which models and per-world model fields the engines accept.

An engine's `State` must be everything that a world's future depends on, so a model with state
elsewhere is refused when the engine is made, and so is what only one of the engines would simulate.
"""

import mujoco
import numpy as np
from mujoco.batch import MODEL_FIELDS

from robot_gcrl.errors import EngineError


def check_model(engine: str, model: mujoco.MjModel) -> None:
    """Refuses a model with state outside `State`.

    Args:
      engine: the engine's name, for the message.
      model: the task's model.

    Raises:
      EngineError: the model has mocap bodies, plugins, delays, other history, sleep, flexes or
        plastic joints.
    """
    sleeps = bool(model.opt.enableflags & mujoco.mjtEnableBit.mjENBL_SLEEP)
    delays = int(np.count_nonzero(model.actuator_delay)) + int(np.count_nonzero(model.sensor_delay))
    for found, what, instead in (
        (model.nmocap, f"{model.nmocap} mocap bodies", "Keep goals out of the model"),
        (model.nplugin, f"{model.nplugin} plugin instances", "Use MuJoCo's own elements"),
        (delays, f"{delays} actuator or sensor delays", "Declare delays in the task"),
        (model.nhistory, f"{model.nhistory} numbers of history", "Remove its buffers"),
        (sleeps, "sleep enabled", 'Set <flag sleep="disable"/>'),
        (model.nflex, f"{model.nflex} flexes", "Use rigid bodies"),
        (model.nplastic, f"{model.nplastic} numbers of plastic state", "Use elastic springs"),
    ):
        if found:
            raise EngineError(
                f"Engine {engine!r} cannot run this model: it has {what}. Expected no state "
                f"besides qpos, qvel and actuator activations. {instead}."
            )


def check_field(model: mujoco.MjModel, name: str) -> None:
    """Refuses a model field that cannot differ between the worlds of any engine.

    Raises:
      EngineError: `name` is not an expandable array of real numbers.
    """
    owner, attribute = (model.opt, name[4:]) if name.startswith("opt.") else (model, name)
    if name not in MODEL_FIELDS or not _is_real(getattr(owner, attribute)):
        raise EngineError(
            f"Model field {name!r} cannot differ between worlds. Expected an array of real numbers "
            "in mujoco.batch.MODEL_FIELDS, such as 'body_mass', 'geom_friction' or 'opt.gravity'. "
            "Vary one of these."
        )


def check_field_shape(
    model: mujoco.MjModel, name: str, shape: tuple[int, ...], num_worlds: int
) -> None:
    """Refuses values of a model field that do not have the shape [N, ...] of the model's.

    Raises:
      EngineError: another shape.
    """
    owner, attribute = (model.opt, name[4:]) if name.startswith("opt.") else (model, name)
    expected = (num_worlds, *np.shape(getattr(owner, attribute)))
    if tuple(shape) != expected:
        raise EngineError(
            f"Model field {name!r} was given with shape {tuple(shape)}. Expected {expected}: one "
            "value of the whole field for each world."
        )


def derives_constants(name: str) -> bool:
    """Whether constants of the model follow from this field, so that mj_setConst must run."""
    return name.startswith("opt.") or name in mujoco.MjModel._setconst_inputs


def acceleration_sensors(model: mujoco.MjModel) -> np.ndarray:
    """Which numbers [ns] of sensordata belong to the step before the last substep."""
    late = model.sensor_needstage == mujoco.mjtStage.mjSTAGE_ACC
    return np.repeat(late, model.sensor_dim)


def _is_real(value: object) -> bool:
    return np.asarray(value).dtype.kind == "f"
