"""Whole episodes of a policy in simulation, as rows of a dataset.

Episodes run in batches of N worlds, one episode in each, from its start to its end: worlds that end
early wait for the others, for what they would begin meanwhile would be short episodes only.
"""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from robot_gcrl import __version__
from robot_gcrl.agents.crl.agent import Agent, AgentState, Queue
from robot_gcrl.env.goal_env import EnvState, GoalEnv
from robot_gcrl.errors import ConfigError
from robot_gcrl.task.task import Task
from robot_gcrl.train.assess import Checkpoint, check_seed
from robot_gcrl.train.dataset_file import Rows
from robot_gcrl.train.evaluate import Column, Goals, make_worlds
from robot_gcrl.train.memory import host_available_bytes
from robot_gcrl.train.teacher import load_teacher

Actions = Literal["mean", "sampled", "random"]

# Folded into the seed, apart from every key that training and evaluation use
_KEY = 0xDA7A
# What was recorded, the same without what is beyond episodes' ends, and all of it in one array
_COPIES = 3


class _Frames(NamedTuple):
    """Rows of N worlds, [T, N, ..], or of one episode, [T, ..]."""

    observation: Column
    action: Column
    ended: Column
    terminated: Column
    qpos: Column
    qvel: Column
    goal: Column
    diverged: Column


def policy_rows(
    source: Path,
    *,
    episodes: int = 1000,
    goals: Goals = "train",
    actions: Actions | None = None,
    seed: int = 0,
    engine: str = "auto",
    checkpoint: Checkpoint = "best",
    task: str | None = None,
    num_envs: int = 256,
) -> Rows:
    """Records whole episodes of a policy, each with its own start and goal.

    Args:
      source: run folder or policy file.
      episodes: how many.
      goals: which distribution starts and goals are drawn from.
      actions: "sampled" from the policy, its "mean", or "random": uniform in [-1, 1]; None samples
        where the standard deviations are known, as of a run folder, and else takes the mean.
      seed: of everything random.
      engine: what steps the worlds.
      checkpoint: of a run folder.
      task: of a policy file, if it is not the one of the same name.
      num_envs: the most worlds that are stepped side by side.

    Raises:
      RobotGcrlError: no such source, a number out of range, or more than memory holds.
    """
    for name, value in (("episodes", episodes), ("num_envs", num_envs)):
        if value < 1:
            raise ConfigError(
                f"{name} is {value}. Expected a whole number of 1 or more. Change "
                f"--{name.replace('_', '-')}."
            )
    check_seed(seed)
    teacher = load_teacher(source, task=task, checkpoint=checkpoint, needs_critic=False)
    actions = actions or ("sampled" if teacher.spreads else "mean")
    if actions == "sampled" and not teacher.spreads:
        raise ConfigError(
            f"--actions sampled of {source}, a file of the means alone. Expected a policy whose "
            "standard deviations are known. Name the run folder that it was exported from, or "
            "choose --actions mean."
        )
    _check_memory(teacher.task, episodes)
    worlds = min(episodes, num_envs)
    env = make_worlds(teacher.task, engine=engine, goals=goals, worlds=worlds)
    run = jax.jit(_recorder(env, teacher.agent, actions))
    key = jax.random.fold_in(jax.random.key(seed), _KEY)
    batches, missing = [], episodes
    for i in range(-(-episodes // worlds)):
        frames = jax.device_get(run(teacher.state, jax.random.fold_in(key, i)))
        batches.append(_whole_episodes(frames, min(missing, worlds)))
        missing -= worlds
    summary = {
        "source": str(source.resolve()),
        "goals": goals,
        "actions": actions,
        "seed": seed,
        "checkpoint": checkpoint if source.is_dir() else None,
    }
    return _rows(batches, teacher.task, summary)


def _recorder(env: GoalEnv, agent: Agent, actions: Actions) -> Any:
    def act(
        policy: AgentState, worlds: EnvState, queue: Queue, key: Array
    ) -> tuple[Float[Array, "N A"], Queue]:
        if actions == "random":
            shape = env.num_worlds, agent.action_size
            return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0), queue
        observation, goal = env.observation(worlds), env.goal_input(worlds)
        return agent.command(policy, observation, goal, queue, None if actions == "mean" else key)

    def run(policy: AgentState, key: Array) -> _Frames:
        start_key, run_key = jax.random.split(key)

        def step(carry: tuple[EnvState, Queue], i: Array) -> tuple[tuple[EnvState, Queue], _Frames]:
            worlds, queue = carry
            act_key, env_key = jax.random.split(jax.random.fold_in(run_key, i))
            action, queue = act(policy, worlds, queue, act_key)
            frames = _Frames(
                observation=env.observation(worlds),
                # Of an episode's last row nothing is executed
                action=jnp.where(worlds.ended[:, None], 0.0, action),
                ended=worlds.ended,
                terminated=worlds.terminated,
                qpos=worlds.physics.qpos,
                qvel=worlds.physics.qvel,
                goal=worlds.goal,
                diverged=worlds.physics.diverged,
            )
            return (env.step(worlds, action, env_key), queue), frames

        start = env.init(start_key)
        begin = agent.served_queue if actions == "mean" else agent.empty_queue
        carry = start, begin(env.num_worlds)
        return jax.lax.scan(step, carry, jnp.arange(env.task.episode_length + 1))[1]

    return run


def _whole_episodes(frames: _Frames, count: int) -> list[_Frames]:
    """The first episode of each of `count` worlds, [rows, ..]."""
    lengths = np.argmax(frames.ended, axis=0) + 1
    # What a diverged step holds is of no episode: no action led there
    lengths = lengths - np.asarray(frames.diverged)[lengths - 1, np.arange(len(lengths))]
    # One row: a start that diverged
    kept = ((world, rows) for world, rows in enumerate(lengths.tolist()[:count]) if rows > 1)
    return [_episode(frames, world, rows) for world, rows in kept]


def _episode(frames: _Frames, world: int, rows: int) -> _Frames:
    episode = _Frames(*(np.array(column[:rows, world]) for column in frames))
    np.asarray(episode.ended)[-1] = True
    np.asarray(episode.action)[-1] = 0.0
    return episode


def _rows(batches: list[list[_Frames]], task: Task, summary: dict[str, Any]) -> Rows:
    episodes = [episode for batch in batches for episode in batch]
    if not episodes:
        raise ConfigError(
            f"No episode of task {task.name!r} got beyond its start. Expected some. Look at "
            f"robot-gcrl check {task.name}"
        )
    columns = _Frames(*(np.concatenate(column) for column in zip(*episodes, strict=True)))
    return Rows(
        actions=np.asarray(columns.action),
        terminals=np.asarray(columns.ended),
        terminated=np.asarray(columns.terminated),
        observations=np.asarray(columns.observation),
        qpos=np.asarray(columns.qpos),
        qvel=np.asarray(columns.qvel),
        goals=np.asarray(columns.goal),
        contract=task.contract.canonical_json,
        task=task.name,
        summary=summary | {"episodes": len(episodes), "robot_gcrl": __version__},
    )


def _check_memory(task: Task, episodes: int) -> None:
    contract, model = task.contract, task.model
    numbers = contract.observation_size + contract.action_size + contract.goal_size
    numbers += model.nq + model.nv + 1
    needs = _COPIES * 4 * numbers * episodes * (task.episode_length + 1)
    available = host_available_bytes()
    if available is not None and needs > available:
        raise ConfigError(
            f"{episodes:,} episodes of task {task.name!r} need about {needs:,} bytes of memory. "
            f"Expected at most the {available:,} that are free. Lower --episodes, and record "
            "several files."
        )
