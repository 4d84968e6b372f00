"""What a run says before it begins: task, engine, devices, sizes, memory."""

import jax

from robot_gcrl.task.task import Task
from robot_gcrl.train.config import TrainConfig
from robot_gcrl.train.memory import memory_bytes


def announcement(task: Task, config: TrainConfig) -> str:
    """A few lines for a person; the time that is left is shown once it has been measured."""
    contract, agent = task.contract, config.agent
    devices = ", ".join(sorted({device.device_kind for device in jax.devices()}))
    updates = config.steps / config.control_steps_per_update
    limit = "" if config.minutes is None else f", at most {config.minutes:g} min"
    return "\n".join(
        (
            f"{task.name}: {task.summary}",
            f"  engine   {config.engine}, {config.num_envs} worlds, learner on {devices}",
            f"  sizes    observation {contract.observation_size}, action {contract.action_size}, "
            f"goal {contract.goal_size}, episodes of {task.episode_length} x "
            f"{contract.control_dt:g} s",
            f"  agent    depth {agent.depth}, width {agent.width}, batch {agent.batch_size}, "
            f"gamma {agent.gamma:g}, preset {config.preset}",
            f"  budget   {config.steps:,} control steps, {updates:,.0f} gradient steps{limit}",
            f"  memory   {memory_bytes(task.contract, task.model, config) / 2**20:,.0f} MiB",
            f"  folder   {config.run} (seed {config.seed})",
        )
    )
