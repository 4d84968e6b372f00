"""A run that starts from what another one learned: `robot-gcrl train --task B --from RUN`.

Networks, temperature and observation moments are taken over. The replay begins empty: its rows
belong to other worlds. Adam (arXiv 1412.6980) begins anew: on second moments that settled where
gradients were small, the first steps on larger ones would be up to (1 - b1) / sqrt(1 - b2) = 3.2
times the learning rate; fresh ones begin with steps of the learning rate.

Both tasks must mean the same by observation, goal and action; what they are called, where goals
lie and what the world around is like may differ, and is told.
"""

import re
from typing import NamedTuple, NoReturn

import jax
import jax.numpy as jnp

from robot_gcrl.agents.crl.config import LEARNING
from robot_gcrl.agents.crl.state import AgentState
from robot_gcrl.contract.difference import Difference, differences
from robot_gcrl.errors import CheckpointError, ConfigError
from robot_gcrl.task.task import Task
from robot_gcrl.train.assess import restore_policy
from robot_gcrl.train.checkpoint import CheckpointInfo
from robot_gcrl.train.config import RESUMABLE, TrainConfig, contents, flat, option
from robot_gcrl.train.run_files import stored_config

# Parts of a contract that do not change what the numbers of a network mean: names, where goals
# lie, how near is near enough, what a robot cannot measure by itself
_FREE = re.compile(r"name|version|robot|needs.*|success.*|goal\[\d+\]\.(label|low|high)")
# Settings of which a difference tells nothing about what was learned
_PRIVATE = {"run", "seed", "start_from", "from_checkpoint", *RESUMABLE}


class Start(NamedTuple):
    """What is taken over.

    Attributes:
      agent: of the other run.
      info: when in that run it was saved.
      differences: (what, here, there), which do not hinder.
    """

    agent: AgentState
    info: CheckpointInfo
    differences: tuple[Difference, ...]


def read_start(task: Task, config: TrainConfig) -> Start | None:
    """What a run with these settings starts from; None if from nothing.

    Raises:
      RobotGcrlError: the other run cannot be read, or does not fit, field by field.
    """
    source = config.start_from
    if source is None:
        return None
    if source.is_file():
        raise CheckpointError(
            f"Cannot start from {source}: it is a file. Expected a run folder: a policy file does "
            "not hold all that learns. Name the folder of the run that it was exported from."
        )
    other, _, state, info = restore_policy(source, config.from_checkpoint, seed=0)
    stored = stored_config(source)
    found = differences(task.contract, other.contract.canonical_json)
    hindering = [row for row in found if not _FREE.fullmatch(row[0])]
    if hindering:
        _refuse(
            f"the task {other.name!r} of {source} differs from {task.name!r} in the contract",
            hindering,
            "the same observation, goal, action and control step",
            "a run of a task with the same contract",
        )
    settings = _settings(config, stored)
    hindering = [
        (option(name), here, there)
        for name, here, there in settings
        if name == "algorithm"
        or (
            name.startswith("agent.")
            and (name.removeprefix("agent.") not in LEARNING or _names_time(config, name))
        )
    ]
    if hindering:
        _refuse(
            f"the networks of {source} are others than were asked for",
            hindering,
            "settings of the agent under which they compute the same",
            "a run with these settings, or give the options of that run",
        )
    told = (*found, *settings)
    if task.episode_length != other.episode_length:
        length = str(task.episode_length), str(other.episode_length)
        told = (*told, ("episode length [control steps]", *length))
    return Start(state, info, told)


def _names_time(config: TrainConfig, name: str) -> bool:
    """Whether the bins of a survival critic follow from a setting."""
    return name == "agent.gamma" and config.agent.critic == "survival"


def take_over(state: AgentState, start: Start | None) -> AgentState:
    """A fresh agent's state with what another run learned."""
    if start is None:
        return state
    learned = start.agent
    return state._replace(
        actor=learned.actor,
        averaged=jax.tree.map(jnp.copy, learned.actor) if state.averaged else (),
        critic=learned.critic,
        target=jax.tree.map(jnp.copy, learned.critic) if state.target else (),
        log_temperature=learned.log_temperature,
        moments=learned.moments,
    )


def format_start(config: TrainConfig, start: Start | None) -> str:
    """Lines for a person: where a run starts from, and what is other there."""
    if start is None:
        return ""
    lines = [
        f"  start    {config.start_from}, checkpoint {config.from_checkpoint} of "
        f"{start.info.control_steps:,} control steps: actor, critic, temperature, moments"
    ]
    lines += [f"           {what}: {here} here, {there} there" for what, here, there in
              start.differences]  # fmt: skip
    return "\n".join(lines) + "\n"


def _settings(config: TrainConfig, stored: TrainConfig) -> tuple[Difference, ...]:
    here, there, mine, others = flat(config), flat(stored), contents(config), contents(stored)
    return tuple(
        (name, _said(here[name]), _said(there[name]))
        for name in here
        if name not in _PRIVATE and mine[name] != others[name]
    )


def _said(value: object) -> str:
    return "none" if value is None else str(value)


def _refuse(what: str, rows: list[Difference], expected: str, choose: str) -> NoReturn:
    each = ", ".join(f"{name} is {there} there and {here} here" for name, here, there in rows)
    raise ConfigError(
        f"Cannot start from another run: {what}: {each}. Expected {expected}. Choose {choose}."
    )
