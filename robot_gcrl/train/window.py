"""What a run measured between two lines of its metrics."""

import time
from typing import Any

from robot_gcrl.train.loop import mean_metrics


class Window:
    """What was measured since the last line of metrics, and how long it took."""

    def __init__(self, iteration: int) -> None:
        """Opens it after so many iterations."""
        self._open(iteration)

    @property
    def seconds(self) -> float:
        """Time since the window was opened, without what was excluded [s]."""
        return time.monotonic() - self._began

    @property
    def is_empty(self) -> bool:
        """Whether nothing was added yet."""
        return not self._sums

    def add(self, sums: dict[str, Any]) -> None:
        """Adds the sums of one iteration."""
        self._sums = {k: self._sums.get(k, 0.0) + float(v) for k, v in sums.items()}

    def exclude(self, seconds: float) -> None:
        """Leaves out time that was spent neither collecting nor learning."""
        self._began += seconds

    def close(self, iteration: int, collected: int) -> dict[str, float]:
        """Means and rates of the window; opens the next one.

        Args:
          iteration: how many have run.
          collected: control steps that each collects; 0 of an offline run.
        """
        seconds = self.seconds
        values = mean_metrics(self._sums)
        if collected:
            control_steps = (iteration - self._iteration) * collected
            values["control_steps_per_second"] = control_steps / seconds
        values["gradient_steps_per_second"] = self._sums["learner/count"] / seconds
        self._open(iteration)
        return values

    def _open(self, iteration: int) -> None:
        self._iteration = iteration
        self._sums: dict[str, float] = {}
        self._began = time.monotonic()
