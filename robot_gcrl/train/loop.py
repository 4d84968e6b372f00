"""The training program: collect, store, relabel and learn, compiled as one for every engine.

One call of `Program.iterate` runs `config.rollout` control steps of all worlds. Within a control
step the physics is begun, the gradient updates that belong to this step run on the rows that are
already stored, and then the physics is waited for; so the two overlap where the engine can, and the
result does not depend on whether they did. How many updates belong to a step is decided outside
(`update_counts`), in exact integers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from robot_gcrl.agents.baselines.agent import make_baseline
from robot_gcrl.agents.baselines.config import BRAX
from robot_gcrl.agents.crl.agent import Agent, AgentState, Queue, make_agent
from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.env.goal_env import EnvState, GoalEnv, Practice
from robot_gcrl.env.pool import component_radii
from robot_gcrl.errors import ConfigError
from robot_gcrl.physics.make import make_engine
from robot_gcrl.replay.buffer import Replay, add, make_replay
from robot_gcrl.replay.hindsight import Moving
from robot_gcrl.task.task import Task
from robot_gcrl.train.brax_plan import brax_plan
from robot_gcrl.train.config import TrainConfig
from robot_gcrl.train.divergence import first_divergence
from robot_gcrl.train.proposal_sums import proposal_sums

Sums = dict[str, Float[Array, ""]]
Carry = tuple[AgentState, Replay, EnvState, Queue]

# Of the success radius: what an achieved goal must move by to count as moving
_MOVED = 0.1


class TrainState(NamedTuple):
    """Everything that training is: exactly what a checkpoint holds.

    Attributes:
      agent: parameters, optimizer states, observation moments.
      replay: the ring of stored control steps; () of an offline run, whose rows are a file's.
      env: the worlds; () likewise.
      queue: what is left of the chunk of actions that each world executes.
      key: raw data of the run's PRNG key; never changed, iterations are folded in.
      iteration: calls of `Program.iterate` so far.
    """

    agent: AgentState
    replay: Replay | tuple[()]
    env: EnvState | tuple[()]
    queue: Queue
    key: UInt32[Array, " K"]
    iteration: Int[Array, ""]


@dataclass(frozen=True, eq=False, kw_only=True)
class Program:
    """The compiled parts of a training run.

    Attributes:
      env: the worlds that training collects from; None where nothing is collected.
      agent: the learner.
      init: seed -> TrainState.
      iterate: (TrainState, updates of each control step [T]) -> the next TrainState, and the sums
        of what was measured (`mean_metrics` divides them), with `first_divergence`. The state given
        is consumed.
    """

    env: GoalEnv | None
    agent: Agent
    init: Callable[[int], TrainState]
    iterate: Callable[..., tuple[TrainState, Sums]]


def make_program(task: Task, config: TrainConfig) -> Program:
    """Builds engine, worlds, agent and the training step of a run."""
    env = make_env(task, config)
    agent = learner_of(task, config)

    def init(seed: int | Int[Array, ""]) -> TrainState:
        return _init(jax.random.key(seed), env, agent, task, config)

    def iterate(state: TrainState, counts: Int[Array, " T"]) -> tuple[TrainState, Sums]:
        return _iterate(state, counts, env, agent, task, config)

    return Program(
        env=env,
        agent=agent,
        init=jax.jit(init),
        iterate=jax.jit(iterate, donate_argnums=0),
    )


def make_env(task: Task, config: TrainConfig, *, engine: str | None = None) -> GoalEnv:
    """The worlds that training collects from, on the engine of `config` unless one is named."""
    stepper = make_engine(
        engine or config.engine,
        task.model,
        num_worlds=config.num_envs,
        substeps=task.substeps,
        threads=config.physics_threads or None,
        overlap=config.overlap,
    )
    practice = Practice(
        goal_switch_probability=config.goal_switch_probability,
        near_goal_radius=config.near_goal_radius,
        near_goal_share=config.near_goal_share,
        random_start_share=config.random_start_share,
        goal_proposal=config.goal_proposal,
        goal_proposal_share=config.goal_proposal_share,
        goal_noise=config.goal_noise,
        curriculum_radius=config.curriculum_radius,
        stagger=True,
    )
    return GoalEnv(task, stepper, goals="train", practice=practice, randomize=config.randomize)


def learner_of(task: Task, config: TrainConfig) -> Agent:
    """The agent of a run, by its algorithm.

    Raises:
      ConfigError: settings that do not go together.
    """
    if config.algorithm == "crl":
        return agent_of(task, config.agent)
    return make_baseline(
        task.contract,
        config.agent,
        algorithm=config.algorithm,
        baseline=config.baseline,
        goal_index=task.contract.goal_index,
    )


def agent_of(task: Task, config: CrlConfig) -> Agent:
    """The agent of a task's contract.

    Raises:
      ConfigError: chunks that are too long for the task's episodes.
    """
    contract, moving = task.contract, None
    if config.chunk > max(task.episode_length // 2, 1):
        raise ConfigError(
            f"agent.chunk is {config.chunk} and an episode of {task.name!r} has "
            f"{task.episode_length} control steps. Expected chunks of at most half of them, so "
            "that most rows of the replay begin one. Lower --agent.chunk."
        )
    # The bins of time of a survival critic are those of rows drawn alike
    if config.moving_share > 0.0 and config.critic != "survival":
        beyond = _MOVED * component_radii(contract) * contract.goal_scale
        moving = Moving(config.moving_share, beyond)
    return make_agent(
        config,
        observation_size=contract.observation_size,
        action_size=contract.action_size,
        goal_index=contract.goal_index,
        moving=moving,
    )


def gradient_steps(config: TrainConfig, iteration: int) -> int:
    """How many gradient updates have run after so many iterations, or epochs of brax."""
    if config.algorithm in BRAX:
        return iteration * brax_plan(config).gradient_steps
    return _updates_after(config, iteration * config.rollout)


def update_counts(config: TrainConfig, iteration: int) -> np.ndarray:
    """How many gradient updates belong to each control step of an iteration: offline, one each.

    After s control steps of every world beyond the prefill, floor(s N / ratio) updates have run,
    so that no rounding accumulates where N / ratio is not whole.

    Returns:
      int32 [T].
    """
    first = iteration * config.rollout
    ends = [_updates_after(config, first + t) for t in range(config.rollout + 1)]
    return np.diff(np.array(ends, np.int64)).astype(np.int32)


def _updates_after(config: TrainConfig, steps: int) -> int:
    if config.dataset is not None:
        return steps  # an offline run's steps are gradient steps
    per_step = Fraction(config.num_envs) / Fraction(config.control_steps_per_update)
    return int(max(steps - config.prefill, 0) * per_step)


def mean_metrics(sums: dict[str, float]) -> dict[str, float]:
    """Means of what an iteration measured; a mean over nothing is left out.

    Keys of `sums` are "group/name" with the group's number of samples under "group/count".
    """
    means: dict[str, float] = {}
    for key, value in sums.items():
        group, name = key.split("/")
        count = float(sums[f"{group}/count"])
        if name != "count" and count > 0:
            means[name] = float(value) / count
    return means


def _init(key: Array, env: GoalEnv, agent: Agent, task: Task, config: TrainConfig) -> TrainState:
    agent_key, env_key, run_key = jax.random.split(key, 3)
    return TrainState(
        agent=agent.init(agent_key),
        replay=make_replay(
            capacity=config.replay_capacity,
            num_worlds=config.num_envs,
            observation_size=env.memory_size + agent.stores_goal * task.contract.goal_size,
            action_size=task.contract.action_size,
        ),
        env=env.init(env_key),
        queue=agent.empty_queue(config.num_envs),
        key=jax.random.key_data(run_key),
        iteration=jnp.int32(0),
    )


def _iterate(
    state: TrainState,
    counts: Int[Array, " T"],
    env: GoalEnv,
    agent: Agent,
    task: Task,
    config: TrainConfig,
) -> tuple[TrainState, Sums]:
    assert state.replay
    assert state.env
    iteration_key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.iteration)
    steps = jnp.arange(config.rollout)
    # Beyond the last step's number, so that no step has this key
    refill_key = jax.random.fold_in(iteration_key, config.rollout)
    worlds = env.refill(state.env, state.replay, refill_key)

    def control_step(
        carry: Carry, step_and_count: tuple[Array, Array]
    ) -> tuple[Carry, tuple[Sums, Bool[Array, " N"]]]:
        learner, replay, worlds, queue = carry
        step, count = step_and_count
        act_key, env_key, learn_key = jax.random.split(jax.random.fold_in(iteration_key, step), 3)
        observation = env.observation(worlds)
        row = env.episode_row(worlds)
        learner = agent.observe(learner, observation)
        goal = env.goal_input(worlds)
        action, queue = agent.command(learner, observation, goal, queue, act_key)
        queue = emptied(queue, worlds.ended)
        ticket = env.start(worlds, action, env_key)
        memory = env.memory(worlds, observation)
        if agent.stores_goal:
            memory = jnp.concatenate((memory, goal), axis=-1)
        replay = add(replay, memory, action, row)
        learner, learning = learn(
            learner,
            replay,
            learn_key,
            count + ticket.token,
            agent,
            goal_index=env.memory_goal_index,
            max_rows=task.episode_length + 1,
        )
        worlds = env.wait(ticket, learning[f"learner/{agent.awaited}"])
        sums = learning | _episode_sums(env, worlds, task) | proposal_sums(worlds)
        return (learner, replay, worlds, queue), (sums, worlds.physics.diverged)

    carry, (sums, diverged) = jax.lax.scan(
        control_step, (state.agent, state.replay, worlds, state.queue), (steps, counts)
    )
    learner, replay, worlds, queue = carry
    totals = {name: value.sum() for name, value in sums.items()} | first_divergence(diverged)
    return TrainState(learner, replay, worlds, queue, state.key, state.iteration + 1), totals


def emptied(queue: Queue, ended: Bool[Array, " N"]) -> Queue:
    """Empty where the action that was just given is ignored: the next one begins an episode."""
    return jax.tree.map(lambda rows: jnp.where(ended[:, None], 0.0, rows), queue)


def learn(
    learner: AgentState,
    replay: Replay,
    key: Array,
    count: Int[Array, ""],
    agent: Agent,
    *,
    goal_index: np.ndarray,
    max_rows: int,
) -> tuple[AgentState, Sums]:
    """Runs `count` updates on what is stored; returns the sums of their metrics.

    Args:
      learner: to be updated.
      replay: whose rows begin with the observation.
      key: used once.
      count: of updates.
      agent: that learns.
      goal_index: int [G], where a row holds what was achieved, in observation units.
      max_rows: the most rows that an episode has.
    """

    def one(learner: AgentState, key: Array) -> tuple[AgentState, Sums]:
        return agent.improve(learner, replay, key, goal_index=goal_index, max_rows=max_rows)

    def update(i: Int[Array, ""], carry: tuple[AgentState, Sums]) -> tuple[AgentState, Sums]:
        learner, sums = carry
        learner, metrics = one(learner, jax.random.fold_in(key, i))
        return learner, {name: sums[name] + value for name, value in metrics.items()}

    zeros = {name: jnp.zeros(()) for name in jax.eval_shape(one, learner, key)[1]}
    learner, sums = jax.lax.fori_loop(0, count, update, (learner, zeros))
    sums["count"] = count.astype(jnp.float32)
    return learner, {f"learner/{name}": value for name, value in sums.items()}


def _episode_sums(env: GoalEnv, worlds: EnvState, task: Task) -> Sums:
    """What the episodes that end with this step have to say."""
    ended = worlds.ended.astype(jnp.float32)
    sums = {
        "episodes/count": ended.sum(),
        "episodes/practice_success_any": (ended * worlds.reached).sum(),
        "episodes/practice_success_final": (ended * env.success(worlds)).sum(),
        "episodes/practice_time_at_goal": (ended * worlds.steps_at_goal / worlds.length).sum(),
    }
    if task.contract.healthy:
        sums["episodes/terminated"] = (ended * worlds.terminated).sum()
    return sums
