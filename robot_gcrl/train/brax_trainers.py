"""brax's PPO and SAC on our worlds, told what our settings say; `train_with` calls back.

Neither can be continued bit for bit from what it hands out, and both compile whole epochs. What
brax evaluates by itself is done on worlds of zeros, since nobody reads it.
"""

# brax is an extra, which CI does not install
# pyright: reportMissingImports=false

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
from brax.training.agents.ppo import train as ppo
from brax.training.agents.sac import checkpoint
from brax.training.agents.sac import train as sac

from robot_gcrl.agents.baselines.agent import BaselineAgent
from robot_gcrl.agents.baselines.brax_networks import agent_state, ppo_networks, sac_networks
from robot_gcrl.agents.crl.state import AgentState
from robot_gcrl.env.brax_worlds import NoWorlds, RobotWorlds, unwrapped
from robot_gcrl.task.task import Task
from robot_gcrl.train.brax_plan import BraxPlan, updates_per_step
from robot_gcrl.train.config import TrainConfig
from robot_gcrl.train.loop import make_env

# After each epoch: control steps so far, what acts then, what was measured
Report = Callable[[int, AgentState, Mapping[str, float]], None]

# Of gradients: with it PPO's first updates do not throw away what was learned
_MOST_GRADIENT = 1.0
# What is logged, by brax's name
_METRICS = {
    "training/v_loss": "critic_loss",
    "training/critic_loss": "critic_loss",
    "training/policy_loss": "actor_loss",
    "training/actor_loss": "actor_loss",
    "training/kl_mean": "policy_change",
    "training/policy_dist_mean_std": "action_spread",
    "training/alpha": "temperature",
    "training/sps": "control_steps_per_second",
}


def train_with(
    task: Task, config: TrainConfig, plan: BraxPlan, agent: BaselineAgent, report: Report
) -> None:
    """Trains until the plan is done or `report` raises.

    Args:
      task: what is trained.
      config: of the run.
      plan: of the same settings.
      agent: whose actor learns.
      report: is called after each epoch.
    """
    worlds = RobotWorlds(
        make_env(task, config),
        reward=config.baseline.reward,
        reward_scale=config.baseline.reward_scale,
    )
    shared: dict[str, Any] = {
        "environment": worlds,
        "wrap_env_fn": unwrapped,
        "eval_env": NoWorlds(worlds),
        "num_eval_envs": 1,
        "num_evals": plan.epochs + 1,
        "num_timesteps": plan.total_control_steps,
        "num_envs": config.num_envs,
        # Of brax's own evaluation alone
        "episode_length": 1,
        "max_devices_per_host": 1,
        "learning_rate": config.agent.learning_rate,
        "discounting": config.agent.gamma,
        "seed": config.seed,
    }
    (_train_ppo if config.algorithm == "ppo" else _train_sac)(config, agent, report, shared)


def _train_ppo(
    config: TrainConfig, agent: BaselineAgent, report: Report, shared: dict[str, Any]
) -> None:
    newest: list[AgentState] = []

    def keep(steps: int, make_policy: object, params: tuple[Any, ...]) -> None:
        del steps, make_policy
        newest[:] = [agent_state(agent, params[0], params[1])]

    def progress(steps: int, metrics: Mapping[str, Any]) -> None:
        if steps:
            report(steps, newest[0], _named(metrics))

    settings = config.baseline
    ppo.train(
        **shared,
        run_evals=False,
        unroll_length=settings.unroll,
        batch_size=config.num_envs // settings.minibatches,
        num_minibatches=settings.minibatches,
        num_updates_per_batch=settings.epochs,
        entropy_cost=settings.entropy_cost,
        gae_lambda=settings.gae_lambda,
        clipping_epsilon=settings.clipping,
        max_grad_norm=_MOST_GRADIENT,
        network_factory=ppo_networks(agent),
        policy_params_fn=keep,
        progress_fn=progress,
    )


def _train_sac(
    config: TrainConfig, agent: BaselineAgent, report: Report, shared: dict[str, Any]
) -> None:
    # brax's SAC hands its parameters to nobody but its own checkpoints
    with tempfile.TemporaryDirectory() as folder:

        def progress(steps: int, metrics: Mapping[str, Any]) -> None:
            if not steps:
                return
            saved = max(path for path in Path(folder).iterdir() if path.is_dir())
            statistics, policy = checkpoint.load(saved)
            report(steps, agent_state(agent, statistics, policy), _named(metrics))

        sac.train(
            **shared,
            batch_size=config.agent.batch_size,
            tau=config.baseline.target_rate,
            min_replay_size=config.prefill * config.num_envs,
            max_replay_size=config.replay_capacity * config.num_envs,
            grad_updates_per_step=updates_per_step(config),
            network_factory=sac_networks(agent),
            checkpoint_logdir=folder,
            progress_fn=progress,
        )


def _named(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {
        ours: float(jnp.asarray(metrics[theirs]))
        for theirs, ours in _METRICS.items()
        if theirs in metrics
    }
