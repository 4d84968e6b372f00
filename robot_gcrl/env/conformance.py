"""Whether a task keeps the rules of a task, in a form for people and programs.

What can be tried without physics is in `robot_gcrl.task.check`; here short episodes of the task are
stepped as well.
"""

import dataclasses
import itertools
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from robot_gcrl.env.goal_env import GoalEnv
from robot_gcrl.env.state import EnvState
from robot_gcrl.errors import EngineError
from robot_gcrl.physics.make import make_engine
from robot_gcrl.task.check import Check, check_task
from robot_gcrl.task.check_model import goal_faults
from robot_gcrl.task.registry import load_task
from robot_gcrl.task.task import Task

_WORLDS = 8
_EPISODE = 4  # control steps
_EPISODES = 3

_ENGINE = "An engine can step the model."
_FINITE = f"Random actions leave finite observations for {_EPISODE} control steps."


class _Episodes(NamedTuple):
    """What was seen in the control steps T of all episodes, T = episodes * (_EPISODE + 1).

    The first axis begins at the start of the first episode; the worlds reset together.

    Attributes:
      qpos: [T, N, nq].
      qvel: [T, N, nv].
      observation: [T, N, O].
      goal: [T, N, G].
      achieved: [T, N, G].
      step: [T, N], control steps since the start.
      diverged: [T, N].
    """

    qpos: Any
    qvel: Any
    observation: Any
    goal: Any
    achieved: Any
    step: Any
    diverged: Any


def conformance(
    reference: str, *, maze: Path | None = None, engine: str = "auto"
) -> dict[str, Any]:
    """What was checked of a task: task, `ok`, engines, and each requirement with its problems.

    Args:
      reference: a name of `task_names()`, or FILE.py:NAME.
      maze: a text grid, for tasks that take one.
      engine: what takes some steps of it.

    Raises:
      RobotGcrlError: there is no such task, or it cannot be built.
    """
    task = load_task(reference, maze=maze)
    checks = check_task(task)
    limits = any(check.limits for check in checks)
    if not any(check.problems for check in checks):
        fitting = "native" if limits and engine == "auto" else engine
        checks = (*checks, *check_episodes(task, fitting))
    return {
        "task": task.name,
        "ok": not any(check.problems for check in checks),
        "engines": ["native"] if limits else ["native", "mjx"],
        "checks": [
            {
                "requirement": check.requirement,
                "problems": list(check.problems),
                "limits": list(check.limits),
            }
            for check in checks
        ],
    }


def format_findings(findings: dict[str, Any]) -> str:
    """The findings as text, one requirement a line, its problems beneath it."""
    lines = []
    for check in findings["checks"]:
        word = "fails" if check["problems"] else "no" if check["limits"] else "ok"
        lines.append(f"{word:<6}{check['requirement']}")
        lines += [f"      {text}" for text in (*check["problems"], *check["limits"])]
    if not findings["ok"]:
        verdict = "does not keep the rules."
    elif "mjx" in findings["engines"]:
        verdict = "keeps the rules, on the engines native and mjx."
    else:
        verdict = "keeps the rules, on the engine native alone: train it with --engine native."
    return "\n".join((*lines, f"Task {findings['task']!r} {verdict}"))


def check_episodes(task: Task, engine: str) -> tuple[Check, ...]:
    """Steps some short episodes of a task that `check_task` found without problems."""
    short = dataclasses.replace(task, episode_length=_EPISODE)
    try:
        stepper = make_engine(
            engine, short.model, num_worlds=_WORLDS, substeps=short.substeps, overlap=False
        )
    except EngineError as error:
        return (Check(_ENGINE, (str(error),)),)
    env = GoalEnv(short, stepper, goals="train")
    run = jax.jit(lambda key: _random_episodes(env, key))
    seen = jax.tree.map(np.asarray, run(jax.random.key(0)))
    again = jax.tree.map(np.asarray, run(jax.random.key(0)))
    problems = []
    if not np.isfinite(seen.observation).all():
        problems.append("Some observations are not finite.")
    if seen.diverged.any():
        problems.append(f"The physics of {stepper.name} diverged: lower its timestep.")
    if problems:
        return (Check(_FINITE, tuple(problems)),)
    same = all(np.array_equal(a, b) for a, b in zip(seen, again, strict=True))
    return (
        Check(_FINITE, ()),
        Check("The same seed gives the same episodes.", () if same else (_UNEQUAL,)),
        Check("Every reset draws a new start and a new goal.", _stale(seen)),
        Check(_NAMED_GOAL, _misread(short, seen)),
    )


_UNEQUAL = "Two runs of equal seeds differ: something remembers, or draws without the key."
_NAMED_GOAL = "The achieved goal of every step is the quantity that the contract names."


def _stale(seen: _Episodes) -> tuple[str, ...]:
    """Starts and goals that some reset did not draw anew in any of the worlds."""
    resets = seen.step[:, 0] == 0
    problems = []
    for name, values in (
        ("start", np.concatenate((seen.qpos, seen.qvel), -1)[resets]),
        ("goal", seen.goal[resets]),
    ):
        # Goals out of few cells repeat by chance, though not in every world at once
        kept = [(a == b).all() for a, b in itertools.pairwise(values)]
        if any(kept):
            problems.append(f"A reset left every world the {name} of the episode before.")
    return tuple(problems)


def _misread(task: Task, seen: _Episodes) -> tuple[str, ...]:
    """Achieved goals that differ from MuJoCo's own quantity in the same state."""
    parts = (seen.qpos, seen.qvel, seen.achieved)
    qpos, qvel, achieved = (part.reshape(-1, part.shape[-1]) for part in parts)
    return tuple(goal_faults(task, qpos, qvel, achieved))


def _random_episodes(env: GoalEnv, key: jax.Array) -> _Episodes:
    def step(state: EnvState, keys: jax.Array) -> tuple[EnvState, _Episodes]:
        action = jax.random.uniform(keys[0], state.previous_ctrl.shape, minval=-1.0, maxval=1.0)
        return env.step(state, action, keys[1]), _seen(env, state)

    start_key, run_key = jax.random.split(key)
    keys = jax.random.split(run_key, (_EPISODES * (_EPISODE + 1), 2))
    return jax.lax.scan(step, env.init(start_key), keys)[1]


def _seen(env: GoalEnv, state: EnvState) -> _Episodes:
    return _Episodes(
        qpos=state.physics.qpos,
        qvel=state.physics.qvel,
        observation=env.observation(state),
        goal=state.goal,
        achieved=env.achieved(state),
        step=state.step,
        diverged=state.physics.diverged,
    )
