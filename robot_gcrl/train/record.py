"""Whole episodes of a trained policy, every state kept: what a film is made of."""

from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from robot_gcrl.agents.crl.agent import AgentState, Queue
from robot_gcrl.env.goal_env import EnvState
from robot_gcrl.task.task import Task
from robot_gcrl.train.assess import Checkpoint, restore_policy
from robot_gcrl.train.evaluate import Goals, evaluation_key, make_worlds, policy_mean


class Recorded(NamedTuple):
    """One episode.

    Attributes:
      qpos: [T + 1, nq], from the start to the last step.
      goal: [G], SI.
    """

    qpos: np.ndarray
    goal: np.ndarray


class _Frames(NamedTuple):
    qpos: Float[Array, "T N nq"]
    ended: Bool[Array, "T N"]


def record_episodes(
    path: Path,
    *,
    episodes: int,
    goals: Goals = "eval",
    engine: str = "auto",
    seed: int = 0,
    checkpoint: Checkpoint = "best",
) -> tuple[Task, list[Recorded]]:
    """The task of a run, and episodes of its policy's mean action.

    Args:
      path: run folder.
      episodes: how many, all at once; each with its own start and goal.
      goals: which distribution they are drawn from.
      engine: what steps the worlds.
      seed: of starts and goals.
      checkpoint: which of the run's checkpoints.

    Raises:
      RobotGcrlError: no such run or checkpoint.
    """
    task, agent, policy, _ = restore_policy(path, checkpoint, seed)
    act = policy_mean(agent)
    env = make_worlds(task, engine=engine, goals=goals, worlds=episodes)

    def run(policy: AgentState, key: Array) -> tuple[EnvState, _Frames]:
        def step(
            carry: tuple[EnvState, Queue], key: Array
        ) -> tuple[tuple[EnvState, Queue], _Frames]:
            worlds, queue = carry
            action, queue = act(policy, env.observation(worlds), env.goal_input(worlds), queue)
            after = env.step(worlds, action, key)
            return (after, queue), _Frames(after.physics.qpos, after.ended)

        start_key, run_key = jax.random.split(key)
        start = env.init(start_key)
        keys = jax.random.split(run_key, task.episode_length)
        _, frames = jax.lax.scan(step, (start, act.begin(episodes)), keys)
        return start, frames

    start, frames = jax.device_get(jax.jit(run)(policy, evaluation_key(seed)))
    return task, [_episode(start, frames, world) for world in range(episodes)]


def _episode(start: EnvState, frames: _Frames, world: int) -> Recorded:
    # The step after the end is the start of the next episode
    length = int(np.argmax(frames.ended[:, world])) + 1
    steps = frames.qpos[:length, world]
    qpos = np.concatenate((start.physics.qpos[None, world], steps))
    return Recorded(qpos, np.asarray(start.goal[world]))
