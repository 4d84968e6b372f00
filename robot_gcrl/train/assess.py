"""The success of a trained run: its checkpoint on fresh worlds, as JSON and as a table."""

import math
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp

from robot_gcrl.agents.crl.agent import Agent, AgentState
from robot_gcrl.contract.realism import LEVELS, Level
from robot_gcrl.errors import ConfigError
from robot_gcrl.physics.make import EngineName
from robot_gcrl.task.registry import load_task
from robot_gcrl.task.task import Task
from robot_gcrl.train.checkpoint import CheckpointInfo, RunFolder
from robot_gcrl.train.evaluate import (
    Act,
    Evaluator,
    Goals,
    PolicyMean,
    by_region,
    check_episodes,
    evaluation_key,
    make_evaluator,
    policy_best,
    policy_mean,
    summary,
)
from robot_gcrl.train.loop import learner_of

Checkpoint = Literal["best", "last"]

_LARGEST_SEED = 2**32 - 1
# 256 worlds of width 256 then need 256 MiB for each layer of the critic
_MOST_SAMPLES = 1024


def evaluate_run(
    path: Path,
    *,
    episodes: int = 1024,
    goals: Goals = "eval",
    engine: EngineName = "auto",
    seed: int = 0,
    checkpoint: Checkpoint = "best",
    beside: bool = False,
    randomize: Level = "off",
    best_of: int = 0,
    spread: float = 1.0,
) -> dict[str, Any]:
    """Runs whole episodes with the policy and returns its success, ready for JSON.

    Args:
      path: run folder.
      episodes: each with its own start and goal.
      goals: which distribution they are drawn from.
      engine: what steps the worlds.
      seed: of starts and goals; never those of training.
      checkpoint: which of the run's checkpoints.
      beside: whether the zero and the uniformly random policy are measured too, on the same
        starts and goals.
      randomize: level of realism up to which the policy is measured too, each in "levels", on the
        same starts and goals.
      best_of: how many actions are sampled at each step, of which and of the policy's mean the
        critic picks one; 0 or 1 is the mean alone. With `beside` the mean is measured too.
      spread: factor of the policy's standard deviation in these samples.

    Raises:
      RobotGcrlError: no such run, checkpoint or level, or a number out of range.
    """
    check_numbers(episodes=episodes, seed=seed, best_of=best_of, spread=spread)
    task, agent, state, info = restore_policy(path, checkpoint, seed)
    task.level(randomize)
    picks = best_of > 1
    if picks and not agent.has_critic:
        raise ConfigError(
            f"best_of is {best_of} and the run {path} is of an algorithm without a critic of "
            "actions. Expected one of crl, sac_her or td3_her. Leave --best-of out."
        )
    if picks and agent.config.chunk > 1:
        raise ConfigError(
            f"best_of is {best_of} and the agent decides on {agent.config.chunk} actions at once. "
            "Expected an agent of single actions. Leave --best-of out."
        )
    act = policy_best(agent, samples=best_of, spread=spread) if picks else policy_mean(agent)

    def measure(act: Act | PolicyMean, policy: AgentState, level: Level = "off") -> dict[str, Any]:
        evaluator = make_evaluator(
            task, act, engine=engine, goals=goals, episodes=episodes, randomize=level
        )
        return _measured(task, evaluator, policy, seed=seed, episodes=episodes)

    result = {
        "run": str(path),
        "task": task.name,
        "checkpoint": checkpoint,
        "control_steps": info.control_steps,
        "training_seconds": info.seconds,
        "goals": goals,
        "episodes": episodes,
        "episode_length": task.episode_length,
        "seed": seed,
    }
    if picks:
        result |= {"best_of": best_of, "spread": spread}
    result |= measure(act, state)
    levels: tuple[Level, ...] = LEVELS[1 : LEVELS.index(randomize) + 1]
    measured: list[Level] = [level for level in levels if task.realism.get(level)]
    if measured:
        result["levels"] = {level: measure(act, state, level) for level in measured}
    if beside:
        if picks:
            result["mean"] = measure(policy_mean(agent), state)
        result["zero"] = measure(_zero(task), state)
        result["random"] = measure(_random(task), state)
    return result


def check_numbers(*, episodes: int, seed: int, best_of: int, spread: float) -> None:
    """Refuses numbers that `evaluate_run` cannot follow; its arguments.

    Raises:
      ConfigError: one is out of range.
    """
    check_episodes(episodes)
    check_seed(seed)
    if not 0 <= best_of <= _MOST_SAMPLES:
        raise ConfigError(
            f"best_of is {best_of}. Expected 0 (the policy's mean) to {_MOST_SAMPLES}. Change "
            "--best-of."
        )
    if not 0.0 < spread < math.inf:
        raise ConfigError(f"spread is {spread}. Expected a finite number above 0. Change --spread.")
    if best_of <= 1 and spread != 1.0:
        raise ConfigError(
            f"spread is {spread} and best_of is {best_of}. Expected samples that it spreads. Set "
            "--best-of to 2 or more, or leave --spread out."
        )


def check_seed(seed: int) -> None:
    """Refuses what is no seed of starts and goals.

    Raises:
      ConfigError: it is out of range.
    """
    if not 0 <= seed <= _LARGEST_SEED:
        raise ConfigError(f"seed is {seed}. Expected 0 to {_LARGEST_SEED}. Change --seed.")


def restore_policy(
    path: Path, checkpoint: Checkpoint, seed: int
) -> tuple[Task, Agent, AgentState, CheckpointInfo]:
    """Task, agent, the state of a run's checkpoint as it is served, and when it was saved.

    Raises:
      RobotGcrlError: no such run or checkpoint, a task that is another one now, or a seed out of
        range.
    """
    check_seed(seed)
    folder = RunFolder.open(path)
    task = load_task(folder.config.task, maze=folder.config.maze)
    folder.require_contract(task.contract.sha256)
    agent = learner_of(task, folder.config)
    template = jax.eval_shape(agent.init, jax.random.key(0))
    state, info = folder.restore_agent(checkpoint, template)
    return task, agent, agent.served(state), info


def format_table(result: dict[str, Any]) -> str:
    """The result of `evaluate_run` as lines for a terminal."""
    minutes = result["training_seconds"] / 60.0
    lines = [
        f"{result['task']}: {result['episodes']} episodes, {result['goals']} goals, checkpoint "
        f"{result['checkpoint']} ({result['control_steps']:,} control steps, {minutes:.1f} min)",
        f"{'':26} {'any':>22} {'final':>22} {'time at goal':>14} {'distance':>9}",
    ]
    name = f"best of {result['best_of']}" if "best_of" in result else "policy"
    lines.append(_line(name, result))
    lines += [_line(f"  {region}", row) for region, row in result["regions"].items()]
    levels = result.get("levels", {})
    lines += [_line(f"realism {level}", row) for level, row in levels.items()]
    lines += [_line(name, result[name]) for name in ("mean", "zero", "random") if name in result]
    return "\n".join(lines)


def _line(name: str, row: dict[str, Any]) -> str:
    def rate(key: str) -> str:
        low, high = row[key]["ci95"]
        return f"{row[key]['mean']:7.1%} [{low:.1%}, {high:.1%}]"

    return (
        f"{name:26} {rate('success_any'):>22} {rate('success_final'):>22} "
        f"{row['time_at_goal']['mean']:14.1%} {row['distance']['mean']:9.3f}"
    )


def _measured(
    task: Task, evaluator: Evaluator, policy: AgentState, *, seed: int, episodes: int
) -> dict[str, Any]:
    outcome = evaluator.episodes(policy, key=evaluation_key(seed), episodes=episodes)
    return summary(outcome) | {"regions": by_region(task, outcome)}


def _zero(task: Task) -> Act:
    size = task.contract.action_size
    return lambda state, observation, goal, key: jnp.zeros((observation.shape[0], size))


def _random(task: Task) -> Act:
    size = task.contract.action_size
    return lambda state, observation, goal, key: jax.random.uniform(
        key, (observation.shape[0], size), minval=-1.0, maxval=1.0
    )
