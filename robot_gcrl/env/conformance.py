"""Whether a task keeps the rules of a task, in a form for people and programs.

What can be tried without physics is in `robot_gcrl.task.check`; here the task is stepped as well.
"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from robot_gcrl.env.goal_env import EnvState, GoalEnv
from robot_gcrl.errors import EngineError
from robot_gcrl.physics.make import make_engine
from robot_gcrl.task.check import Check, check_task
from robot_gcrl.task.registry import load_task
from robot_gcrl.task.task import Task

_WORLDS = 8
_STEPS = 4


def conformance(
    reference: str, *, maze: Path | None = None, engine: str = "auto"
) -> dict[str, Any]:
    """What was checked of a task: task, `ok`, and each requirement with its problems.

    Args:
      reference: a name of `task_names()`, or FILE.py:NAME.
      maze: a text grid, for tasks that take one.
      engine: what takes some steps of it.

    Raises:
      RobotGcrlError: there is no such task, or it cannot be built.
    """
    task = load_task(reference, maze=maze)
    checks = check_task(task)
    if not any(check.problems for check in checks):
        checks = (*checks, _check_steps(task, engine))
    return {
        "task": task.name,
        "ok": not any(check.problems for check in checks),
        "checks": [
            {"requirement": check.requirement, "problems": list(check.problems)} for check in checks
        ],
    }


def format_findings(findings: dict[str, Any]) -> str:
    """The findings as text, one requirement a line, its problems beneath it."""
    lines = []
    for check in findings["checks"]:
        lines.append(f"{'fails' if check['problems'] else 'ok':<6}{check['requirement']}")
        lines += [f"      {problem}" for problem in check["problems"]]
    verdict = "keeps the rules." if findings["ok"] else "does not keep the rules."
    return "\n".join((*lines, f"Task {findings['task']!r} {verdict}"))


def _check_steps(task: Task, engine: str) -> Check:
    requirement = f"Random actions leave finite observations for {_STEPS} control steps."
    try:
        stepper = make_engine(
            engine, task.model, num_worlds=_WORLDS, substeps=task.substeps, overlap=False
        )
    except EngineError as error:
        return Check(requirement, (str(error),))
    env = GoalEnv(task, stepper, goals="train")
    state, observations = jax.jit(lambda key: _random_steps(env, key))(jax.random.key(0))
    problems = []
    if not np.isfinite(observations).all():
        problems.append("Some observations are not finite.")
    if np.asarray(state.physics.diverged).any():
        problems.append(f"The physics of {stepper.name} diverged: lower its timestep.")
    return Check(requirement, tuple(problems))


def _random_steps(env: GoalEnv, key: jax.Array) -> tuple[EnvState, jax.Array]:
    def step(state: EnvState, key: jax.Array) -> tuple[EnvState, jax.Array]:
        action_key, env_key = jax.random.split(key)
        shape = state.previous_action.shape
        action = jax.random.uniform(action_key, shape, jnp.float32, -1.0, 1.0)
        state = env.step(state, action, env_key)
        return state, env.observation(state)

    start_key, run_key = jax.random.split(key)
    return jax.lax.scan(step, env.init(start_key), jax.random.split(run_key, _STEPS))
