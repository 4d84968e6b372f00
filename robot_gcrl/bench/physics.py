"""`robot-gcrl bench physics`: what stepping tasks costs, beside the bare engine in the same run."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Literal

import jax

from robot_gcrl.errors import ConfigError, EngineError
from robot_gcrl.physics.cores import cores
from robot_gcrl.task.registry import load_task, task_names
from robot_gcrl.task.task import Task
from robot_gcrl.train.environment import prepare_environment

Engine = Literal["auto", "native", "mjx"]

# What an environment may cost beyond its engine, and what a program keeps of a bare loop's speed
MOST_COST, LEAST_KEPT = 0.10, 0.85


def bench_physics(
    *,
    tasks: Sequence[str] = (),
    all_tasks: bool = False,
    engine: Engine = "auto",
    num_envs: Sequence[int] = (64, 256, 1024),
    seconds: float = 4.0,
    compilation: bool = True,
) -> dict[str, Any]:
    """Measures every task with every number of worlds, each in a process of its own.

    Args:
      tasks: names, or FILE.py:NAME; none takes one task of each robot.
      all_tasks: take every task there is.
      engine: that steps the worlds; auto is native on a CPU and mjx on an accelerator.
      num_envs: numbers of worlds.
      seconds: of each measurement, without starting and compiling [s].
      compilation: whether MJX compiles the step of each task, which takes a minute for some.

    Returns:
      "engine", "cores", "seconds", "rows" (one for each task and number of worlds), "compilation"
      (one for each task, of MJX) and "goals", ready for JSON.

    Raises:
      RobotGcrlError: no such task, a number out of range, or a process that fails.
    """
    if not (0.0 < seconds < 1e6 and num_envs and min(num_envs) >= 1):
        raise ConfigError(
            f"The benchmark was given {seconds:g} s and {' '.join(map(str, num_envs)) or 'no'} "
            "worlds. Expected more than 0 s, and at least one world. Change --seconds or "
            "--num-envs."
        )
    if tasks and all_tasks:
        raise ConfigError(
            f"The benchmark was given --all and the tasks {', '.join(tasks)}. Expected one of the "
            "two. Leave --all or --task out."
        )
    if engine == "auto":
        engine = "native" if jax.default_backend() == "cpu" else "mjx"
    loaded = _chosen(tasks, all_tasks=all_tasks)
    rows, compiled = [], []
    for name, task in loaded.items():
        about = {"task": name, "robot": task.contract.robot, "substeps": task.substeps}
        for count in num_envs:
            _say(f"{name}: {engine}, {count} worlds, {seconds:g} s")
            row = _measure("rates", name, engine, count, seconds)
            rows.append(about | {"num_envs": count} | row)
        if compilation:
            _say(f"{name}: MJX compiles its step")
            compiled.append(about | _measure("compile", name, "mjx", num_envs[0], seconds))
    result = {"engine": engine, "cores": cores(), "seconds": seconds, "rows": rows}
    return result | {"compilation": compiled, "goals": goals(rows)}


def goals(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Figures that are to be reached on an idle machine, each with the worst that was measured."""
    costs = [row["environment_cost"] for row in rows if "refused" not in row]
    kept = [row["engine_over_bare"] for row in rows if row.get("engine_over_bare") is not None]
    cost, least = max(costs, default=None), min(kept, default=None)
    return [
        {
            "name": "environment's cost beyond the engine",
            "value": cost,
            "limit": MOST_COST,
            "ok": None if cost is None else cost <= MOST_COST,
        },
        {
            "name": "share of a bare loop's speed",
            "value": least,
            "limit": LEAST_KEPT,
            "ok": None if least is None else least >= LEAST_KEPT,
        },
    ]


def _chosen(tasks: Sequence[str], *, all_tasks: bool) -> dict[str, Task]:
    if tasks:
        return {name: load_task(name) for name in tasks}
    loaded = {name: load_task(name) for name in task_names()}
    if all_tasks:
        return loaded
    # The plainest task of each robot, which has the shortest name
    plainest: dict[str, str] = {}
    for name in sorted(loaded, key=lambda name: (len(name), name)):
        plainest.setdefault(loaded[name].contract.robot, name)
    return {name: loaded[name] for name in sorted(plainest.values())}


def _measure(what: str, task: str, engine: str, num_envs: int, seconds: float) -> dict[str, Any]:
    words = [what, task, engine, str(num_envs), str(seconds)]
    command = [sys.executable, "-m", "robot_gcrl.bench.physics_cell", *words]
    environment = dict(os.environ)
    prepare_environment(environment, shares_cores=engine == "native")  # as a training run
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        raise EngineError(
            f"The measurement of {task!r} with {num_envs} worlds on {engine} ended with code "
            f"{ended.returncode}. Expected it to finish. Try fewer worlds with --num-envs, or see "
            f"why: python -m robot_gcrl.bench.physics_cell {' '.join(words)}."
        )
    return json.loads(ended.stdout)


def _say(text: str) -> None:
    sys.stderr.write(f"bench physics, {text}\n")
    sys.stderr.flush()
