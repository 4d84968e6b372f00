"""Starts and goals that go into a policy file."""

import jax
import mujoco
import numpy as np

from robot_gcrl.policy.runtime.file import DISTRIBUTIONS, NUM_SCENARIOS, Scenarios
from robot_gcrl.policy.starts import start_report
from robot_gcrl.task.task import Distribution, Task

_SEED = 0x5CE9A


def sample_scenarios(task: Task) -> dict[str, Scenarios]:
    """NUM_SCENARIOS starts and goals of the task's train and eval distribution, always the same."""
    distributions = dict(zip(DISTRIBUTIONS, (task.train, task.eval), strict=True))
    key = jax.random.key(_SEED)
    return {
        name: _sample(task.model, distribution, jax.random.fold_in(key, i))
        for i, (name, distribution) in enumerate(distributions.items())
    }


def _sample(model: mujoco.MjModel, distribution: Distribution, key: jax.Array) -> Scenarios:
    start_key, goal_key = jax.random.split(key)
    # Op by op, as nothing is gained by compiling what runs once
    starts = jax.vmap(distribution.start)(jax.random.split(start_key, NUM_SCENARIOS))
    qpos, qvel = (np.asarray(value, np.float32) for value in starts)
    report = start_report(model, qpos, qvel)
    goal = jax.vmap(distribution.goal)(jax.random.split(goal_key, NUM_SCENARIOS), report)
    return Scenarios(qpos, qvel, np.asarray(goal, np.float32))
