"""What a run says before it begins: task, engine, devices, sizes, memory, about how long."""

import jax

from robot_gcrl.agents.baselines.config import BRAX
from robot_gcrl.task.task import Task
from robot_gcrl.train.brax_plan import batch_rows, brax_plan
from robot_gcrl.train.budget import total_iterations
from robot_gcrl.train.config import TrainConfig
from robot_gcrl.train.dataset import Dataset
from robot_gcrl.train.forecast import forecast_seconds
from robot_gcrl.train.loop import gradient_steps
from robot_gcrl.train.memory import memory_bytes


def announcement(task: Task, config: TrainConfig, dataset: Dataset | None = None) -> str:
    """A few lines for a person; the times are guesses until the run itself has been measured."""
    contract, agent = task.contract, config.agent
    devices = ", ".join(sorted({device.device_kind for device in jax.devices()}))
    rows = None if dataset is None else dataset.rows
    limit = "" if config.minutes is None else f", at most {config.minutes:g} min"
    return "\n".join(
        (
            f"{task.name}: {task.summary}",
            f"  engine   {config.engine}, {_worlds(config)}, learner on {devices}",
            *_data(dataset),
            f"  sizes    observation {contract.observation_size}, action {contract.action_size}, "
            f"goal {contract.goal_size}, episodes of {task.episode_length} x "
            f"{contract.control_dt:g} s",
            f"  agent    {_algorithm(config)}depth {agent.depth}, width {agent.width}, "
            f"batch {batch_rows(config)}, "
            f"gamma {agent.gamma:g}, preset {config.preset}",
            *_realism(config),
            f"  budget   {_budget(config)}{limit}",
            f"  time     {_time(forecast_seconds(task, config), config.minutes)}",
            f"  memory   {_mebibytes(task, config, rows):,.0f} MiB",
            f"  folder   {config.run} (seed {config.seed})",
        )
    )


def _worlds(config: TrainConfig) -> str:
    return "for evaluations" if config.dataset is not None else f"{config.num_envs} worlds"


def _data(dataset: Dataset | None) -> tuple[str, ...]:
    if dataset is None:
        return ()
    return (f"  data     {dataset.path}: {dataset.rows:,} rows, {dataset.episodes:,} episodes",)


def _algorithm(config: TrainConfig) -> str:
    return "" if config.algorithm == "crl" else f"{config.algorithm}, "


def _budget(config: TrainConfig) -> str:
    if config.dataset is not None:
        return f"{config.steps:,} gradient steps"
    if config.algorithm in BRAX:
        plan = brax_plan(config)
        steps, gradients = plan.total_control_steps, plan.total_gradient_steps
        return f"{steps:,} control steps, {gradients:,} gradient steps, {plan.epochs} epochs"
    updates = gradient_steps(config, total_iterations(config))
    first = config.num_envs * config.prefill
    nothing = f": all of them within the {first:,} of the prefill, nothing is learned"
    return f"{config.steps:,} control steps, {updates:,} gradient steps{'' if updates else nothing}"


def _mebibytes(task: Task, config: TrainConfig, rows: int | None) -> float:
    return memory_bytes(task.contract, task.model, config, rows) / 2**20


def _realism(config: TrainConfig) -> tuple[str, ...]:
    return () if config.randomize == "off" else (f"  realism  {config.randomize}",)


def _time(seconds: float | None, minutes: float | None) -> str:
    if seconds is None:
        return "told once the first control steps have been measured"
    if minutes is not None and 60.0 * minutes < seconds:
        return f"{minutes:g} min of the about {seconds / 60:.0f} that the budget takes"
    about = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
    return f"about {about} if nothing else runs here"
