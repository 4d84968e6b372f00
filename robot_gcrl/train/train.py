"""A training run: the compiled program called until the budget is spent, and all that it leaves.

This is the shell around `robot_gcrl.train.loop`: clock, files, signals, terminal. Nothing here
changes what is learned, so a run that was stopped and resumed is the run that was not.
"""

import functools
import math
import sys
import time
from pathlib import Path
from typing import Any

import jax

from robot_gcrl.agents.baselines.config import BRAX
from robot_gcrl.task.registry import load_task
from robot_gcrl.task.task import Task
from robot_gcrl.train.announce import announcement
from robot_gcrl.train.brax_run import BraxRun, require_brax
from robot_gcrl.train.budget import (
    is_measured,
    said_of_spent,
    steps_per_iteration,
    total_iterations,
)
from robot_gcrl.train.checkpoint import RunFolder
from robot_gcrl.train.config import TrainConfig
from robot_gcrl.train.dataset import Dataset, load_dataset, note_dataset, require_dataset
from robot_gcrl.train.divergence import DivergenceLog
from robot_gcrl.train.evaluate import make_evaluator, policy_mean, rates, score, selection_key
from robot_gcrl.train.interrupt import Interrupt
from robot_gcrl.train.live import Counter, LiveView
from robot_gcrl.train.loop import (
    Program,
    TrainState,
    gradient_steps,
    make_program,
    update_counts,
)
from robot_gcrl.train.memory import check_memory
from robot_gcrl.train.metrics import MetricsWriter
from robot_gcrl.train.offline import make_offline_program
from robot_gcrl.train.run_files import require_trained, stored_config
from robot_gcrl.train.start import Start, format_start, read_start, take_over
from robot_gcrl.train.trackers import Tracking, require_tracker
from robot_gcrl.train.window import Window

# Until its first checkpoint a run has nothing to resume from, so that one comes early [s].
_FIRST_CHECKPOINT = 30.0
# Least time between two lines of metrics [s]; shorter iterations are summed up.
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
    require_tracker(config.track)
    if config.algorithm in BRAX:
        return _train_with_brax(task, config, resume=resume, started=started)
    opened = _resumed(task, config) if resume else None
    # Rows that lie elsewhere now are to be looked at, and noted
    has_moved = resume and config.dataset != stored_config(config.run).dataset
    if opened is not None and not has_moved and (said := said_of_spent(opened)):
        sys.stderr.write(said)
        return config.run
    dataset, program = _program(task, config)  # refuses what cannot run, before anything is written
    start = None if opened is not None and opened.has_last else read_start(task, config)
    if opened is None:
        opened = RunFolder.create(config.run, config, task.contract.sha256)
    elif dataset is not None:
        require_dataset(config.run, dataset)
    with opened as folder, Interrupt() as interrupt:
        if dataset is not None:
            note_dataset(folder.path, dataset)
        said = announcement(task, folder.config, dataset)
        sys.stderr.write(said + "\n" + format_start(config, start))
        if resume and not folder.has_last:
            sys.stderr.write("  The run has no checkpoint yet: it begins again at step 0.\n")
        sys.stderr.flush()
        run = Run(task, program, folder, started=started, start=start, dataset=dataset)
        with LiveView(run.total_steps, run.counter) as view, run.metrics, run.tracking:
            run.go(interrupt, view)
            if interrupt.is_set:
                run.tracking.ending = "interrupted"
    interrupt.raise_if_set()
    return config.run


def _resumed(task: Task, config: TrainConfig) -> RunFolder:
    """The folder of a run that can go on with this task."""
    require_trained(config.run)
    folder = RunFolder.open(config.run, config)
    folder.require_contract(task.contract.sha256)
    return folder


def _train_with_brax(task: Task, config: TrainConfig, *, resume: bool, started: float) -> Path:
    require_brax(config, resume=resume)
    check_memory(task.contract, task.model, config)
    opened = RunFolder.create(config.run, config, task.contract.sha256)
    with opened as folder, Interrupt() as interrupt:
        sys.stderr.write(announcement(task, folder.config) + "\n")
        sys.stderr.flush()
        run = BraxRun(task, folder, started=started)
        with LiveView(run.total_steps) as view, run.metrics, run.tracking:
            run.go(interrupt, view)
            if interrupt.is_set:
                run.tracking.ending = "interrupted"
    interrupt.raise_if_set()
    return config.run


def _program(task: Task, config: TrainConfig) -> tuple[Dataset | None, Program]:
    if config.dataset is None:
        check_memory(task.contract, task.model, config)
        return None, make_program(task, config)
    dataset = load_dataset(config.dataset, task, chunk=config.agent.chunk)
    check_memory(task.contract, task.model, config, rows=dataset.rows)
    return dataset, make_offline_program(task, config, dataset)


class Run:
    """The moving parts of one run: where it is, and when it did what."""

    def __init__(
        self,
        task: Task,
        program: Program,
        folder: RunFolder,
        *,
        started: float,
        start: Start | None = None,
        dataset: Dataset | None = None,
    ) -> None:
        """Begins anew, or continues from the folder's last checkpoint if it has one.

        Args:
          task: what is trained.
          program: of the same task and settings.
          folder: open and locked; its settings are the run's.
          started: time.monotonic() when the command began.
          start: what another run learned, if this one begins with it.
          dataset: what is learned from, if nothing is collected.
        """
        config = folder.config
        self._config, self._folder = config, folder
        self._program, self._dataset = program, dataset
        self._evaluator = make_evaluator(
            task,
            policy_mean(self._program.agent),
            engine=config.engine,
            goals="eval",
            episodes=config.eval_episodes,
            randomize=config.randomize,
        )
        self._state: TrainState = self._program.init(config.seed)
        self._state = self._state._replace(agent=take_over(self._state.agent, start))
        self._best, seconds = -math.inf, 0.0
        if folder.has_last:
            self._state, info = folder.restore_last(self._state)
            self._best, seconds = max(info.best_score, folder.best_score), info.seconds
        self._iteration = int(self._state.iteration)
        self._saved_iteration = self._iteration
        self._began = started - seconds
        self._limit = math.inf if config.minutes is None else started + 60.0 * config.minutes
        self._next_save = started + min(_FIRST_CHECKPOINT, config.checkpoint_interval)
        self.metrics = MetricsWriter(folder.path, after_iteration=self._iteration)
        self.tracking = Tracking(config, begin_step=self._iteration * self._per_iteration)
        self._window = Window(self._iteration)
        self._divergence = DivergenceLog(
            task.name, num_envs=config.num_envs, rollout=config.rollout
        )

    @property
    def counter(self) -> Counter:
        """What the steps of the budget are, as metrics.jsonl calls them."""
        return "control_steps" if self._dataset is None else "gradient_steps"

    @property
    def total_steps(self) -> int:
        """Steps of the budget when it is spent: whole iterations."""
        return self._total_iterations * self._per_iteration

    def go(self, interrupt: Interrupt, view: LiveView) -> None:
        """Trains until the budget or the time is spent or a signal came; then saves."""
        if self._config.start_from is not None and not self._folder.has_last:
            self._save()  # so that to resume needs the other run no more
        if self._owes_evaluation:
            self._evaluate(view)
        while self._iteration < self._total_iterations and time.monotonic() < self._limit:
            self._iterate(view)
            if interrupt.is_set:
                break
            if self._iteration in self._evaluation_iterations:
                self._evaluate(view)
            if time.monotonic() >= self._next_save:
                self._save()
        if not (interrupt.is_set or is_measured(self._folder, self._iteration)):
            self._evaluate(view)  # --minutes ended the run between two evaluations
        if self._saved_iteration != self._iteration:
            self._save()

    @property
    def _collected(self) -> int:
        """Control steps of all worlds in an iteration."""
        return 0 if self._dataset is not None else self._config.num_envs * self._config.rollout

    @property
    def _per_iteration(self) -> int:
        return steps_per_iteration(self._config)

    @property
    def _total_iterations(self) -> int:
        return total_iterations(self._config)

    @functools.cached_property
    def _evaluation_iterations(self) -> set[int]:
        count, total = self._config.evaluations, self._total_iterations
        # What was taken over is measured before anything is learned
        first = 1 if self._config.start_from is None else 0
        return {-(-total * i // count) for i in range(first, count + 1)} if count else set()

    @property
    def _owes_evaluation(self) -> bool:
        """Whether a signal came between an iteration and its evaluation."""
        return self._iteration in self._evaluation_iterations and not is_measured(
            self._folder, self._iteration
        )

    def _iterate(self, view: LiveView) -> None:
        counts = update_counts(self._config, self._iteration)
        self._state, sums = self._program.iterate(self._state, counts)
        self._window.add(self._divergence.take(jax.device_get(sums), iteration=self._iteration))
        self._iteration += 1
        if self._window.seconds >= _METRICS_INTERVAL:
            self._close_window(view)

    def _close_window(self, view: LiveView) -> None:
        means = self._window.close(self._iteration, self._collected)
        self._log(means | self._divergence.close_line(), view)

    def _evaluate(self, view: LiveView) -> None:
        if not self._window.is_empty:
            self._close_window(view)
        began = time.monotonic()
        outcome = self._evaluator.episodes(
            self._program.agent.served(self._state.agent),
            key=selection_key(self._config.seed),
            episodes=self._config.eval_episodes,
        )
        reached = score(outcome)
        if reached > self._best:
            self._best = reached
            self._folder.save_best(self._state.agent, self._info())
        self._log(rates(outcome) | {"evaluation_seconds": time.monotonic() - began}, view)
        self._window.exclude(time.monotonic() - began)

    def _log(self, values: dict[str, float], view: LiveView) -> None:
        line: dict[str, Any] = {
            "iteration": self._iteration,
            **({} if self._dataset else {"control_steps": self._iteration * self._collected}),
            "gradient_steps": gradient_steps(self._config, self._iteration),
            "seconds": time.monotonic() - self._began,
        } | values
        self.metrics.write(line)
        self.tracking.log(line)
        view.update(line)

    def _save(self) -> None:
        began = time.monotonic()
        self._folder.save_last(self._state, self._info())
        self._saved_iteration = self._iteration
        took = time.monotonic() - began
        self._window.exclude(took)
        # Never more than a twentieth of the time, on a slow disk too.
        self._next_save = time.monotonic() + max(self._config.checkpoint_interval, 19.0 * took)

    def _info(self) -> dict[str, Any]:
        return {
            "iteration": self._iteration,
            "control_steps": self._dataset.rows
            if self._dataset
            else self._iteration * self._collected,
            "seconds": time.monotonic() - self._began,
            "score": self._best,
        }
