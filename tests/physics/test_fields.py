import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from robot_gcrl.errors import EngineError
from robot_gcrl.physics.engine import Starts
from robot_gcrl.physics.native import NativeEngine
from tests.physics.models import box_model

N, SUBSTEPS = 3, 4
QPOS = jnp.tile(jnp.array([0.0, 0.0, 0.099, 1.0, 0.0, 0.0, 0.0]), (N, 1))
QVEL = jnp.zeros((N, 6)).at[:, 0].set(1.0)
CTRL = jnp.full((N, 2), 3.0)


def fields(seed):
    """Masses (mj_setConst reads them), friction (it does not) and gravity (an option)."""
    model, rng = box_model(), np.random.default_rng(seed)

    def vary(value):
        return jnp.asarray(value * rng.uniform(0.5, 2.0, (N, *np.shape(value))), jnp.float32)

    return {
        "body_mass": vary(model.body_mass),
        "geom_friction": vary(model.geom_friction),
        "opt.gravity": vary(model.opt.gravity),
    }


def varied_model(values, i):
    model = box_model()
    model.body_mass[:] = values["body_mass"][i]
    model.geom_friction[:] = values["geom_friction"][i]
    model.opt.gravity[:] = values["opt.gravity"][i]
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def plain(model, steps):
    data = mujoco.MjData(model)
    data.qpos, data.qvel, data.ctrl = QPOS[0], QVEL[0], CTRL[0]
    for _ in range(steps):
        for _ in range(SUBSTEPS):
            mujoco.mj_step(model, data)
        data.qpos, data.qvel = np.float32(data.qpos), np.float32(data.qvel)
        data.qacc_warmstart = np.float32(data.qacc_warmstart)
    return np.float32(data.qpos)


@pytest.fixture(scope="module")
def engine():
    return NativeEngine(box_model(), num_worlds=N, substeps=SUBSTEPS)


# Seen to fail: without set_const; with starts.fields ignored.
def test_worlds_with_fields_of_their_own_are_models_of_their_own(engine):
    first, second = fields(0), fields(1)
    step = jax.jit(engine.step)
    state = jax.jit(engine.init)(QPOS, QVEL, first)
    for _ in range(2):
        state = step(state, CTRL, Starts(jnp.zeros(N, bool), QPOS, QVEL, second))
    saved = jax.tree.map(np.array, state)
    for i in range(N):
        np.testing.assert_array_equal(state.qpos[i], plain(varied_model(first, i), 2))
    one = jnp.arange(N) == 1
    state = step(state, CTRL, Starts(one, QPOS, QVEL, second))
    state = step(state, CTRL, Starts(jnp.zeros(N, bool), QPOS, QVEL, second))
    np.testing.assert_array_equal(state.qpos[1], plain(varied_model(second, 1), 1))
    np.testing.assert_array_equal(state.qpos[0], plain(varied_model(first, 0), 4))
    # a state from before the reset brings its fields with it
    state = step(saved, CTRL, Starts(jnp.zeros(N, bool), QPOS, QVEL, second))
    np.testing.assert_array_equal(state.qpos[1], plain(varied_model(first, 1), 3))


def test_a_state_without_fields_is_of_the_models_own(engine):
    plain_qpos = plain(box_model(), 1)
    state = jax.jit(lambda: engine.init(QPOS, QVEL, {}))()
    state = jax.jit(engine.step)(state, CTRL, Starts(jnp.zeros(N, bool), QPOS, QVEL, {}))
    np.testing.assert_array_equal(state.qpos[0], plain_qpos)


def test_an_impossible_field_makes_only_its_world_diverge(engine):
    values = fields(0)
    values["body_mass"] = values["body_mass"].at[1].set(0.0)
    state = jax.jit(engine.init)(QPOS, QVEL, values)
    starts = Starts(jnp.zeros(N, bool), QPOS, QVEL, {})
    state = jax.jit(engine.step)(state, CTRL, starts)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))
    np.testing.assert_array_equal(state.qpos[0], plain(varied_model(values, 0), 1))


@pytest.mark.parametrize("name", ["geom_bodyid", "mass", "qpos", "opt.iterations", "mesh_vert"])
def test_fields_that_cannot_differ_are_refused(engine, name):
    with pytest.raises(EngineError) as caught:
        engine.init(QPOS, QVEL, {name: jnp.zeros((N, 1))})
    assert str(caught.value) == (
        f"Model field {name!r} cannot differ between worlds. Expected an array of real numbers in "
        "mujoco.batch.MODEL_FIELDS, such as 'body_mass', 'geom_friction' or 'opt.gravity'. Vary "
        "one of these."
    )


def test_fields_of_another_shape_are_refused(engine):
    with pytest.raises(EngineError) as caught:
        engine.init(QPOS, QVEL, {"body_mass": jnp.zeros((N, 3))})
    assert str(caught.value) == (
        "Model field 'body_mass' was given with shape (3, 3). Expected (3, 2): one value of the "
        "whole field for each world."
    )


def test_fields_that_come_only_with_a_reset_are_refused(engine):
    state = jax.jit(engine.init)(QPOS, QVEL, {"body_mass": fields(0)["body_mass"]})
    with pytest.raises(EngineError) as caught:
        engine.step(state, CTRL, Starts(jnp.zeros(N, bool), QPOS, QVEL, fields(0)))
    assert str(caught.value) == (
        "Starts give model fields ['geom_friction', 'opt.gravity'], which do not differ between "
        "the worlds of this state. It has: body_mass. Give them to Engine.init."
    )
