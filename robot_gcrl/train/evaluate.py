"""Success on whole episodes, on worlds of their own, with the policy's mean action.

Success is measured on the state after each step: `any` (within the radius at some step), `final`
(at the last step), `time at goal` (fraction of the episode's steps) and the distance at the end.
Rates carry Wilson score intervals (Wilson 1927, JASA 22:209-212), means a normal one.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from robot_gcrl.agents.crl.agent import Agent, AgentState, Queue
from robot_gcrl.agents.crl.best import best_action
from robot_gcrl.contract.realism import Level
from robot_gcrl.env.goal_env import EnvState, GoalEnv
from robot_gcrl.errors import ConfigError
from robot_gcrl.physics.make import make_engine
from robot_gcrl.task.task import Task

Goals = Literal["train", "eval"]
Act = Callable[[Any, Float[Array, "N O"], Float[Array, "N G"], Array], Float[Array, "N A"]]

Column = jax.Array | np.ndarray


@dataclass(frozen=True, eq=False)
class PolicyMean:
    """Acts with the mean of an agent's policy, and remembers what is left of its chunks."""

    agent: Agent

    def begin(self, worlds: int) -> Queue:
        """What N worlds remember before their first step."""
        return self.agent.served_queue(worlds)

    def __call__(
        self,
        state: AgentState,
        observation: Float[Array, "N O"],
        goal: Float[Array, "N G"],
        queue: Queue,
    ) -> tuple[Float[Array, "N A"], Queue]:
        """The next action, and what is remembered then."""
        return self.agent.command(state, observation, goal, queue, None)


# z of a two-sided 95% interval
_Z = 1.959964
_MOST_WORLDS = 256


class Outcome(NamedTuple):
    """What E episodes came to, each [E] unless stated.

    Attributes:
      reached: success at some step.
      final: success at the last step.
      time_at_goal: fraction of the task's episode length.
      distance: sum over the success groups at the last step, SI.
      goal: [E, G], commanded, SI.
    """

    reached: Column
    final: Column
    time_at_goal: Column
    distance: Column
    goal: Column


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluator:
    """Runs episodes of a task with any policy.

    Attributes:
      task: the task.
      worlds: episodes that run at once.
      run: (what `act` needs, key) -> Outcome of `worlds` episodes, compiled.
    """

    task: Task
    worlds: int
    run: Callable[[Any, Array], Outcome]

    def episodes(self, policy: Any, *, key: Array, episodes: int) -> Outcome:
        """The outcome (NumPy) of `episodes` episodes, drawn from `key` alone."""
        chunks = [
            jax.device_get(self.run(policy, jax.random.fold_in(key, i)))
            for i in range(-(-episodes // self.worlds))
        ]
        columns = (np.concatenate(column)[:episodes] for column in zip(*chunks, strict=True))
        return Outcome(*columns)


def policy_mean(agent: Agent) -> PolicyMean:
    """Acts with the mean of the policy, its chunks as a policy file executes them."""
    return PolicyMean(agent)


def policy_best(agent: Agent, *, samples: int, spread: float) -> Act:
    """Acts with the action of the highest energy among the mean and samples (`best_action`)."""
    return functools.partial(_best, agent, samples, spread)


def _best(
    agent: Agent, samples: int, spread: float, state: Any, observation: Any, goal: Any, key: Array
) -> Float[Array, "N A"]:
    return best_action(agent, state, observation, goal, key, samples=samples, spread=spread)


def evaluation_key(seed: int) -> Array:
    """The key of evaluation worlds: folded apart from every key that training uses."""
    return jax.random.fold_in(jax.random.key(seed), 0x5EED)


def selection_key(seed: int) -> Array:
    """The key of the worlds by which a run chooses its best checkpoint: apart from both."""
    return jax.random.fold_in(jax.random.key(seed), 0xBE57)


def make_evaluator(
    task: Task,
    act: Act | PolicyMean,
    *,
    engine: str,
    goals: Goals,
    episodes: int,
    randomize: Level = "off",
) -> Evaluator:
    """Builds worlds of their own and compiles whole episodes with `act`.

    Args:
      task: the task.
      act: of an agent, or (policy, observation, goal in observation units, key) -> action.
      engine: as in TrainConfig.
      goals: which distribution of starts and goals.
      episodes: how many will be asked for; no more than 256 run at once.
      randomize: level of realism.

    Raises:
      ConfigError: fewer than one episode.
      TaskError: the task does not have this level.
    """
    check_episodes(episodes)
    worlds = min(episodes, _MOST_WORLDS)
    env = make_worlds(task, engine=engine, goals=goals, worlds=worlds, randomize=randomize)
    run = jax.jit(functools.partial(_episodes, env=env, act=act, length=task.episode_length))
    return Evaluator(task=task, worlds=worlds, run=run)


def check_episodes(episodes: int) -> None:
    """Refuses what is no number of episodes.

    Raises:
      ConfigError: it is less than one.
    """
    if episodes < 1:
        raise ConfigError(f"Cannot evaluate {episodes} episodes. Expected at least 1.")


def make_worlds(
    task: Task, *, engine: str, goals: Goals, worlds: int, randomize: Level = "off"
) -> GoalEnv:
    """Worlds that follow the task alone, without what training adds; arguments as above."""
    stepper = make_engine(
        engine,
        task.model,
        num_worlds=worlds,
        substeps=task.substeps,
        overlap=False,
    )
    return GoalEnv(task, stepper, goals=goals, randomize=randomize)


def _episodes(
    policy: Any, key: Array, *, env: GoalEnv, act: Act | PolicyMean, length: int
) -> Outcome:
    start_key, run_key = jax.random.split(key)
    worlds = env.init(start_key)

    def step(
        carry: tuple[EnvState, Outcome, Array, Queue], i: Array
    ) -> tuple[tuple[EnvState, Outcome, Array, Queue], None]:
        worlds, outcome, over, queue = carry
        act_key, env_key = jax.random.split(jax.random.fold_in(run_key, i))
        observation, goal = env.observation(worlds), env.goal_input(worlds)
        if isinstance(act, PolicyMean):
            action, queue = act(policy, observation, goal, queue)
        else:
            action = act(policy, observation, goal, act_key)
        worlds = env.step(worlds, action, env_key)
        outcome = jax.tree.map(
            lambda old, new: jnp.where(over.reshape(-1, *[1] * (old.ndim - 1)), old, new),
            outcome,
            _outcome(env, worlds, length),
        )
        return (worlds, outcome, over | worlds.ended, queue), None

    over = jnp.zeros(env.num_worlds, bool)
    # One episode of each world counts: no queue need ever be emptied
    queue = act.begin(env.num_worlds) if isinstance(act, PolicyMean) else ()
    carry = (worlds, _outcome(env, worlds, length), over, queue)
    (_, outcome, _, _), _ = jax.lax.scan(step, carry, jnp.arange(length))
    return outcome


def _outcome(env: GoalEnv, worlds: EnvState, length: int) -> Outcome:
    return Outcome(
        reached=worlds.reached,
        final=env.success(worlds),
        time_at_goal=worlds.steps_at_goal.astype(jnp.float32) / length,
        distance=env.distances(worlds).sum(-1),
        goal=worlds.goal,
    )


def wilson(successes: float, n: int) -> dict[str, Any]:
    """A rate with its 95% Wilson score interval, as JSON."""
    mean = successes / n
    spread = 1.0 + _Z**2 / n
    center = (mean + _Z**2 / (2 * n)) / spread
    half = _Z * np.sqrt(mean * (1 - mean) / n + _Z**2 / (4 * n**2)) / spread
    low, high = max(center - half, 0.0), min(center + half, 1.0)
    return {"mean": float(mean), "ci95": [float(low), float(high)], "n": n}


def mean_interval(values: np.ndarray) -> dict[str, Any]:
    """A mean with its 95% normal interval, as JSON."""
    n = len(values)
    mean = float(values.mean())
    half = float(_Z * values.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
    return {"mean": mean, "ci95": [mean - half, mean + half], "n": n}


def summary(outcome: Outcome) -> dict[str, Any]:
    """success_any, success_final, time_at_goal, distance with intervals, as JSON."""
    n = len(outcome.reached)
    return {
        "success_any": wilson(float(outcome.reached.sum()), n),
        "success_final": wilson(float(outcome.final.sum()), n),
        "time_at_goal": mean_interval(np.asarray(outcome.time_at_goal)),
        "distance": mean_interval(np.asarray(outcome.distance)),
    }


def rates(outcome: Outcome) -> dict[str, float]:
    """The means of `summary` as they stand in metrics.jsonl."""
    return {name: value["mean"] for name, value in summary(outcome).items()}


def by_region(task: Task, outcome: Outcome) -> dict[str, Any]:
    """`summary` for each region of goals that occurred, and for the far ones together."""
    labels = np.asarray(task.regions.label(np.asarray(outcome.goal)))
    rows = {}
    for i, name in enumerate(task.regions.names):
        if (labels == i).any():
            rows[name] = summary(Outcome(*(column[labels == i] for column in outcome)))
    far = np.isin(labels, task.regions.far)
    if far.any() and not far.all():
        rows["far goals"] = summary(Outcome(*(column[far] for column in outcome)))
    return rows


def score(outcome: Outcome) -> float:
    """By what `best` is chosen: the mean of any, final and time at goal, in [0, 1]."""
    parts = (outcome.reached, outcome.final, outcome.time_at_goal)
    return float(np.mean([np.mean(part) for part in parts]))
