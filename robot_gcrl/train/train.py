"""A training run: the compiled program called until the budget is spent, and all that it leaves.

This is the shell around `robot_gcrl.train.loop`: clock, files, signals, terminal. Nothing here
changes what is learned, so a run that was stopped and resumed is the run that was not.
"""

import math
import sys
import time
from pathlib import Path
from typing import Any

import jax

from robot_gcrl.agents.crl.agent import Agent, AgentState
from robot_gcrl.task.registry import load_task
from robot_gcrl.task.task import Task
from robot_gcrl.train.announce import announcement
from robot_gcrl.train.checkpoint import RunFolder
from robot_gcrl.train.config import TrainConfig
from robot_gcrl.train.evaluate import Act, make_evaluator, score, summary
from robot_gcrl.train.interrupt import Interrupt
from robot_gcrl.train.live import LiveView
from robot_gcrl.train.loop import Program, TrainState, make_program, mean_metrics, update_counts
from robot_gcrl.train.metrics import MetricsWriter

# Until its first checkpoint a run has nothing to resume from, so that one comes early [s].
_FIRST_CHECKPOINT = 30.0
# Between two lines of metrics [s]; short iterations are summed up.
_METRICS_INTERVAL = 1.0


def train(config: TrainConfig, *, resume: bool = False) -> Path:
    """Trains until the budget is spent and returns the run folder.

    Args:
      config: what to do; of a resumed run, the stored settings with the options that may change.
      resume: continue the run in `config.run` instead of starting one.

    Raises:
      RobotGcrlError: nothing could be started; what was in the folder before is unharmed.
      Interrupted: Ctrl-C or SIGTERM came; everything is saved.
    """
    started = time.monotonic()
    task = load_task(config.task, maze=config.maze)
    sha256 = task.contract.sha256
    opened = RunFolder.open(config.run) if resume else RunFolder.create(config.run, config, sha256)
    with opened as folder, Interrupt() as interrupt:
        print(announcement(task, config), file=sys.stderr, flush=True)
        run = Run(task, config, folder, started=started, resume=resume)
        with LiveView(config.steps) as view:
            run.go(interrupt, view)
    interrupt.raise_if_set()
    return config.run


class Run:
    """The moving parts of one run: where it is, and when it did what."""

    def __init__(
        self, task: Task, config: TrainConfig, folder: RunFolder, *, started: float, resume: bool
    ) -> None:
        """Compiles nothing yet; restores the last checkpoint of a resumed run.

        Args:
          task: what is trained.
          config: how.
          folder: open and locked.
          started: time.monotonic() when the command began.
          resume: whether the folder holds a run to be continued.
        """
        self.task, self.config, self.folder = task, config, folder
        self.program: Program = make_program(task, config)
        evaluated = make_evaluator(
            task,
            policy_mean(self.program.agent),
            engine=config.engine,
            goals="eval",
            episodes=config.eval_episodes,
        )
        self.evaluate = lambda agent, seed: evaluated.episodes(
            agent, seed=seed, episodes=config.eval_episodes
        )
        self.state: TrainState = self.program.init(config.seed)
        self.best, seconds_before, iteration = -math.inf, 0.0, 0
        if resume and folder.has_last():
            self.state, info = folder.restore_last(self.state)
            self.best, seconds_before = info["best"], info["seconds"]
            iteration = int(self.state.iteration)
        self.iteration = iteration
        self.started = started - seconds_before
        self.limit = math.inf if config.minutes is None else started + 60.0 * config.minutes
        self.metrics = MetricsWriter(folder.path, after_iteration=iteration)
        self.saved = started + _FIRST_CHECKPOINT - config.checkpoint_interval
        self.logged = time.monotonic()
        self.logged_iteration = iteration
        self.pending: dict[str, float] = {}

    @property
    def control_steps(self) -> int:
        """Control steps of all worlds so far."""
        return self.iteration * self.config.num_envs * self.config.rollout

    @property
    def total_iterations(self) -> int:
        """Iterations after which the budget is spent."""
        return -(-self.config.steps // (self.config.num_envs * self.config.rollout))
