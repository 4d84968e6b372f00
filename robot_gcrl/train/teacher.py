"""Whom a student learns from: the policy of a run folder, or of a policy file."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from robot_gcrl.agents.crl.agent import Agent
from robot_gcrl.agents.crl.state import AgentState
from robot_gcrl.errors import PolicyError
from robot_gcrl.nets.moments import COUNT_LIMIT, Moments
from robot_gcrl.policy.actor import actor_network
from robot_gcrl.policy.critic import critic_network
from robot_gcrl.policy.runtime import read_policy
from robot_gcrl.policy.runtime.critic import CriticNetwork
from robot_gcrl.policy.runtime.file import GOLDEN_ENERGY, PolicyFile
from robot_gcrl.task.registry import load_task
from robot_gcrl.task.task import Task
from robot_gcrl.train.assess import Checkpoint, restore_policy
from robot_gcrl.train.checkpoint import RunFolder
from robot_gcrl.train.config import TrainConfig, override
from robot_gcrl.train.loop import agent_of
from robot_gcrl.train.settings import make_train_config


@dataclass(frozen=True, eq=False, kw_only=True)
class Teacher:
    """A trained policy.

    Attributes:
      source: run folder or policy file.
      task: that it was trained on.
      config: settings of its run; of a policy file, those of its networks, the rest by default.
      agent: its networks.
      state: their parameters, and the observation moments.
      spreads: whether the standard deviations of its actions are known: not of a policy file that
        acts without them.
    """

    source: Path
    task: Task
    config: TrainConfig
    agent: Agent
    state: AgentState
    spreads: bool


def load_teacher(
    source: Path, *, task: str | None, checkpoint: Checkpoint, needs_critic: bool = True
) -> Teacher:
    """The policy of a run folder's checkpoint, or of a policy file.

    Args:
      source: run folder or policy file.
      task: of a policy file, if it is not the one of the same name: FILE.py:NAME.
      checkpoint: of a run folder.
      needs_critic: whether a policy file must hold its critic; if not, the critic is a fresh one.

    Raises:
      RobotGcrlError: no such run, file or task, or one that does not fit the other.
    """
    if source.is_file():
        return _of_file(source, task, needs_critic)
    found, agent, state, _ = restore_policy(source, checkpoint, seed=0)
    config = RunFolder.open(source).config
    if task is not None and task != config.task:
        raise PolicyError(
            f"--task {task} beside the run {source}, which is of task {config.task!r}. Expected "
            "--task beside a policy file only. Leave it out."
        )
    return Teacher(source=source, task=found, config=config, agent=agent, state=state, spreads=True)


def _of_file(source: Path, reference: str | None, needs_critic: bool) -> Teacher:
    file = read_policy(source)
    reference = reference or file.contract.name
    task = load_task(reference)
    if task.contract.sha256 != file.contract.sha256:
        raise PolicyError(
            f"{source} is of another contract ({file.contract.name!r}, sha256 "
            f"{file.contract.sha256[:12]}) than task {reference!r} ({task.contract.sha256[:12]}). "
            "Expected the same observation, goal and action. Name the task that it was trained "
            "on with --task."
        )
    if needs_critic and file.critic is None:
        raise PolicyError(
            f"{source} holds no critic, which the student's run folder is to have. Expected a "
            "file of robot-gcrl export --with-critic. Export it so, or name the run folder."
        )
    network, critic = file.network, file.critic if needs_critic else None
    config = override(
        make_train_config(reference),
        _critic_settings(critic)
        | {
            "agent.ema_decay": 0.0,
            "agent.bootstrap": 0.0,
            "agent.actor_depth": network.depth,
            "agent.actor_width": network.width,
            "agent.final_norm": network.final_norm,
            "agent.normalize_observations": network.normalizer is not None,
            "agent.norm": network.norm,
            "agent.eval_action": "mode" if network.log_std_range is None else "mean",
            "agent.chunk": network.chunk,
        },
    )
    agent = agent_of(task, config.agent)
    expected = actor_network(task.contract, agent), critic_network(agent) if critic else None
    if expected != (network, critic):
        raise PolicyError(
            f"{source} holds networks with other constants than this version gives an agent of "
            "task and sizes. Expected a file of this version, and a survival critic with the "
            "discount of the task's preset. Name the run folder that it was exported from."
        )
    return Teacher(
        source=source,
        task=task,
        config=config,
        agent=agent,
        state=_state(file, agent, has_critic=critic is not None),
        spreads=network.log_std_range is not None,
    )


def _critic_settings(critic: CriticNetwork | None) -> dict[str, Any]:
    if critic is None:
        return {}
    return {
        "agent.depth": critic.depth,
        "agent.width": critic.width,
        "agent.embedding_size": critic.embedding_size,
        "agent.energy": critic.energy,
        "agent.num_critics": critic.num_critics,
        "agent.critic": critic.critic,
        **({"agent.time_bins": len(critic.log_weights)} if critic.log_weights else {}),
    }


def _state(file: PolicyFile, agent: Agent, *, has_critic: bool) -> AgentState:
    """The parameters that a file holds; optimizer states and temperature are fresh ones."""
    weights = dict(file.weights)
    if file.network.log_std_range is None:  # the file has the means alone
        for name in ("head/kernel", "head/bias"):
            weights[name] = np.concatenate((weights[name], np.zeros_like(weights[name])), axis=-1)
    moments = {k: weights.pop(f"moments/{k}", None) for k in ("mean", "variance")}
    fresh = agent.init(jax.random.key(0))
    state = fresh._replace(actor=_nested(weights))
    if has_critic:
        critic = {k: v for k, v in file.critic_weights.items() if k != GOLDEN_ENERGY}
        state = state._replace(critic=_nested(critic))
    if moments["mean"] is not None:
        state = state._replace(
            moments=Moments(
                # As of a long run: what trains on from here must not forget them in one batch
                seen=jnp.float32(COUNT_LIMIT),
                mean=jnp.asarray(moments["mean"]),
                variance=jnp.asarray(moments["variance"]),
            )
        )
    return state


def _nested(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """{"a/b": x} as {"a": {"b": x}}."""
    tree: dict[str, Any] = {}
    for name, value in arrays.items():
        *path, last = name.split("/")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = jnp.asarray(value)
    return tree


def student_config(teacher: Teacher, *, depth: int, width: int, run: Path) -> TrainConfig:
    """The settings of the teacher's run with an actor of another size; its data is no dataset.

    Raises:
      ConfigError: no such depth or width.
    """
    taught = teacher.config.agent
    agent = dataclasses.replace(
        taught,
        actor_depth=depth,
        # As a run has it that was begun with the critic's width, so that one can start from it
        actor_width=None if width == taught.width else width,
        ema_decay=0.0,
        # It learns from its teacher alone
        bootstrap=0.0,
        target_rate=type(taught).target_rate,
    )
    return dataclasses.replace(teacher.config, agent=agent, run=run, dataset=None)
