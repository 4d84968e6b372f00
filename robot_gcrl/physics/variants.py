"""Variants of a model: many draws of what realism varies, made once, for episodes to choose from.

MuJoCo derives constants from a model's masses (mj_setConst), which no compiled program can; so the
draws are made before it, by C MuJoCo, and an episode takes one of them by its number. NumPy and
MuJoCo alone: the simulated robot makes the same.
"""

import copy
import math
from collections.abc import Mapping

import mujoco
import numpy as np

from robot_gcrl.contract.departures import QUANTITIES, Quantity, Variation
from robot_gcrl.contract.realism import Realism
from robot_gcrl.errors import ContractError, UnknownNameError, unknown_name

NUM_VARIANTS = 512
CONSTANTS = ("body_invweight0", "dof_invweight0", "body_subtreemass", "tendon_invweight0")
"""What follows from masses and the like, and moves a robot."""

_COUNTS = {"body": "nbody", "geom": "ngeom", "joint": "njnt", "actuator": "nu"}
# Of joints: how many velocities each kind has (mjtJoint)
_DOFS = (6, 3, 1, 1)


def make_variants(
    model: mujoco.MjModel, realism: Realism, *, seed: int, count: int = NUM_VARIANTS
) -> dict[str, np.ndarray]:
    """Model fields [count, ..] float32 that differ, by name; empty where realism varies nothing.

    Where constants follow from them, these are among them.

    Args:
      model: which is not changed.
      realism: the level.
      seed: of the draws.
      count: how many variants.

    Raises:
      UnknownNameError: a name of a variation that the model does not have.
      ContractError: an impossible variant.
    """
    rng = np.random.default_rng(seed)
    names = _field_names(realism)
    if not names:
        return {}
    derived = any(name in mujoco.MjModel._setconst_inputs for name in names)
    varied = copy.deepcopy(model)
    data = mujoco.MjData(varied)
    taken = (*names, *(CONSTANTS if derived else ()))
    rows: dict[str, list[np.ndarray]] = {name: [] for name in taken}
    for _ in range(count):
        for name in names:
            _write(varied, name, _read(model, name))
        for variation in realism.variations:
            _vary(varied, variation, rng)
        if realism.slope > 0.0:
            varied.opt.gravity[:] = _tilted(model.opt.gravity, realism.slope, rng)
        if derived:
            mujoco.mj_setConst(varied, data)
        for name in taken:
            rows[name].append(_read(varied, name).astype(np.float32))
    return {name: np.stack(values) for name, values in rows.items() if values[0].size}


def apply_variant(
    model: mujoco.MjModel, data: mujoco.MjData, fields: Mapping[str, np.ndarray]
) -> None:
    """Makes a model the variant of these fields; the state in `data` stays as it is.

    What the model has behind the elements of the fields, as a viewer's markers, is left alone.
    """
    for name, value in fields.items():
        _write(model, name, value)
    if fields:
        # mj_setConst works in the data's qpos
        qpos, qvel = data.qpos.copy(), data.qvel.copy()
        mujoco.mj_setConst(model, data)
        data.qpos[:], data.qvel[:] = qpos, qvel


def _field_names(realism: Realism) -> list[str]:
    fields = [name for v in realism.variations for name in QUANTITIES[v.quantity].fields]
    return sorted({*fields, *(("opt.gravity",) if realism.slope > 0.0 else ())})


def _read(model: mujoco.MjModel, name: str) -> np.ndarray:
    owner, attribute = (model.opt, name[4:]) if name.startswith("opt.") else (model, name)
    return np.array(getattr(owner, attribute))


def _write(model: mujoco.MjModel, name: str, value: np.ndarray) -> None:
    owner, attribute = (model.opt, name[4:]) if name.startswith("opt.") else (model, name)
    getattr(owner, attribute)[: len(value)] = value


def _vary(model: mujoco.MjModel, variation: Variation, rng: np.random.Generator) -> None:
    quantity = QUANTITIES[variation.quantity]
    elements = _elements(model, variation, quantity)
    if variation.quantity == "friction_loss":
        _require_loss(model, elements)
    # A point in space has three offsets
    width = 3 if variation.quantity == "center_of_mass" else 1
    draws = rng.uniform(variation.low, variation.high, (len(elements), width))
    if variation.together:
        draws[:] = draws[0]
    for name, columns in quantity.fields.items():
        values = getattr(model, name)
        for element, draw in zip(elements, draws, strict=True):
            rows = _rows(model, quantity, element)
            at = np.ix_(rows, columns) if columns else (rows,)
            part = values[at]
            values[at] = part * draw if quantity.by == "factor" else part + draw


def _elements(model: mujoco.MjModel, variation: Variation, quantity: Quantity) -> list[int]:
    if not variation.names:
        count = getattr(model, _COUNTS[quantity.kind])
        # the world is no body that weighs something
        return list(range(1 if quantity.kind == "body" else 0, count))
    found = []
    for name in variation.names:
        try:
            found.append(int(getattr(model, quantity.kind)(name).id))
        except KeyError as error:
            raise _unknown(model, quantity, name) from error
    if variation.quantity == "center_of_mass":
        _require_general(model, found)
    return found


def _unknown(model: mujoco.MjModel, quantity: Quantity, name: str) -> UnknownNameError:
    count = getattr(model, _COUNTS[quantity.kind])
    known = [getattr(model, quantity.kind)(i).name for i in range(count)]
    return unknown_name(quantity.kind, name, filter(None, known), see="the MJCF of the task")


def _require_general(model: mujoco.MjModel, bodies: list[int]) -> None:
    for body in bodies:
        if model.body_simple[body]:
            raise ContractError(
                f"The center of mass of body {model.body(body).name!r} cannot be varied: MuJoCo "
                "takes a single body whose center of mass is its origin for one with a diagonal "
                "mass matrix. Expected a body with children or an offset in the MJCF. Give it a "
                "small one there."
            )


def _require_loss(model: mujoco.MjModel, joints: list[int]) -> None:
    for joint in joints:
        if not model.dof_frictionloss[model.jnt_dofadr[joint]] > 0.0:
            raise ContractError(
                f"The friction loss of joint {model.joint(joint).name!r} cannot be varied: it is 0 "
                "in the MJCF, and MJX leaves out what is 0 there. Expected a small loss. Give the "
                "joint one."
            )


def _rows(model: mujoco.MjModel, quantity: Quantity, element: int) -> list[int]:
    if quantity.kind != "joint":
        return [element]
    first = int(model.jnt_dofadr[element])
    return list(range(first, first + _DOFS[int(model.jnt_type[element])]))


def _tilted(gravity: np.ndarray, slope: float, rng: np.random.Generator) -> np.ndarray:
    # uniform over the disk of inclinations
    tilt, heading = slope * math.sqrt(rng.uniform()), rng.uniform(0.0, 2.0 * math.pi)
    strength = float(np.linalg.norm(gravity))
    return strength * np.array(
        (
            math.sin(tilt) * math.cos(heading),
            math.sin(tilt) * math.sin(heading),
            -math.cos(tilt),
        )
    )
