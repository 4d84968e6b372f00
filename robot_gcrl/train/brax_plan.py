"""How brax's trainers divide a budget: into epochs, after each of which they can be looked at.

They count in whole training steps, of which an epoch has a whole number; the control steps of a run
are therefore the budget, rounded up. Imports no brax.
"""

from typing import NamedTuple

from robot_gcrl.errors import ConfigError
from robot_gcrl.train.config import TrainConfig


class BraxPlan(NamedTuple):
    """One run.

    Attributes:
      epochs: how many; an evaluation comes after each. There are fewer than evaluations were asked
        for where that leaves less to round.
      prefill: control steps before the first gradient step, all worlds together.
      control_steps: in an epoch, all worlds together.
      gradient_steps: in an epoch.
    """

    epochs: int
    prefill: int
    control_steps: int
    gradient_steps: int

    @property
    def total_control_steps(self) -> int:
        """Of all worlds, when the budget is spent."""
        return self.prefill + self.epochs * self.control_steps

    @property
    def total_gradient_steps(self) -> int:
        """When the budget is spent."""
        return self.epochs * self.gradient_steps


def brax_plan(config: TrainConfig) -> BraxPlan:
    """The plan of a run with algorithm ppo or sac.

    Raises:
      ConfigError: settings that brax's trainers cannot follow.
    """
    worlds, baseline = config.num_envs, config.baseline
    if config.agent.norm == "hyperspherical":
        raise ConfigError(
            f"agent.norm is 'hyperspherical' and algorithm is {config.algorithm!r}. Expected layer "
            "or rms: brax's optimizers keep no weights on spheres. Choose one of them."
        )
    wanted = max(config.evaluations, 1)
    if config.algorithm == "ppo":
        if worlds % baseline.minibatches:
            raise ConfigError(
                f"baseline.minibatches is {baseline.minibatches} and num_envs is {worlds}. "
                "Expected a divisor of num_envs: PPO divides its worlds. Change one of them."
            )
        collected = worlds * baseline.unroll
        epochs, steps = _divided(-(-config.steps // collected), wanted)
        gradients = steps * baseline.minibatches * baseline.epochs
        return BraxPlan(epochs, 0, steps * collected, gradients)
    prefill = config.prefill * worlds
    if prefill >= config.steps:
        raise ConfigError(
            f"prefill is {config.prefill} control steps of each of {worlds} worlds and steps is "
            f"{config.steps}. Expected steps that are left to learn in. Raise steps or lower "
            "prefill."
        )
    epochs, steps = _divided(-(-(config.steps - prefill) // worlds), wanted)
    return BraxPlan(epochs, prefill, steps * worlds, steps * updates_per_step(config))


def batch_rows(config: TrainConfig) -> int:
    """Rows that one gradient step of any algorithm goes through; of PPO those of a minibatch."""
    if config.algorithm == "ppo":
        return config.num_envs * config.baseline.unroll // config.baseline.minibatches
    return config.agent.batch_size


def _divided(steps: int, wanted: int) -> tuple[int, int]:
    """Epochs, at most so many, of equally many training steps: as few as cover all of them."""
    each = -(-steps // wanted)
    return -(-steps // each), each


def updates_per_step(config: TrainConfig) -> int:
    """Gradient steps of SAC for each control step of all worlds.

    The whole number of 1 or more that is nearest to num_envs / control_steps_per_update: brax's SAC
    has no other.
    """
    return max(round(config.num_envs / config.control_steps_per_update), 1)
