"""The humanoid on MJX and in C MuJoCo: XLA takes minutes for it on a CPU, so all of it is slow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.physics.engine import Starts
from tests.physics.pairs import N, assert_agree_without_contact, pair
from tests.physics.rates import assert_same_mean

pytestmark = pytest.mark.slow

ROUNDS, STEPS = 20, 50  # of N worlds; control steps


def test_it_is_the_same_in_the_air_and_when_it_touches_the_ground():
    humanoid = pair("humanoid")
    state = humanoid.start()
    assert_agree_without_contact(humanoid, state._replace(qpos=state.qpos.at[:, 2].add(50.0)))
    starts = Starts(jnp.zeros(N, bool), state.qpos, state.qvel, {})
    contacts = 0
    for ctrl in humanoid.controls(state, 12):
        contacts += sum(humanoid.contacts(qpos) for qpos in state.qpos)
        assert humanoid.differences(state, 1)[0].max() <= 1e-4
        state = humanoid.steps["native"](state, ctrl, starts)
    assert contacts > 0


# Seen to fail: torques of 30% on one side, both in C MuJoCo (70% are not seen).
def test_random_actions_leave_it_up_as_long_and_throw_it_as_far():
    humanoid = pair("humanoid")
    init = jax.jit(lambda qpos, qvel: humanoid.engines["native"].init(qpos, qvel, {}))
    lasted, moved = {}, {}
    high = humanoid.task.model.actuator_ctrlrange[:, 1]
    for engine, step in humanoid.steps.items():
        heights, ends = [], []
        for i in range(ROUNDS):
            qpos, qvel = jax.vmap(humanoid.task.train.start)(jax.random.split(jax.random.key(i), N))
            state = init(qpos, qvel)
            starts, path = Starts(jnp.zeros(N, bool), qpos, qvel, {}), []
            for action in np.random.default_rng(i).uniform(-1, 1, (STEPS, N, 17)):
                state = step(state, jnp.asarray(action * high, jnp.float32), starts)
                path.append(np.asarray(state.qpos))
            assert not np.asarray(state.diverged).any()
            heights.append(np.array(path)[:, :, 2])
            ends.append(np.linalg.norm((path[-1] - np.asarray(qpos))[:, :2], axis=-1))
        upright = np.concatenate(heights, axis=1) >= 1.0
        lasted[engine] = upright.argmin(0) * humanoid.task.contract.control_dt
        moved[engine] = np.concatenate(ends)
    assert_same_mean("s until the fall", **lasted)
    assert_same_mean("m from the start", **moved)
