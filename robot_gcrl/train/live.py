"""What a person sees of a run: a live table on a terminal, plain lines elsewhere. On stderr."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from robot_gcrl.train.metrics import mean_of

Counter = Literal["control_steps", "gradient_steps"]

# Between two plain lines [s]; an evaluation is always shown
_PLAIN_INTERVAL = 10.0

_PERCENT = "{:.1%}"
_ROWS = (
    ("success at any step", "success_any", _PERCENT),
    ("success at the end", "success_final", _PERCENT),
    ("time at goal", "time_at_goal", _PERCENT),
    ("practice: success at any step", "practice_success_any", _PERCENT),
    ("practice: time at goal", "practice_time_at_goal", _PERCENT),
    ("critic loss", "critic_loss", "{:.3f}"),
    ("actor loss", "actor_loss", "{:.3f}"),
    ("difference of actions", "action_difference", "{:.3f}"),
    ("entropy [nat]", "entropy", "{:.2f}"),
    ("control steps/s", "control_steps_per_second", "{:,.0f}"),
    ("gradient steps/s", "gradient_steps_per_second", "{:,.0f}"),
)


class LiveView:
    """Shows the newest value of each metric of a run; `with LiveView(...) as view:`."""

    def __init__(self, total: int, counter: Counter = "control_steps") -> None:
        """Shows nothing yet; the bar ends where `counter` of the lines comes to `total`."""
        self._total, self._counter = total, counter
        self._stream = sys.stderr
        self._newest: dict[str, Any] = {}
        self._first: tuple[int, float] | None = None
        self._live: Live | None = None
        self._shown = -_PLAIN_INTERVAL

    def __enter__(self) -> "LiveView":
        """Takes the terminal, if there is one."""
        if self._stream.isatty():
            console = Console(file=self._stream, highlight=False)
            self._live = Live(console=console, auto_refresh=False, redirect_stdout=False)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves the last table standing and gives the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def update(self, line: Mapping[str, Any]) -> None:
        """Shows a line of metrics together with the newest values of the others.

        Args:
          line: as in metrics.jsonl: what is counted, "seconds" (since the run began), and any
            others; rates as numbers or as {"mean", ...}.
        """
        self._newest |= {name: mean_of(value) for name, value in line.items()}
        done = line[self._counter]
        if done:  # 0: what another run learned, before this one is compiled
            self._first = self._first or (done, line["seconds"])
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
        elif "success_any" in line or time.monotonic() - self._shown >= _PLAIN_INTERVAL:
            self._shown = time.monotonic()
            values = [f"{label} {text}" for label, text in self._values()]
            self._stream.write("; ".join([self._progress(), *values]) + "\n")
            self._stream.flush()

    def _progress(self) -> str:
        done, seconds = self._newest[self._counter], self._newest["seconds"]
        what = self._counter.replace("_", " ")
        text = f"{done:,} of {self._total:,} {what} ({min(done / self._total, 1.0):.0%})"
        left = self._left(done, seconds)
        return f"{text}, {_span(seconds)}" + ("" if left is None else f", {_span(left)} left")

    def _left(self, done: int, seconds: float) -> float | None:
        """Expected time until the last step [s]; None while there is nothing to go by."""
        # From the first line on: what came before it is compilation, or the run before a resume
        first_done, first_seconds = self._first or (done, seconds)
        if done == first_done:
            return None
        return max(self._total - done, 0) * (seconds - first_seconds) / (done - first_done)

    def _values(self) -> list[tuple[str, str]]:
        """Labels and texts of what has been measured so far."""
        return [
            (label, shape.format(self._newest[name]))
            for label, name, shape in _ROWS
            if name in self._newest
        ]

    def _table(self) -> Group:
        done = min(self._newest[self._counter], self._total)
        bar = Table.grid(expand=True)  # which ends the bar's line, as a bar alone does not
        bar.add_row(ProgressBar(total=self._total, completed=done))
        table = Table.grid(padding=(0, 2))
        table.add_column()
        table.add_column(justify="right")
        for label, text in self._values():
            table.add_row(label, text)
        return Group(self._progress(), bar, table)


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
