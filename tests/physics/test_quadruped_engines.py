"""The quadruped on MJX and in C MuJoCo: XLA takes minutes for it on a CPU, so all of it is slow."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.contract.actuate import actuate
from robot_gcrl.physics.engine import Starts
from tests.physics.pairs import N, assert_agree_without_contact, pair
from tests.physics.rates import assert_same_mean, assert_same_share
from tests.task.trotting import GREATEST_SWING, trot

pytestmark = pytest.mark.slow

ROUNDS = 20  # of N worlds


@functools.cache
def make_init():
    """Compiled once: the state of a start is the same for both engines."""
    return jax.jit(lambda qpos, qvel: pair("quadruped").engines["native"].init(qpos, qvel, {}))


def test_it_is_the_same_in_the_air_and_when_it_touches_the_ground():
    quadruped = pair("quadruped")
    state = quadruped.start()
    assert_agree_without_contact(quadruped, state._replace(qpos=state.qpos.at[:, 2].add(50.0)))
    starts = Starts(jnp.zeros(N, bool), state.qpos, state.qvel, {})
    contacts = 0
    for ctrl in quadruped.controls(state, 10):
        contacts += sum(quadruped.contacts(qpos) for qpos in state.qpos)
        assert quadruped.differences(state, 1)[0].max() <= 1e-4
        state = quadruped.steps["native"](state, ctrl, starts)
    assert contacts > 0


def run(quadruped, engine, key, actions):
    """The states [len(actions), N] of one round: an action [N, 12] in each control step."""
    action_map = quadruped.task.contract.action
    qpos, qvel = jax.vmap(quadruped.task.train.start)(jax.random.split(key, N))
    state = make_init()(qpos, qvel)
    starts, states = Starts(jnp.zeros(N, bool), qpos, qvel, {}), []
    for action in actions:
        ctrl = np.zeros((N, 12), np.float32)
        ctrl[:, quadruped.layout.actuators] = actuate(
            action_map, np.float32(action), np.zeros((N, 12))
        )
        state = quadruped.steps[engine](state, jnp.asarray(ctrl), starts)
        assert not np.asarray(state.diverged).any()
        states.append((np.asarray(state.qpos), np.asarray(state.sensordata)))
    return states


# Seen to fail: kp 20 on one side, both in C MuJoCo.
def test_as_many_fall_under_random_actions():
    quadruped, fallen = pair("quadruped"), {}
    up = quadruped.task.model.sensor("up_in_trunk").adr[0] + 2
    for engine in quadruped.steps:
        falls = []
        for i in range(ROUNDS):
            draw = np.random.default_rng(i).uniform(-1, 1, (20, N, 12))
            # held for 0.1 s, so that most of them fall within 2 s
            states = run(quadruped, engine, jax.random.key(i), np.repeat(draw, 5, axis=0))
            falls += list(np.min([sensors[:, up] for _, sensors in states], axis=0) < 0.5)
        fallen[engine] = np.array(falls)
    assert_same_share("fallen", **fallen)


# Seen to fail: friction 0.3 on one side, both in C MuJoCo.
def test_a_trot_by_the_clock_leads_as_far():
    quadruped, distance = pair("quadruped"), {}
    actions = [np.tile(trot(i, GREATEST_SWING, GREATEST_SWING), (N, 1)) for i in range(150)]
    for engine in quadruped.steps:
        ends = [run(quadruped, engine, jax.random.key(i), actions) for i in range(8)]
        distance[engine] = np.concatenate(
            [np.hypot(*(end[-1][0] - end[0][0])[:, :2].T) for end in ends]
        )
    assert_same_mean("m", **distance)
