"""The budget of a run in calls of the compiled program, and whether it is spent."""

from robot_gcrl.train.checkpoint import RunFolder
from robot_gcrl.train.config import TrainConfig
from robot_gcrl.train.metrics import read_metrics


def steps_per_iteration(config: TrainConfig) -> int:
    """Steps of the budget in one call: control steps of all worlds, offline gradient steps."""
    return config.rollout * (config.num_envs if config.dataset is None else 1)


def total_iterations(config: TrainConfig) -> int:
    """Calls after which the budget is spent."""
    return -(-config.steps // steps_per_iteration(config))


def is_measured(folder: RunFolder, iteration: int) -> bool:
    """Whether the metrics of a run have the evaluation after this call."""
    return any(
        line["iteration"] == iteration and "success_any" in line
        for line in read_metrics(folder.path)
    )


def said_of_spent(folder: RunFolder) -> str:
    """What a person is told whose run has all of its steps; empty of one that can go on."""
    config, info = folder.config, folder.last_info
    if info is None or info.iteration < total_iterations(config):
        return ""
    if not is_measured(folder, info.iteration):
        return ""
    steps = info.iteration * steps_per_iteration(config)
    kind = "control" if config.dataset is None else "gradient"
    return f"The run has its {steps:,} {kind} steps. Raise --steps to go on.\n"
