"""Presets: settings by size of machine and purpose, made concrete by a task's hints.

A preset holds what does not depend on the task. Hints are physical (seconds, metres, shares);
`make_train_config` turns them into settings per control step, takes the budget of the preset, and
lets what the user wrote win.
"""

import dataclasses
from pathlib import Path
from typing import Any, get_args

import jax

from robot_gcrl.agents.baselines.config import Algorithm, unread
from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.errors import ConfigError, unknown_name
from robot_gcrl.task.task import Budget, Task
from robot_gcrl.train.collecting import refuse_collecting, refuse_idle, refuse_unread
from robot_gcrl.train.config import Engine, Preset, TrainConfig, override

# What hints add that is not part of the published method
_PRACTICE = (
    "goal_switch_probability",
    "near_goal_radius",
    "near_goal_share",
    "random_start_share",
)

_OURS = {
    "agent.final_norm": True,
    "agent.head_init": "small",
    "agent.normalize_observations": True,
    "agent.learning_rate": 6e-4,
    "agent.ema_decay": 0.998,
    "agent.temperature_learning_rate": 3e-3,
    "agent.initial_log_temperature": -2.5,
}

PRESETS: dict[Preset, dict[str, Any]] = {
    # For an accelerator: deep and with large batches, which arXiv 2503.14858 gains by; not measured
    "default": _OURS
    | {
        "num_envs": 1024,
        "replay_capacity": 10_000,
        "rollout": 64,
        "prefill": 128,
        "eval_episodes": 1024,
        "evaluations": 50,
        "checkpoint_interval": 300.0,
        "agent.depth": 16,
        "agent.actor_depth": 16,
        "agent.width": 256,
        "agent.batch_size": 1024,
        "agent.learning_rate": 3e-4,
    },
    # The published settings (arXiv 2503.14858), for comparison with its curves
    "paper": {
        "num_envs": 512,
        "replay_capacity": 10_000,
        "rollout": 62,
        "prefill": 1000,
        "eval_episodes": 512,
        "evaluations": 50,
        "checkpoint_interval": 300.0,
        "control_steps_per_update": 40.0,
        "agent.depth": 4,
        "agent.actor_depth": 4,
        "agent.width": 256,
        "agent.batch_size": 512,
        "agent.learning_rate": 3e-4,
        "agent.gamma": 0.99,
    },
    # The same as default at the size of a few CPU cores
    "laptop": _OURS
    | {
        "num_envs": 256,
        "replay_capacity": 4000,
        "rollout": 32,
        "prefill": 32,
        "eval_episodes": 128,
        "evaluations": 16,
        "checkpoint_interval": 60.0,
        "agent.depth": 4,
        "agent.actor_depth": 4,
        "agent.width": 128,
        "agent.batch_size": 256,
    },
    # Seconds, for tests; the replay is so small that it wraps
    "smoke": _OURS
    | {
        "num_envs": 16,
        "replay_capacity": 96,
        "rollout": 16,
        "prefill": 16,
        "eval_episodes": 16,
        "evaluations": 4,
        "checkpoint_interval": 10.0,
        "agent.depth": 4,
        "agent.actor_depth": 4,
        "agent.width": 32,
        "agent.embedding_size": 16,
        "agent.batch_size": 32,
    },
}

# Of an algorithm, where it differs from the defaults. brax's trainers relabel no goal, so that a
# sparse reward would hardly ever differ from -1; and goals are tens of success radii away
_DENSE = {"baseline.reward": "dense", "baseline.reward_scale": 0.1, "agent.ema_decay": 0.0}
_ALGORITHMS: dict[str, dict[str, Any]] = {"ppo": _DENSE, "sac": _DENSE}


def make_train_config(
    task: Task,
    *,
    task_reference: str,
    preset: str | None = None,
    engine: str = "auto",
    algorithm: str = "crl",
    **overrides: Any,  # by dotted name, each of its field's type
) -> TrainConfig:
    """The settings of a run: preset, made concrete by the task's hints, and what the user wrote.

    Args:
      task: what is trained.
      task_reference: how the user named it, so that the run folder finds it again.
      preset: name of a preset; None is laptop on a CPU, default on an accelerator.
      engine: native, mjx, warp, or auto: native on a CPU, mjx on an accelerator.
      algorithm: crl, sac, sac_her, td3_her, ppo or gcbc.
      overrides: values by dotted name ("seed", "agent.depth"); they win.

    Raises:
      ConfigError: a setting that does not exist or is out of range.
      UnknownNameError: no preset or engine has this name.
    """
    on_cpu = jax.default_backend() == "cpu"
    chosen = preset or ("laptop" if on_cpu else "default")
    if chosen not in PRESETS:
        raise unknown_name("preset", chosen, PRESETS, see="robot-gcrl train --help")
    learned_by = as_algorithm(algorithm)
    given = [name for name, value in overrides.items() if value is not None]
    refuse_unread(learned_by, given)
    if overrides.get("dataset") is not None:
        refuse_collecting(overrides)
        overrides = {"steps": _budget(task, chosen).gradient_steps} | overrides
    settings = _base(task, chosen) | PRESETS[chosen]
    if chosen != "paper":
        settings |= _hinted(task, learned_by)
    agent = {k.removeprefix("agent."): v for k, v in settings.items() if k.startswith("agent.")}
    outer = {k: v for k, v in settings.items() if not k.startswith("agent.")}
    config = TrainConfig(
        task=_located(task_reference),
        preset=chosen,
        engine=_engine(engine, on_cpu=on_cpu),
        run=free_folder(task.name),
        algorithm=learned_by,
        agent=CrlConfig(**agent),
        **outer,
    )
    config = override(config, _ALGORITHMS.get(learned_by, {}) | _absolute(overrides))
    refuse_idle(config, given, starts_anywhere=task.anywhere is not None)
    return config


def _base(task: Task, preset: Preset) -> dict[str, Any]:
    hints, control_dt = task.hints, task.contract.control_dt
    budget = _budget(task, preset)
    interval = hints.goal_switch_interval
    settings = {
        "maze": None,
        "seed": 0,
        "steps": budget.control_steps,
        "minutes": None,
        "control_steps_per_update": budget.control_steps / budget.gradient_steps,
        "overlap": True,
        "physics_threads": 0,
        "randomize": "off",
        "goal_switch_probability": 0.0 if interval is None else min(control_dt / interval, 1.0),
        "near_goal_radius": hints.near_goal_radius,
        "near_goal_share": hints.near_goal_share,
        "random_start_share": hints.random_start_share,
        "agent.gamma": 1.0 - control_dt / hints.horizon,
    }
    if preset == "paper":
        settings |= dict.fromkeys(_PRACTICE, 0.0) | {"near_goal_radius": None}
    return settings


def _hinted(task: Task, algorithm: Algorithm) -> dict[str, Any]:
    """Settings of the agent that the task hints at, but for those that nothing would read."""
    known = [field.name for field in dataclasses.fields(CrlConfig)]
    for name in task.hints.agent:
        if name not in known:
            raise unknown_name(
                f"setting of the agent in the hints of task {task.name!r}:",
                name, known, see="robot-gcrl train --help", lists=False,
            )  # fmt: skip
    hinted = {f"agent.{name}": value for name, value in task.hints.agent.items()}
    return {name: value for name, value in hinted.items() if name not in unread(algorithm)}


def _budget(task: Task, preset: Preset) -> Budget:
    if preset in task.hints.budgets:
        return task.hints.budgets[preset]
    raise ConfigError(
        f"Task {task.name!r} has no budget for the preset {preset!r}. It has: "
        f"{', '.join(sorted(task.hints.budgets))}. Choose one of them with --preset, or add the "
        "budget to the task's hints."
    )


def as_algorithm(name: str) -> Algorithm:
    """The algorithm of this name.

    Raises:
      UnknownNameError: there is none.
    """
    for algorithm in get_args(Algorithm):
        if algorithm == name:
            return algorithm
    raise unknown_name("algorithm", name, get_args(Algorithm), see="robot-gcrl train --help")


def _engine(name: str, *, on_cpu: bool) -> Engine:
    if name == "auto":
        return "native" if on_cpu else "mjx"
    for engine in get_args(Engine):
        if engine == name:
            return engine
    raise unknown_name("engine", name, ("auto", *get_args(Engine)), see="robot-gcrl doctor")


def _located(reference: str) -> str:
    """A user's own task file by its absolute path, so that a resumed run finds it from anywhere."""
    file, colon, name = reference.rpartition(":")
    return f"{Path(file).resolve()}:{name}" if colon else reference


def _absolute(overrides: dict[str, Any]) -> dict[str, Any]:
    given = {name: overrides.get(name) for name in ("maze", "start_from", "dataset")}
    return overrides | {k: Path(v).resolve() for k, v in given.items() if v is not None}


def free_folder(name: str) -> Path:
    """runs/NAME, or the first of runs/NAME-2, runs/NAME-3 and so on that does not exist."""
    folders = (Path("runs") / (f"{name}-{i}" if i > 1 else name) for i in range(1, 10**6))
    return next(folder for folder in folders if not folder.exists())
