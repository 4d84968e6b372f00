"""A policy that is right by construction: it pushes the ball of the task `point` to its goal.

One LayerNorm and pairs of opposite features make a saturating controller of position and velocity:
swish(z) - swish(-z) = z.
"""

import dataclasses
from pathlib import Path

import jax
import numpy as np

from robot_gcrl.agents.crl.agent import Agent, make_agent
from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.agents.crl.state import AgentState
from robot_gcrl.policy.export import export_policy
from robot_gcrl.policy.runtime.file import PolicyFile, read_policy
from robot_gcrl.task.goals import disk_goals
from robot_gcrl.task.registry import load_task
from robot_gcrl.task.task import Task

EPISODE_LENGTH = 24
VELOCITY_GAIN = 0.5  # [s]
SOFTENING = 1.0  # [m]: nearer than that the force falls with the distance


def make_task(**changes) -> Task:
    """The task `point` with goals that are reached within 24 control steps."""
    task = load_task("point")
    near = dataclasses.replace(task.eval, goal=disk_goals(1.5, inner=1.0))
    return dataclasses.replace(
        task, **({"episode_length": EPISODE_LENGTH, "train": near, "eval": near} | changes)
    )


def make_pusher(task: Task) -> tuple[Agent, AgentState]:
    contract = task.contract
    agent = make_agent(
        CrlConfig(width=8, actor_depth=4, final_norm=False, normalize_observations=False),
        observation_size=contract.observation_size,
        action_size=contract.action_size,
        goal_index=contract.goal_index,
    )
    empty = jax.eval_shape(agent.init, jax.random.key(0))
    state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), empty)
    kernel, bias = np.zeros((6, 8), np.float32), np.zeros(8, np.float32)
    head = np.zeros((8, 4), np.float32)
    for axis in range(2):
        for sign, column in ((1.0, 2 * axis), (-1.0, 2 * axis + 1)):
            kernel[4 + axis, column] = sign
            kernel[axis, column] = -sign
            kernel[2 + axis, column] = -sign * VELOCITY_GAIN
            head[column, axis] = sign
    bias[4], bias[5] = SOFTENING, -SOFTENING
    actor = state.actor | {
        "input": {
            "dense": {"kernel": kernel, "bias": bias},
            "norm": {"scale": np.ones(8, np.float32), "bias": np.zeros(8, np.float32)},
        },
        "head": {"kernel": head, "bias": np.zeros(4, np.float32)},
    }
    return agent, state._replace(actor=actor)


def write_pusher(path: Path, task: Task | None = None) -> PolicyFile:
    task = task or make_task()
    return read_policy(export_policy(task, *make_pusher(task), path, training={}))


def shared_pusher(base: Path) -> PolicyFile:
    """The policy file of all tests of a session, written by the first that asks."""
    path = base / "pusher.policy"
    return read_policy(path) if path.exists() else write_pusher(path)
