"""The ant with a ball and with a block on MJX and C MuJoCo, alone and in distribution.

With contact a single run is chaotic, so whole distributions are compared: 64 worlds from one set
of starts on each engine. XLA takes a minute for each of these models on a CPU: all is slow.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from robot_gcrl.physics.engine import Starts
from robot_gcrl.physics.make import make_engine
from robot_gcrl.task.ant import STANDING
from robot_gcrl.task.registry import load_task
from tests.physics.pairs import N, assert_agree_without_contact, pair
from tests.task.ant_gait import stand_at, torques

WORLDS = 64

pytestmark = pytest.mark.slow


def starts_of(state):
    return Starts(jnp.zeros(len(state.qpos), bool), state.qpos, state.qvel, {})


def assert_first_steps_agree(pair, state, count):
    """Each control step from the same state on both engines; the state goes on in C MuJoCo."""
    starts, contacts = starts_of(state), 0
    for ctrl in pair.controls(state, count):
        contacts += sum(pair.contacts(qpos) for qpos in state.qpos)
        assert pair.differences(state, 1)[0].max() <= 1e-4
        state = pair.steps["native"](state, ctrl, starts)
    assert contacts > 0


# Seen to fail: with the ball's damping left out on one engine.
def test_the_ball_is_the_same_in_the_air_and_under_the_ants_feet():
    ball = pair("ant_ball")
    state = ball.start()
    lifted = state.qpos.at[:, 2].add(50.0).at[:, 17].add(50.0)
    moving = state.qvel.at[:, 14:20].set(0.5)
    assert_agree_without_contact(ball, state._replace(qpos=lifted, qvel=moving))
    touching = np.tile(np.array((*STANDING, 0.92, 0.92, 0.5, 1, 0, 0, 0), np.float32), (N, 1))
    assert_first_steps_agree(ball, state._replace(qpos=jnp.asarray(touching), qvel=-moving), 1)


# Seen to fail: with the corners left out on one engine; with the slides' damping left out on one.
def test_the_block_is_the_same_at_walls_and_at_the_ants_feet():
    push = pair("ant_push")
    state = push.start()
    lifted = state.qpos.at[:, 2].add(50.0)
    moving = state.qvel.at[:, 14:].set(0.3)
    assert_agree_without_contact(push, state._replace(qpos=lifted, qvel=moving))
    # A corner of the block is pressed into a wall, and two feet into its face: where they only just
    # touch, rounding decides whether they do.
    near = np.array((*STANDING, 0.403, 2.0), np.float32)
    near[:2] = 10.0, -0.29
    near = jnp.asarray(np.tile(near, (N, 1)))
    assert_first_steps_agree(push, state._replace(qpos=near), 1)


def run_both(name, qpos, ctrls):
    """Both engines from qpos [64, nq] at rest with ctrls [T, 64, nu]; final qpos of each."""
    task = load_task(name)
    finals = {}
    for kind in ("native", "mjx"):
        engine = make_engine(kind, task.model, num_worlds=WORLDS, substeps=task.substeps)
        step = jax.jit(engine.step)
        state = jax.jit(lambda q, v, engine=engine: engine.init(q, v, {}))(
            jnp.asarray(qpos, jnp.float32), jnp.zeros((WORLDS, task.model.nv))
        )
        starts = starts_of(state)
        for ctrl in ctrls:
            state = step(state, jnp.asarray(ctrl, jnp.float32), starts)
        assert not np.asarray(state.diverged).any()
        finals[kind] = np.asarray(state.qpos)
    return finals["native"], finals["mjx"]


def standing(*prop, direction):
    """qpos [64, nq]: ants whose joints differ by up to 0.1 rad, heading so that the gait leads."""
    rng = np.random.default_rng(0)
    qpos = np.tile((*STANDING, *prop), (WORLDS, 1))
    qpos[:, 7:15] += rng.uniform(-0.1, 0.1, (WORLDS, 8))
    return stand_at(qpos, 0.0, 0.0, direction)


def assert_means_agree(native, mjx, tolerance):
    """The 95% interval of the difference of means holds 0 and is within `tolerance`."""
    low, high = stats.ttest_ind(native, mjx, equal_var=False).confidence_interval(0.95)
    assert low <= 0.0 <= high, (native.mean(), mjx.mean(), low, high)
    assert (high - low) / 2 <= tolerance, (low, high)


def uprightness(qpos):
    """The z component of the torso's up axis [64]."""
    return 1.0 - 2.0 * (qpos[:, 4] ** 2 + qpos[:, 5] ** 2)


# Seen to fail: with torques doubled on one engine.
def test_as_many_ants_stay_upright_under_random_torques():
    ctrls = np.random.default_rng(1).uniform(-60, 60, (50, WORLDS, 8))  # 5 s
    native, mjx = run_both("ant", standing(direction=0.0), ctrls)
    fallen = [int((uprightness(qpos) < 0.0).sum()) for qpos in (native, mjx)]
    table = [[count, WORLDS - count] for count in fallen]
    _, pvalue = np.asarray(stats.fisher_exact(table))
    assert pvalue > 0.05, fallen
    assert max(fallen) <= 0.1 * WORLDS
    for axis in (0, 1, 2):
        assert_means_agree(native[:, axis], mjx[:, axis], 0.5)


def gait(steps):
    return np.tile(np.stack([torques(k) for k in range(steps)])[:, None], (1, WORLDS, 1))


# Seen to fail: with the floor's friction at 0.3 on one engine.
def test_a_gait_goes_as_far():
    native, mjx = run_both("ant", standing(direction=0.0), gait(60))
    assert native[:, 0].mean() > 2.0
    assert_means_agree(native[:, 0], mjx[:, 0], 0.5)


# Seen to fail: with the ball's damping tenfold on one engine.
def test_the_ball_is_pushed_as_far():
    qpos = standing(1.7, 0.0, 0.5, 1.0, 0.0, 0.0, 0.0, direction=0.0)
    native, mjx = run_both("ant_ball", qpos, gait(50))
    pushed, pushed_mjx = (np.hypot(*(q[:, 15:17] - (1.7, 0.0)).T) for q in (native, mjx))
    assert pushed.mean() > 0.5
    assert_means_agree(pushed, pushed_mjx, 0.5)


# Seen to fail: with the slides' damping doubled on one engine.
def test_the_block_is_pushed_as_far():
    qpos = stand_at(standing(0.0, 0.0, direction=0.0), 10.0, -3.2, np.pi / 2)
    native, mjx = run_both("ant_push", qpos, gait(60))
    assert native[:, 16].mean() > 0.5
    assert_means_agree(native[:, 16], mjx[:, 16], 0.3)
