"""How long a run will take, from a fraction of a second of its two halves on this machine.

A guess for the announcement, in processor time: what else the machine does meanwhile is not known
before. The live view shows the time that is left by what was measured.
"""

import time

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from robot_gcrl.agents.baselines.config import BRAX, Algorithm
from robot_gcrl.physics.cores import cores
from robot_gcrl.task.task import Task
from robot_gcrl.train.brax_plan import batch_rows, brax_plan
from robot_gcrl.train.config import TrainConfig
from robot_gcrl.train.memory import network_parts

# Forward and backward passes of a gradient step in units of a forward pass: of the critic's phi 3,
# of psi 3; of the actor 3, and through phi 2 more, whose parameters have no gradient there
_VALUES = {"value": 6, "actor": 4}  # and one pass each for the next state's value
_PASSES: dict[Algorithm, dict[str, int]] = {
    "crl": {"sa_encoder": 5, "g_encoder": 3, "actor": 3},
    "sac": _VALUES,
    "sac_her": _VALUES,
    "td3_her": _VALUES,
    "ppo": {"value": 3, "actor": 3},
    "gcbc": {"actor": 3},
}
# Whole time of a gradient step over that of its matrix products, as docs/benchmarks.md has it
_BESIDE_PRODUCTS = 1.6
_STARTUP = 20.0  # imports and compilation [s]
_SETTLING, _TIMED = 20, 60  # control steps
_PRODUCTS = 40


def forecast_seconds(task: Task, config: TrainConfig) -> float | None:
    """About how long the whole budget takes [s]; None where it cannot be told before (MJX)."""
    if config.engine != "native":
        return None
    offline = config.dataset is not None
    threads = config.physics_threads or max(cores() - 1, 1)
    rate = threads / _control_step_seconds(task)
    is_brax = config.algorithm in BRAX
    updates = config.steps if offline else config.steps / config.control_steps_per_update
    if is_brax:
        updates = brax_plan(config).total_gradient_steps
    learner = updates * _update_seconds(task, config)
    physics = 0.0 if offline else config.steps / rate
    evaluation = config.evaluations * config.eval_episodes * task.episode_length / rate
    overlaps = config.overlap and not is_brax
    return _STARTUP + evaluation + (max(physics, learner) if overlaps else physics + learner)


def _control_step_seconds(task: Task) -> float:
    """Of one world on one core, moving at random."""
    model, rng = task.model, np.random.default_rng(0)
    data = mujoco.MjData(model)
    low, high = task.contract.action.ctrl_range
    began = 0.0
    for i in range(_SETTLING + _TIMED):
        if i == _SETTLING:
            began = time.process_time()
        data.ctrl = rng.uniform(low, high)
        mujoco.mj_step(model, data, task.substeps)
    return (time.process_time() - began) / _TIMED


def _update_seconds(task: Task, config: TrainConfig) -> float:
    """Of one gradient step, from the rate of its largest matrix products."""
    agent, contract = config.agent, task.contract
    width, rows = agent.width, batch_rows(config)
    product = jax.jit(lambda x, w: jnp.tanh(x @ w))
    x, w = jnp.zeros((rows, width)), jnp.eye(width)
    product(x, w).block_until_ready()
    began = time.process_time()
    for _ in range(_PRODUCTS):
        x = product(x, w)
    x.block_until_ready()
    seconds_per_number = (time.process_time() - began) / _PRODUCTS / (rows * width * width)
    numbers = 0
    for part in network_parts(contract, config):
        ends = part.inputs + part.outputs
        passes = _PASSES[config.algorithm][part.name]
        numbers += part.number * passes * rows * part.width * (part.depth * part.width + ends)
    return _BESIDE_PRODUCTS * numbers * seconds_per_number
