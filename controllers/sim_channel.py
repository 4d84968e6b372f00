"""A link that delays and loses commands, counted in control steps of one robot.

What becomes of a report's answer is drawn when the report is sent: it follows from seed and step
alone, never from how fast the machine is.
"""

from collections.abc import Sequence

import numpy as np

from robot_gcrl.bridge.client import Answer


class Channel:
    """The answers to one robot's reports, on their way."""

    def __init__(self, *, delay: int, jitter: int, drop: float, seed: Sequence[int]) -> None:
        """Empty.

        Args:
          delay: control steps from a report to its command.
          jitter: greatest number of further steps, drawn evenly from 0.
          drop: probability that the command is lost.
          seed: of the draws.
        """
        self._delay, self._jitter, self._drop = delay, jitter, drop
        # Where an answer has not come by then, no guard takes it any more
        self._kept = delay + jitter + 100
        self._rng = np.random.default_rng(seed)
        self._step = -1
        self._due: dict[int, int | None] = {}
        self._arrived: dict[int, Answer] = {}

    def report(self, stamp_ns: int) -> None:
        """A control step begins, with a report of this stamp."""
        self._step += 1
        # Both are drawn always, so that a drop changes no later delay
        is_lost = self._rng.random() < self._drop
        late = int(self._rng.integers(self._jitter + 1))
        self._due[stamp_ns] = None if is_lost else self._step + self._delay + late

    def put(self, answer: Answer) -> None:
        """An answer came from the server; one to no report of this episode is left out."""
        due = self._due.get(answer.report_ns)
        if due is not None:
            self._arrived[answer.report_ns] = answer

    def take(self) -> list[Answer]:
        """The answers that reach the robot in this control step, the oldest report's first."""
        ready = sorted(stamp for stamp in self._arrived if (self._due[stamp] or 0) <= self._step)
        taken = [self._arrived.pop(stamp) for stamp in ready]
        while len(self._due) > self._kept:
            stamp = next(iter(self._due))
            del self._due[stamp]
            self._arrived.pop(stamp, None)
        return taken
