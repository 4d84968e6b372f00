"""The runs of a study: each a `robot-gcrl train` in a process of its own, then `evaluate`.

The file of results gets one JSON line for each cell that came to an end, well or badly; what is in
it is not done again, and a run that was interrupted goes on where it was saved.
"""

import fcntl
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import robot_gcrl
from robot_gcrl.agents.baselines.config import BRAX
from robot_gcrl.errors import ConfigError
from robot_gcrl.physics.cores import cores
from robot_gcrl.signals import ENDING, NOTICES, ending_signals
from robot_gcrl.study.begun import (
    curve,
    is_trained,
    last_metadata,
    machine_of,
    set_aside,
    settings_sha256,
    told_apart,
    trained_seconds,
)
from robot_gcrl.study.cells import Cell, run_name
from robot_gcrl.study.results import RATES, Key, Line, append_line, key_of, read_lines
from robot_gcrl.study.study import Study
from robot_gcrl.train.brax_run import require_brax
from robot_gcrl.train.config import RESUMABLE, flat
from robot_gcrl.train.environment import environment_of_runs, visible_gpus
from robot_gcrl.train.lock import is_locked
from robot_gcrl.train.loop import gradient_steps
from robot_gcrl.train.run_files import CONFIG_FILE, stored_config
from robot_gcrl.train.trackers import require_tracker

# Whose code the runs are to use: a checkout need not be installed
_ROOT = Path(robot_gcrl.__file__).resolve().parent.parent

# Exit codes of a command that a signal ended: it is no failure, and goes on another time. The
# negative ones are of its first seconds; SIGKILL is not among them: a run without enough memory
# would have it each time
_INTERRUPTED = tuple(sign for n in (*ENDING, *NOTICES) for sign in (128 + n, -n))
# Settings of which another value makes no other run. How much is to be done is none of them, but
# for the minutes: an interrupted run holds what is left of its own
_OWN = {"run", *RESUMABLE} - {"steps", "evaluations"}
_REASON = 400  # characters of what a failed command said last


@dataclass(kw_only=True)
class Runner:
    """Does the cells of one study.

    Attributes:
      study: what is measured.
      folder: that receives a run folder and a log for each cell.
      out: file of the results.
      parallel: how many runs at once.
      retry_failed: whether what has failed is done again.
    """

    study: Study
    folder: Path
    out: Path
    parallel: int = 1
    retry_failed: bool = False
    _stopped: bool = False
    _children: set[subprocess.Popen] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _gpus: Sequence[str] = ()
    # Of the runs that may begin: each has a number, by which it gets its GPU
    _slots: queue.SimpleQueue[int] = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        for slot in range(self.parallel):
            self._slots.put(slot)

    def do(self, cells: Sequence[Cell]) -> bool:
        """Trains and evaluates what the file of results lacks; whether all of it came to an end.

        Raises:
          ConfigError: the file holds a cell of this name with other settings.
        """
        missing = self.missing(cells)
        self._gpus = visible_gpus() if self.parallel > 1 else ()
        # A notice that submitit hears is its own
        told = [n for n in NOTICES if signal.getsignal(n) is signal.SIG_DFL]
        before = {n: signal.signal(n, self._note) for n in (*ending_signals(), *told)}
        try:
            with ThreadPoolExecutor(max_workers=self.parallel) as pool:
                finished = list(pool.map(self._do_one, missing))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return all(finished)

    def missing(self, cells: Sequence[Cell]) -> list[Cell]:
        """The cells that the file of results lacks; makes the folders.

        Raises:
          ConfigError: the file, or a run that was begun, has other settings under this name, or
            a package is missing.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        done = self._done()
        missing = [cell for cell in cells if not self._is_done(cell, done)]
        for cell in missing:
            self._require_same(cell)
            require_tracker(cell.config.track)
            if cell.config.algorithm in BRAX:
                require_brax(cell.config, resume=False)
        return missing

    def stop(self) -> None:
        """Asks the runs to save and end, and begins no other."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                for child in self._children:
                    child.send_signal(signal.SIGTERM)

    @property
    def is_running(self) -> bool:
        """Whether a command runs."""
        with self._lock:
            return bool(self._children)

    def record(self, line: Line) -> None:
        """Appends a result."""
        with self._lock:
            append_line(self.out, line)

    def _require_same(self, cell: Cell) -> None:
        """Fails if a run was begun with other settings than the study has now."""
        run = self.folder / run_name(cell)
        if not (run / CONFIG_FILE).exists():
            return
        stored = stored_config(run)
        there, here = flat(stored), flat(cell.config)
        begun, wanted = told_apart(stored), told_apart(cell.config)
        other = [name for name in here if name not in _OWN and begun[name] != wanted[name]]
        if other:
            found = ", ".join(f"{name} {there[name]}" for name in other)
            expected = ", ".join(f"{name} {here[name]}" for name in other)
            raise ConfigError(
                f"The run {run} was begun with {found}. Expected {expected}, as the study says now."
                " Rename the variant, or remove the run."
            )

    def _done(self) -> dict[Key, Line]:
        return {key_of(line): line for line in read_lines(self.out)} if self.out.exists() else {}

    def _is_done(self, cell: Cell, done: Mapping[Key, Line]) -> bool:
        line = done.get((self.study.name, cell.task, cell.variant, cell.seed))
        if line is None or (self.retry_failed and "failed" in line):
            return False
        wanted = {"options": _as_json(cell.differences), "evaluation": self.study.measured}
        for name, value in wanted.items():
            if line[name] != value:
                raise ConfigError(
                    f"{self.out} holds {run_name(cell)} with {name} {line[name]}. Expected "
                    f"{value}, as the study says now. Rename the variant or the study, choose "
                    "another file of results, or remove this line to have it measured again."
                )
        if line.get("settings", settings_sha256(cell.config)) != settings_sha256(cell.config):
            raise ConfigError(
                f"{self.out} holds {run_name(cell)} of other settings, of which the study names "
                "none: the preset or the task's hints have changed since. Expected those of now. "
                "Name them in the study, or remove this line to have it measured again."
            )
        return True

    def _do_one(self, cell: Cell) -> bool:
        if self._stopped:
            return False
        run = self.folder / run_name(cell)
        with _log_of(run).open("a") as log:
            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_free = not is_locked(run)
            except BlockingIOError:
                is_free = False
            if not is_free:
                _say(f"{run_name(cell)}: another process is at it; the next call takes its result")
                return False
            # Another process may have done it since this one began
            if self._is_done(cell, self._done()):
                return True
            slot = self._slots.get()
            try:
                return self._do_alone(cell, run, slot)
            finally:
                self._slots.put(slot)

    def _do_alone(self, cell: Cell, run: Path, slot: int) -> bool:
        _say(f"{run_name(cell)}: begins")
        if cell.config.algorithm in BRAX and not is_trained(cell.config, run):
            set_aside(run)
        before = trained_seconds(run)
        began = time.monotonic()
        words = self._train_words(cell, run, before)
        code, said = self._command(run, slot, *words) if words else (0, "")
        wall = before + time.monotonic() - began
        measured: Line = {}
        if code == 0:
            words = [w for k, v in self.study.measured.items() for w in evaluate_words(k, v)]
            file = run / "evaluation.json"
            code, said = self._command(run, slot, "evaluate", str(run), *words, "--out", str(file))
            measured = json.loads(file.read_text()) if code == 0 else {}
        if code in _INTERRUPTED or (code and self._stopped):
            _say(f"{run_name(cell)}: interrupted; the next call continues it")
            return False
        line = self._line(cell, run, wall, measured) | ({"failed": said} if code else {})
        self.record(line)
        _say(f"{run_name(cell)}: {'FAILED: ' + said if code else _short(line)}")
        return True

    def _train_words(self, cell: Cell, run: Path, before: float) -> list[str]:
        """The command that trains what the run lacks; empty where nothing is."""
        if not (run / CONFIG_FILE).exists():
            return ["train", *cell.words, "--run", str(run), *self._threads(cell)]
        if cell.config.algorithm in BRAX:
            return []  # one that had not come to its end was set aside
        words = ["train", "--resume", str(run)]
        if cell.config.minutes is not None:
            # A resumed run counts anew
            words += ["--minutes", str(max(cell.config.minutes - before / 60.0, 0.0))]
        return words

    def _threads(self, cell: Cell) -> list[str]:
        # An offline run has no physics beside its evaluations
        config = cell.config
        elsewhere = config.engine != "native" or config.dataset is not None
        if self.parallel == 1 or config.physics_threads or elsewhere:
            return []
        return ["--physics-threads", str(max(cores() // self.parallel - 1, 1))]

    def _command(self, run: Path, slot: int, *words: str) -> tuple[int, str]:
        """Exit code of a `robot-gcrl` command of this checkout, and the end of what it said."""
        log = _log_of(run)
        path = os.pathsep.join((str(_ROOT), os.environ.get("PYTHONPATH", "")))
        environment = environment_of_runs(parallel=self.parallel, slot=slot, gpus=self._gpus)
        with log.open("a") as file:
            # A session of its own: Ctrl-C comes to this process alone, which hands it on once
            child = subprocess.Popen(
                [sys.executable, "-m", "robot_gcrl.cli", *words],
                stdout=file, stderr=file, start_new_session=True,
                env=environment | {"PYTHONPATH": path},
            )  # fmt: skip
        with self._lock:
            self._children.add(child)
            if self._stopped:
                child.send_signal(signal.SIGTERM)
        code = child.wait()
        with self._lock:
            self._children.discard(child)
        lines = log.read_text(errors="replace").strip().splitlines()
        said = lines[-1][-_REASON:] if lines else f"exit code {code}, and nothing said"
        return code, said if code >= 0 else f"ended by {signal.Signals(-code).name}: {said}"

    def _note(self, number: int, frame: object) -> None:
        self.stop()

    def _line(self, cell: Cell, run: Path, wall: float, measured: Line) -> Line:
        # As it was resolved where it ran, if it ran at all
        config = stored_config(run) if (run / CONFIG_FILE).exists() else cell.config
        line: Line = {
            "study": self.study.name,
            "task": cell.task,
            "variant": cell.variant,
            "seed": cell.seed,
            "preset": config.preset,
            "engine": config.engine,
            "options": _as_json(cell.differences),
            "settings": settings_sha256(cell.config),
            "minutes": self.study.minutes,
            "evaluation": self.study.measured,
            "wall_seconds": round(wall, 1),
            "parallel": self.parallel,
            "curve": curve(run),
            "machine": machine_of(run),
        }
        info = last_metadata(run).get("info", {})
        if info:
            if config.dataset is None:
                line["control_steps"] = info["control_steps"]
            line["gradient_steps"] = gradient_steps(config, info["iteration"])
        kept = (*RATES, "mean", "zero", "random", "regions", "levels")
        return line | {name: measured[name] for name in kept if name in measured}


def _log_of(run: Path) -> Path:
    return run.with_name(run.name + ".log")


def _as_json(values: Mapping[str, Any]) -> Line:
    return {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}


def evaluate_words(name: str, value: Any) -> list[str]:
    """The words of an option on the command line of `robot-gcrl evaluate`."""
    spelled = "--" + name.replace("_", "-")
    return [spelled] * value if isinstance(value, bool) else [spelled, str(value)]


def _short(line: Line) -> str:
    rates = ", ".join(f"{name} {line[name]['mean']:.1%}" for name in RATES[:3])
    return f"{rates} ({line['wall_seconds'] / 60:.1f} min)"


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
