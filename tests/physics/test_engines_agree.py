"""MJX and C MuJoCo from the same state with the same ctrl (design: tasks.md)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.physics.engine import Starts
from tests.physics.pairs import N, assert_agree_without_contact, pair


# Seen to fail: one substep fewer on MJX; sensors of the state before the last substep.
def test_the_reacher_is_the_same_on_both_engines():
    reacher = pair("reacher")
    assert_agree_without_contact(reacher, reacher.start())


# Seen to fail: with cone="pyramidal", where the engines turn capsule contacts differently.
def test_the_ant_is_the_same_in_the_air_and_when_it_touches_the_ground():
    ant = pair("ant")
    state = ant.start()
    assert_agree_without_contact(ant, state._replace(qpos=state.qpos.at[:, 2].add(50.0)))
    starts = Starts(jnp.zeros(N, bool), state.qpos, state.qvel, {})
    contacts = 0
    for ctrl in ant.controls(state, 4):
        contacts += sum(ant.contacts(qpos) for qpos in state.qpos)
        assert ant.differences(state, 1)[0].max() <= 1e-4
        state = ant.steps["native"](state, ctrl, starts)
    assert contacts > 0


@pytest.mark.slow  # XLA takes a minute for the arm on a CPU, and seconds for each of its steps
def test_the_arm_is_the_same_on_both_engines():
    arm = pair("arm_reach")
    assert_agree_without_contact(arm, arm.start())


# Seen to fail: mask ignored; what diverged not put back.
def test_mjx_resets_and_contains_divergence_as_native_does():
    reacher = pair("reacher")
    state = reacher.start()
    ctrl = next(reacher.controls(state, 1))
    other = jnp.full_like(state.qpos, 0.3)
    starts = Starts(jnp.arange(N) == 0, other, jnp.zeros_like(state.qvel), {})
    native, mjx = (step(state, ctrl, starts) for step in reacher.steps.values())
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), native, mjx)
    np.testing.assert_array_equal(mjx.qpos[0], other[0])
    assert mjx.time[0] == 0.0
    broken = state._replace(qvel=state.qvel.at[1, 0].set(jnp.nan))
    native, mjx = (step(broken, ctrl, starts) for step in reacher.steps.values())
    np.testing.assert_array_equal(native.diverged, np.arange(N) == 1)
    np.testing.assert_array_equal(mjx.diverged, np.arange(N) == 1)
    np.testing.assert_array_equal(mjx.qpos[1], state.qpos[1])
    np.testing.assert_array_equal(mjx.sensordata[1], state.sensordata[1])


# Seen to fail: fields not given to the substeps of MJX.
def test_model_fields_mean_the_same_on_both_engines():
    reacher = pair("reacher")
    model, state = reacher.task.model, reacher.start()
    fields = {
        "dof_damping": jnp.stack([jnp.full(model.nv, d) for d in (0.3, 0.1, 0.03, 0.01)]),
        "actuator_gainprm": jnp.asarray(
            np.stack([model.actuator_gainprm * scale for scale in (0.5, 0.7, 1.5, 2.0)]),
            jnp.float32,
        ),
    }
    state = state._replace(fields=fields)
    qpos, qvel, _ = reacher.differences(state, 5)
    assert qpos.max() <= 1e-4
    assert qvel.max() <= 1e-3
    plain = reacher.steps["native"](
        state._replace(fields={}),
        jnp.ones((N, model.nu)),
        Starts(jnp.zeros(N, bool), state.qpos, state.qvel, {}),
    )
    varied = reacher.steps["mjx"](
        state, jnp.ones((N, model.nu)), Starts(jnp.zeros(N, bool), state.qpos, state.qvel, {})
    )
    assert np.abs(plain.qvel - varied.qvel).min() > 1e-3


# Seen to fail: MJX with another timestep.
def test_the_point_is_the_same_on_both_engines_also_at_a_wall():
    point = pair("point_maze")
    state = point.start()
    assert_agree_without_contact(point, state)
    at_wall = state._replace(qpos=state.qpos.at[:, 0].set(-1.6), qvel=state.qvel.at[:, 0].set(-1.0))
    assert sum(point.contacts(qpos) for qpos in np.asarray(at_wall.qpos)) == 0
    qpos, _, _ = point.differences(at_wall, 3)
    moved = point.steps["native"](
        at_wall,
        next(point.controls(at_wall, 1)),
        Starts(jnp.zeros(N, bool), at_wall.qpos, at_wall.qvel, {}),
    )
    assert sum(point.contacts(q) for q in np.asarray(moved.qpos)) > 0
    assert qpos.max() <= 1e-4
