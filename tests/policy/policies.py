"""Agents whose every weight matters, and their policy files."""

import functools
from pathlib import Path
from typing import Any

import jax
import numpy as np

from robot_gcrl.agents.crl.agent import Agent, make_agent
from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.agents.crl.state import AgentState
from robot_gcrl.contract import Contract
from robot_gcrl.contract.observe import observe
from robot_gcrl.policy.export import export_policy
from robot_gcrl.policy.runtime.file import PolicyFile, read_policy
from robot_gcrl.task.goals import box_goals
from robot_gcrl.task.regions import distance_regions
from robot_gcrl.task.starts import floating_starts
from robot_gcrl.task.task import Budget, Distribution, Hints, Task
from tests import naive
from tests.contract.contracts import make_contract, make_spec

TRAINING = {"control_steps": 4096, "gradient_steps": 64, "seconds": 1.5, "seed": 0}
# At the origin, as inputs of random_steps are around 0
POSE = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def make_task(contract: Contract | None = None) -> Task:
    """A task of the contract with every kind of field; nothing of it is ever stepped."""
    contract = contract or make_contract()
    starts = floating_starts(
        POSE, np.zeros((1, 2)), jitter=0.5, joints=0.8, velocity=0.5, any_heading=True
    )
    low, high = (bound.tolist() for bound in contract.goal_bounds)
    return Task(
        contract=contract,
        scene=make_spec(),
        episode_length=20,
        train=Distribution(start=starts, goal=box_goals(low, high)),
        eval=Distribution(start=starts, goal=box_goals(low, high)),
        regions=distance_regions((0.5,), origin=(1.0, 0.0, 0.0), unit="m"),
        hints=Hints(horizon=2.0, budgets={"smoke": Budget(control_steps=1, gradient_steps=1)}),
        summary="A box.",
    )


def make_perturbed(
    contract: Contract, *, spread: float = 0.3, **settings: object
) -> tuple[Agent, AgentState]:
    """An agent with no weight at its initial value; its means have the deviation `spread` around 0.

    A LayerNorm whose scale is 1 and whose bias is 0, or moments of 0 and 1, could be left out
    unseen.
    """
    config = CrlConfig(**{"width": 32, **settings})  # pyright: ignore[reportArgumentType]
    agent = make_agent(
        config,
        observation_size=contract.observation_size,
        action_size=contract.action_size,
        goal_index=contract.goal_index,
    )
    rng = np.random.default_rng(0)
    empty = jax.eval_shape(agent.init, jax.random.key(0))
    state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), empty)
    size = contract.observation_size
    variance = rng.uniform(0.1, 1.0, size).astype(np.float32)
    # Of an angular velocity, whose numbers are small; elsewhere the floor would drown the others
    variance[size // 2] = 1e-6
    mean = rng.normal(0.0, 0.3, size).astype(np.float32)
    moments = state.moments._replace(mean=mean, variance=variance)
    actor = jax.tree_util.tree_map_with_path(functools.partial(_random_leaf, rng), state.actor)
    critic = jax.tree_util.tree_map_with_path(
        functools.partial(_random_leaf, np.random.default_rng(1)), state.critic
    )
    state = state._replace(actor=actor, critic=critic, moments=moments)
    # The residual sum of a deep trunk would saturate every action
    means = naive_mean(contract, agent, state, random_steps(contract))
    factor = (spread / means.std(axis=0)).astype(np.float32)
    kernel, bias = actor["head"]["kernel"].copy(), actor["head"]["bias"].copy()
    size = agent.config.chunk * contract.action_size
    kernel[:, :size] *= factor
    bias[:size] = (bias[:size] - means.mean(axis=0)) * factor + 0.1
    return agent, state._replace(actor=actor | {"head": {"kernel": kernel, "bias": bias}})


def _random_leaf(rng: np.random.Generator, path: tuple[Any, ...], leaf: np.ndarray) -> np.ndarray:
    name = path[-1].key
    if name == "kernel":
        value = rng.normal(0.0, 1.0 / np.sqrt(leaf.shape[-2]), leaf.shape)
    else:
        value = rng.normal(float(name == "scale"), 0.3, leaf.shape)
    return value.astype(np.float32)


def naive_mean(
    contract: Contract, agent: Agent, state: AgentState, steps: tuple[np.ndarray, ...]
) -> np.ndarray:
    """What a whole chunk is tanh of, in float64, from the arguments of a step."""
    inputs, goal, previous_action = steps[:3]
    observation = observe(contract, inputs, previous_action).astype(np.float64)
    goal = goal * contract.goal_scale.astype(np.float64)
    if agent.config.normalize_observations:
        mean, deviation = (np.asarray(x, np.float64) for x in state.moments[1:])
        deviation = np.maximum(np.sqrt(deviation), 0.01)
        index = contract.goal_index
        observation = np.clip((observation - mean) / deviation, -100.0, 100.0)
        goal = np.clip((goal - mean[index]) / deviation[index], -100.0, 100.0)
    outputs = naive.residual_network(np.hstack([observation, goal]), state.actor)
    means, log_std = naive.split_output(outputs)
    if agent.config.eval_action == "mean":
        return means / np.sqrt(1.0 + 0.5 * np.pi * np.exp(2.0 * log_std))
    return means


def random_steps(contract: Contract, count: int = 256, seed: int = 0) -> tuple[np.ndarray, ...]:
    """The arguments of a step, of no state that a robot need be in."""
    rng = np.random.default_rng(seed)
    low, high = contract.action.ctrl_range
    size = contract.action_size
    arrays = (
        rng.normal(0.0, 0.7, (count, len(contract.inputs))),
        rng.uniform(*contract.goal_bounds, (count, contract.goal_size)),
        rng.uniform(-1.0, 1.0, (count, contract.previous_action_size)),
        rng.uniform(low, high, (count, size)),
    )
    return tuple(array.astype(np.float32) for array in arrays)


def make_file(
    path: Path,
    contract: Contract | None = None,
    *,
    spread: float = 0.3,
    with_critic: bool = False,
    **settings: object,
) -> PolicyFile:
    """The policy file of such an agent."""
    task = make_task(contract)
    agent, state = make_perturbed(task.contract, spread=spread, **settings)
    return read_policy(
        export_policy(task, agent, state, path, training=TRAINING, with_critic=with_critic)
    )
