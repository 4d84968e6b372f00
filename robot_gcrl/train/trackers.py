"""Other people's trackers beside metrics.jsonl: TensorBoard, Weights & Biases, MLflow.

metrics.jsonl is always written and is what every command reads; a tracker gets the same lines. It
runs in a thread of its own, so that a slow server makes no run wait, and whatever it raises ends
the tracking with a warning and nothing else. All of them work without a network: TensorBoard writes
RUN/tensorboard, W&B with WANDB_MODE=offline RUN/wandb, MLflow RUN/mlflow.db unless
MLFLOW_TRACKING_URI names a server.
"""

import importlib.util
import json
import logging
import os
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol

from robot_gcrl.errors import ConfigError
from robot_gcrl.train.config import Track, TrainConfig, flat
from robot_gcrl.train.metrics import mean_of
from robot_gcrl.train.run_files import write_json

# What the trackers call a run, so that one that is resumed goes on under the same name
TRACKING_FILE = "tracking.json"
_PROJECT = "robot-gcrl"
# What a tracker may take to send its last lines [s]
_PATIENCE = 20.0

Ending = Literal["finished", "interrupted", "failed"]

_LOG = logging.getLogger(__name__)


class Tracker(Protocol):
    """What receives metrics; made and called in one thread."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Takes numbers by name at a control step (offline: a gradient step)."""
        ...

    def close(self, ending: Ending) -> None:
        """Sends what is left, and how the run ended."""
        ...


def require_tracker(name: Track) -> None:
    """Fails where a package that a tracker needs is missing.

    Raises:
      ConfigError: it is.
    """
    needed = [] if name == "none" else [name]
    if name == "mlflow" and "MLFLOW_TRACKING_URI" not in os.environ:
        needed += _STORE
    if missing := [each for each in needed if importlib.util.find_spec(each) is None]:
        raise ConfigError(
            f"--track {name} needs {' and '.join(missing)}, not installed here. Expected it beside "
            f"robot-gcrl. Install it with: pip install {_WHEELS[name]} (or all trackers, "
            "from the checkout: pip install '.[track]')"
        )


class Tracking:
    """Hands lines of metrics to a tracker; `with Tracking(...) as tracking:`.

    Attributes:
      failed: why the tracker ended before its run did; None while it goes on.
      ending: how the run ends, as far as is known, which the tracker is told when it is closed.
    """

    def __init__(self, config: TrainConfig, *, begin_step: int = 0) -> None:
        """Begins to open the tracker that the settings name, beside the run.

        Args:
          config: of the run, whose folder exists.
          begin_step: where a resumed run goes on; what a tracker has of later steps is of a run
            that was lost.
        """
        self.failed: str | None = None
        self.ending: Ending = "finished"
        self._queue: queue.SimpleQueue[tuple[dict[str, float], int] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if config.track != "none":
            make = _TRACKERS[config.track]
            self._thread = threading.Thread(
                target=self._run,
                args=(config.track, lambda: make(config, begin_step)),
                name="tracker",
                daemon=True,
            )
            self._thread.start()

    def log(self, line: Mapping[str, Any]) -> None:
        """Hands on a line of metrics.jsonl; never waits."""
        if self._thread is None or self.failed is not None:
            return
        values = {name: float(mean_of(value)) for name, value in line.items()}
        self._queue.put((values, int(line.get("control_steps", line["gradient_steps"]))))

    def close(self) -> None:
        """Lets the tracker send what is left, but not for ever."""
        if self._thread is None:
            return
        self._queue.put(None)
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            self._fail(f"it did not end within {_PATIENCE:g} s")

    def __enter__(self) -> "Tracking":
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it; an exception is told to the tracker as the run's failure."""
        if kind is not None:
            self.ending = "failed"
        self.close()

    def _run(self, name: str, make: Callable[[], Tracker]) -> None:
        # Code of others, on servers of others: whatever it raises, the run goes on
        try:
            tracker = make()
            while (entry := self._queue.get()) is not None:
                tracker.log(*entry)
            tracker.close(self.ending)
        except BaseException as error:  # SystemExit too: it would end the thread without a word
            self._fail(f"{name}: {type(error).__name__}: {error}")

    def _fail(self, reason: str) -> None:
        self.failed = reason
        _LOG.warning(
            "Tracking ended, the run goes on: %s. Its metrics are in metrics.jsonl.",
            " ".join(reason.split()),
        )


class _TensorBoard:
    """Event files in RUN/tensorboard."""

    def __init__(self, config: TrainConfig, begin_step: int) -> None:
        event_pb2 = import_module("tensorboard.compat.proto.event_pb2")
        writer = import_module("tensorboard.summary.writer.event_file_writer")
        self._event = event_pb2.Event
        self._summary = import_module("tensorboard.compat.proto.summary_pb2").Summary
        self._writer = writer.EventFileWriter(str(config.run / "tensorboard"))
        if begin_step:
            # The viewer drops what an earlier file has from the step on that this one names
            log = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            event = self._event(wall_time=time.time(), step=begin_step + 1, session_log=log)
            self._writer.add_event(event)

    def log(self, values: Mapping[str, float], step: int) -> None:
        scalars = [self._summary.Value(tag=k, simple_value=v) for k, v in values.items()]
        summary = self._summary(value=scalars)
        self._writer.add_event(self._event(wall_time=time.time(), step=step, summary=summary))

    def close(self, ending: Ending) -> None:
        self._writer.close()


class _Wandb:
    """A run of Weights & Biases; where, says its own environment (WANDB_MODE, WANDB_PROJECT)."""

    def __init__(self, config: TrainConfig, begin_step: int) -> None:
        self._run = import_module("wandb").init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            dir=config.run,
            name=config.run.name,
            id=_remembered(config.run, "wandb", lambda: uuid.uuid4().hex[:8]),
            resume="allow" if begin_step else None,
            config=_said(config),
        )
        # It drops what is logged at a step below its last, as by a run that was killed and resumed
        axis = "control_steps" if config.dataset is None else "gradient_steps"
        self._run.define_metric("*", step_metric=axis)

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values))

    def close(self, ending: Ending) -> None:
        # 255 is what it tells by itself of a process that Ctrl-C ended
        self._run.finish(exit_code={"finished": 0, "interrupted": 255, "failed": 1}[ending])


class _Mlflow:
    """A run of MLflow: at MLFLOW_TRACKING_URI, or in RUN/mlflow.db."""

    def __init__(self, config: TrainConfig, begin_step: int) -> None:
        mlflow = import_module("mlflow")
        self._metric = import_module("mlflow.entities").Metric
        home = f"sqlite:///{config.run.resolve() / 'mlflow.db'}"
        self._client = client = mlflow.MlflowClient(os.environ.get("MLFLOW_TRACKING_URI", home))

        def begin() -> str:
            found = client.get_experiment_by_name(_PROJECT)
            experiment = found.experiment_id if found else client.create_experiment(_PROJECT)
            run = client.create_run(experiment, run_name=config.run.name)
            for name, value in _said(config).items():
                client.log_param(run.info.run_id, name, value)
            return run.info.run_id

        self._id = _remembered(config.run, "mlflow", begin)
        client.update_run(self._id, status="RUNNING")

    def log(self, values: Mapping[str, float], step: int) -> None:
        now = int(1000 * time.time())
        metrics = [self._metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def close(self, ending: Ending) -> None:
        status = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}[ending]
        self._client.set_terminated(self._id, status=status)


_TRACKERS: Mapping[str, Callable[[TrainConfig, int], Tracker]] = {
    "tensorboard": _TensorBoard,
    "wandb": _Wandb,
    "mlflow": _Mlflow,
}
# What pip installs for each; the package has the tracker's name
_WHEELS = {
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "mlflow": "mlflow-skinny sqlalchemy alembic",
}
# What MLflow needs for RUN/mlflow.db, which mlflow-skinny does not bring
_STORE = ("sqlalchemy", "alembic")


def _remembered(run: Path, name: str, make: Callable[[], str]) -> str:
    """The id under which a tracker knows a run; made once."""
    path = run / TRACKING_FILE
    ids: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if name not in ids:
        ids[name] = make()
        write_json(path, ids)
    return ids[name]


def _said(config: TrainConfig) -> dict[str, str | int | float | bool | None]:
    """Settings by dotted name, in types that every tracker takes."""
    return {
        name: value if isinstance(value, str | int | float | None) else str(value)
        for name, value in flat(config).items()
    }
