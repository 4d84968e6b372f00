"""A run of brax's PPO or SAC: the same folder, metrics and evaluations as every other run.

The trainer calls back after each epoch. Then it is evaluated, on the starts and goals of any run
with this seed, and saved: both checkpoints hold what acts. To be continued, brax's trainers would
need their optimizers, replay and worlds, which they do not give out.
"""

import functools
import importlib.util
import math
import time
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from robot_gcrl.agents.baselines.agent import BaselineAgent
from robot_gcrl.agents.crl.state import AgentState
from robot_gcrl.errors import ConfigError
from robot_gcrl.task.task import Task
from robot_gcrl.train.brax_plan import brax_plan
from robot_gcrl.train.checkpoint import RunFolder
from robot_gcrl.train.config import TrainConfig
from robot_gcrl.train.evaluate import make_evaluator, policy_mean, rates, score, selection_key
from robot_gcrl.train.interrupt import Interrupt
from robot_gcrl.train.live import LiveView
from robot_gcrl.train.loop import TrainState, learner_of
from robot_gcrl.train.metrics import DivergedError, MetricsWriter
from robot_gcrl.train.trackers import Tracking


def require_brax(config: TrainConfig, *, resume: bool) -> None:
    """Fails where brax's trainers cannot do what is asked for.

    Raises:
      ConfigError: brax is not installed, a run is to be resumed, or settings that brax cannot
        follow.
    """
    if resume:
        raise ConfigError(
            f"The run {config.run} is of algorithm {config.algorithm!r}, which cannot be resumed: "
            "brax's trainers do not give out their replay, optimizers and worlds. Expected a run "
            "of crl, sac_her, td3_her or gcbc. Start a new run with more --steps."
        )
    if importlib.util.find_spec("brax") is None:
        raise ConfigError(
            f"Algorithm {config.algorithm!r} needs brax, which is not installed. Expected the "
            "extra. Install it from the checkout: python -m pip install '.[brax]'"
        )
    brax_plan(config)


class _Ended(Exception):  # noqa: N818  # no error: the trainer has no other way out
    """The time is over, or a signal came."""


class BraxRun:
    """One run, from its first epoch to its last."""

    def __init__(self, task: Task, folder: RunFolder, *, started: float) -> None:
        """Begins nothing yet; arguments as of `train.Run`."""
        self._task, self._folder, self._began = task, folder, started
        self._config = config = folder.config
        self._plan = brax_plan(config)
        agent = learner_of(task, config)
        assert isinstance(agent, BaselineAgent)
        self._agent = agent
        self._evaluator = make_evaluator(
            task,
            policy_mean(agent),
            engine=config.engine,
            goals="eval",
            episodes=config.eval_episodes,
            randomize=config.randomize,
        )
        self._limit = math.inf if config.minutes is None else started + 60.0 * config.minutes
        self._epoch, self._steps, self._best = 0, 0, -math.inf
        self.metrics = MetricsWriter(folder.path, after_iteration=0)
        self.tracking = Tracking(config, begin_step=0)

    @property
    def total_steps(self) -> int:
        """Control steps of the budget when it is spent: whole epochs."""
        return self._plan.total_control_steps

    def go(self, interrupt: Interrupt, view: LiveView) -> None:
        """Trains until the budget or the time is spent or a signal came."""
        # Here, so that nothing else needs the extra
        from robot_gcrl.train.brax_trainers import train_with

        report = functools.partial(self._report, interrupt, view)
        try:
            train_with(self._task, self._config, self._plan, self._agent, report)
        except _Ended:
            return

    def _report(
        self,
        interrupt: Interrupt,
        view: LiveView,
        steps: int,
        state: AgentState,
        measured: Mapping[str, float],
    ) -> None:
        """After an epoch: evaluates, logs, saves; ends the trainer where it is to end."""
        self._epoch, self._steps = self._epoch + 1, steps
        self._log(measured, view)
        _require_finite(state)
        is_end = steps >= self.total_steps or time.monotonic() >= self._limit
        if not interrupt.is_set and (self._config.evaluations or is_end):
            self._evaluate(state, view)
        self._folder.save_last(self._saved(state), self._info())
        if interrupt.is_set or time.monotonic() >= self._limit:
            raise _Ended

    def _evaluate(self, state: AgentState, view: LiveView) -> None:
        began = time.monotonic()
        outcome = self._evaluator.episodes(
            state,
            key=selection_key(self._config.seed),
            episodes=self._config.eval_episodes,
        )
        if (reached := score(outcome)) > self._best:
            self._best = reached
            self._folder.save_best(state, self._info())
        self._log(rates(outcome) | {"evaluation_seconds": time.monotonic() - began}, view)

    def _log(self, values: Mapping[str, float], view: LiveView) -> None:
        line: dict[str, Any] = {
            "iteration": self._epoch,
            "control_steps": self._steps,
            "gradient_steps": self._epoch * self._plan.gradient_steps,
            "seconds": time.monotonic() - self._began,
            **values,
        }
        self.metrics.write(line)
        self.tracking.log(line)
        view.update(line)

    def _saved(self, state: AgentState) -> TrainState:
        key = jax.random.key_data(jax.random.key(self._config.seed))
        return TrainState(state, (), (), (), key, jnp.int32(self._epoch))

    def _info(self) -> dict[str, Any]:
        return {
            "iteration": self._epoch,
            "control_steps": self._steps,
            "seconds": time.monotonic() - self._began,
            "score": self._best,
        }


def _require_finite(state: AgentState) -> None:
    for leaf in jax.tree.leaves(state.actor):
        if not bool(jnp.isfinite(leaf).all()):
            raise DivergedError(
                "The actor's parameters are not finite. Expected numbers: the training has "
                "diverged. Lower --agent.learning-rate."
            )
