"""What a model has that MJX cannot express, element by element.

`mjx.put_model` stops at the first gap and names types; the author of a model wants names, and all
of them. The tables are MJX's own (of its implementation "jax"), so that they are those of the
version that is installed; what they do not tell is asked of `put_model` itself.
"""

import contextlib
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import mujoco

with contextlib.redirect_stdout(io.StringIO()):  # prints a line when Warp is not installed
    from mujoco import mjx
    from mujoco.mjx._src import collision_driver, types  # pyright: ignore[reportMissingImports]

_NAMED = 3  # so many pairs of geoms are named for two shapes that do not collide


def mjx_gaps(model: mujoco.MjModel) -> list[str]:
    """Sentences that name what MJX lacks for this model; empty if it runs it."""
    found = [*_options(model), *_contacts(model), *_types(model), *_sensors(model), *_rest(model)]
    if found:
        return found
    try:
        mjx.put_model(model, impl="jax")
        mjx.make_data(model, impl="jax")
    except (NotImplementedError, ValueError) as error:
        return [f"MJX says: {error}"]
    return []


def _options(model: mujoco.MjModel) -> Iterator[str]:
    option = model.opt
    # put_model accepts the discrete integrator, and its step refuses it
    integrators = set(types.IntegratorType) - {int(mujoco.mjtIntegrator.mjINT_DISCRETE)}
    for name, kind, has in (
        ("integrator", mujoco.mjtIntegrator, integrators),
        ("solver", mujoco.mjtSolver, set(types.SolverType)),
        ("cone", mujoco.mjtCone, set(types.ConeType)),
        ("jacobian", mujoco.mjtJacobian, set(types.JacobianType)),
    ):
        value = int(getattr(option, name))
        if value not in {int(v) for v in has}:
            known = _words(kind, (int(v) for v in has))
            yield f"The option {name} is {_word(kind, value)}; MJX has {known}."
    for bit in range(int(mujoco.mjtEnableBit.mjNENABLE)):
        if option.enableflags & 2**bit and 2**bit not in {int(v) for v in types.EnableBit}:
            yield f"The flag {_word(mujoco.mjtEnableBit, 2**bit)} is enabled; MJX does not have it."
    fluid = option.density > 0.0 or option.viscosity > 0.0 or bool(option.wind.any())
    if fluid and option.integrator == mujoco.mjtIntegrator.mjINT_IMPLICITFAST:
        yield (
            "The options density, viscosity or wind are set with the integrator implicitfast; MJX "
            "has a fluid with euler and rk4 alone."
        )


def _contacts(model: mujoco.MjModel) -> Iterator[str]:
    # a shape that MJX's own enumeration lacks (sdf) is in no pair of its table
    table = {(int(x), int(y)) for x, y in collision_driver._COLLISION_FUNC}
    elliptic = model.opt.cone == mujoco.mjtCone.mjCONE_ELLIPTIC
    rough = {int(mujoco.mjtGeom.mjGEOM_MESH), int(mujoco.mjtGeom.mjGEOM_HFIELD)}
    without: dict[tuple[int, int], list[str]] = {}
    margins: list[str] = []
    smooth: list[str] = []
    for a, b, pair in collision_driver.geom_pairs(model):
        kinds = int(model.geom_type[a]), int(model.geom_type[b])
        named = f"{_name(model, 'geom', a)} with {_name(model, 'geom', b)}"
        if kinds not in table:
            without.setdefault(kinds, []).append(named)
        margin = model.pair_margin[pair] if pair >= 0 else model.geom_margin[[a, b]].sum()
        if rough & set(kinds) and margin:
            margins.append(named)
        if elliptic and _condim(model, a, b, pair) == 1:
            smooth.append(named)
    for (first, second), pairs in without.items():
        yield (
            f"Geoms may touch that MJX cannot collide, {_word(mujoco.mjtGeom, first)} with "
            f"{_word(mujoco.mjtGeom, second)}: {_listed(pairs)}. Use other shapes, or contype and "
            "conaffinity that keep them apart."
        )
    if margins:
        yield f"MJX has no margin for meshes and height fields: {_listed(margins)}."
    if smooth:
        yield f"MJX has no condim 1 with elliptic cones: {_listed(smooth)}. Use condim 3."


def _condim(model: mujoco.MjModel, a: int, b: int, pair: int) -> int:
    if pair >= 0:
        return int(model.pair_dim[pair])
    of_a, of_b = int(model.geom_condim[a]), int(model.geom_condim[b])
    first, second = int(model.geom_priority[a]), int(model.geom_priority[b])
    return max(of_a, of_b) if first == second else of_a if first > second else of_b


def _types(model: mujoco.MjModel) -> Iterator[str]:
    for kind, field, names, has in (
        ("actuator", "trntype", mujoco.mjtTrn, types.TrnType),
        ("actuator", "dyntype", mujoco.mjtDyn, types.DynType),
        ("actuator", "gaintype", mujoco.mjtGain, types.GainType),
        ("actuator", "biastype", mujoco.mjtBias, types.BiasType),
        ("equality", "eq_type", mujoco.mjtEq, types.EqType),
    ):
        attribute = field if kind == "equality" else f"actuator_{field}"
        known = {int(v) for v in has}
        for i, value in enumerate(getattr(model, attribute).tolist()):
            if value not in known:
                what = "type" if kind == "equality" else field
                yield (
                    f"{kind.capitalize()} {_name(model, kind, i)} has the {what} "
                    f"{_word(names, value)}; MJX has {_words(names, known)}."
                )


def _sensors(model: mujoco.MjModel) -> Iterator[str]:
    known = {int(v) for v in types.SensorType}
    for i, value in enumerate(model.sensor_type.tolist()):
        name = _name(model, "sensor", i)
        if value == mujoco.mjtSensor.mjSENS_CONTACT:
            # MJX has some, at the price of a second collision detection; our engine refuses them
            yield f"Sensor {name} is a contact sensor, which the engine mjx does not compute."
        elif value not in known:
            yield f"Sensor {name} is of type {_word(mujoco.mjtSensor, value)}, which MJX lacks."


def _rest(model: mujoco.MjModel) -> Iterator[str]:
    if model.nflex:
        yield f"The model has {model.nflex} flexes, which MJX lacks."
    known = {int(v) for v in types.WrapType}
    for value in sorted(set(model.wrap_type.tolist()) - known):
        yield f"A tendon wraps by {_word(mujoco.mjtWrap, value)}, which MJX lacks."


def _listed(items: Sequence[str]) -> str:
    more = len(items) - _NAMED
    return "; ".join(items[:_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _name(model: mujoco.MjModel, kind: str, number: Any) -> str:
    name = getattr(model, kind)(int(number)).name
    if name or kind != "geom":
        return repr(name) if name else f"number {int(number)}"
    return f"one without a name (of body {model.body(model.geom_bodyid[number]).name!r})"


def _word(kind: Any, value: int) -> str:
    """What MuJoCo calls a type in MJCF: "box" of mjGEOM_BOX."""
    try:
        return kind(value).name.split("_", 1)[1].lower()
    except ValueError:
        return str(value)


def _words(kind: Any, values: Iterable[int]) -> str:
    return ", ".join(_word(kind, value) for value in sorted(values))
