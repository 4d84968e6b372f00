"""The training program of an offline run: gradient steps on recorded rows, nothing is collected.

It is the same `Program` as an online run's, with the same learner. One call of `iterate` runs
`config.rollout` gradient steps. The rows are a replay of one world, filled once; they are an
argument of the compiled program and no part of its state, so that no checkpoint holds them.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from robot_gcrl.replay.buffer import Replay
from robot_gcrl.task.task import Task
from robot_gcrl.train.config import TrainConfig
from robot_gcrl.train.dataset import Dataset
from robot_gcrl.train.loop import Program, Sums, TrainState, agent_of, learn


def make_offline_program(task: Task, config: TrainConfig, dataset: Dataset) -> Program:
    """Builds the agent and the training step of a run that learns from a dataset.

    The observations' moments are those of all rows, taken once.
    """
    agent = agent_of(task, config.agent)
    replay = replay_of(dataset)

    def init(seed: int | Int[Array, ""], observation: Array) -> TrainState:
        # The same keys as of an online run: its networks begin alike
        agent_key, _, run_key = jax.random.split(jax.random.key(seed), 3)
        return TrainState(
            agent=agent.observe(agent.init(agent_key), observation),
            replay=(),
            env=(),
            queue=(),
            key=jax.random.key_data(run_key),
            iteration=jnp.int32(0),
        )

    def iterate(
        state: TrainState, counts: Int[Array, " T"], *, replay: Replay
    ) -> tuple[TrainState, Sums]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.iteration)
        learner, sums = learn(
            state.agent,
            replay,
            key,
            counts.sum(),
            agent,
            goal_index=np.asarray(task.contract.goal_index),
            max_rows=dataset.max_rows,
        )
        return state._replace(agent=learner, iteration=state.iteration + 1), sums

    compiled_init = jax.jit(init)
    return Program(
        env=None,
        agent=agent,
        init=lambda seed: compiled_init(seed, replay.observation[:, 0]),
        iterate=functools.partial(jax.jit(iterate, donate_argnums=0), replay=replay),
    )


def replay_of(dataset: Dataset) -> Replay:
    """The rows as a full ring of one world, the first one the oldest."""
    return Replay(
        observation=jnp.asarray(dataset.observation[:, None]),
        action=jnp.asarray(dataset.action[:, None]),
        episode=jnp.asarray(dataset.episode[:, None]),
        inserted=jnp.int32(dataset.rows),
    )
