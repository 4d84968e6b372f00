import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.env.goal_env import GoalEnv
from robot_gcrl.physics.native import NativeEngine
from tests.physics.models import box_task

SECONDS = 600.0


# A callback whose arguments are large (here 4096 x 22 numbers) can wait for a thread that XLA has
# none left of; seen to finish also on a single core (taskset -c 0).
@pytest.mark.slow
@pytest.mark.timeout(2 * SECONDS)
def test_4096_worlds_beside_a_learner_never_stop():
    worlds, task = 4096, box_task()
    engine = NativeEngine(task.model, num_worlds=worlds, substeps=task.substeps)
    env = GoalEnv(task, engine, goals="train")
    weights = jnp.full((512, 512), 1.0 / 512)

    def control_step(state, key):
        action = jax.random.uniform(key, (worlds, 2), minval=-1.0)
        ticket = env.start(state, action, key)
        features = jnp.ones((512, 512)) + ticket.token
        features = jax.lax.fori_loop(0, 3, lambda _, x: jnp.tanh(x @ weights), features)
        order = jnp.sort(jax.random.uniform(key, (50_000,)) + ticket.token)
        return env.wait(ticket, features[0, 0] + order[0]), None

    @jax.jit
    def rollout(state, key):
        return jax.lax.scan(control_step, state, jax.random.split(key, 50))[0]

    state = jax.jit(env.init)(jax.random.key(0))
    end, count = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        state = rollout(state, jax.random.key(count))
        state.step.block_until_ready()
        count += 1
    assert count > 1
    assert np.isfinite(state.physics.qpos).all()
