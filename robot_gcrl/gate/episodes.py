"""What episodes came to, however they were run."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from robot_gcrl.train.evaluate import mean_interval, wilson


class Episodes(NamedTuple):
    """E episodes, in the order of their scenarios.

    Attributes:
      reached: bool [E], success at some step.
      final: bool [E], success at the last step.
      time_at_goal: [E], fraction of the task's episode length.
      distance: [E], at the end, summed over the success groups, SI.
      first_ctrl: [E, A], of the first step, in contract order, SI.
    """

    reached: np.ndarray
    final: np.ndarray
    time_at_goal: np.ndarray
    distance: np.ndarray
    first_ctrl: np.ndarray

    @classmethod
    def from_json(cls, episodes: Sequence[dict[str, Any]]) -> "Episodes":
        """Of what controllers/sim.py says of them."""
        return cls(
            reached=np.array([e["success_any"] for e in episodes], bool),
            final=np.array([e["success_final"] for e in episodes], bool),
            time_at_goal=np.array([e["time_at_goal"] for e in episodes], float),
            distance=np.array([e["distance"] for e in episodes], float),
            first_ctrl=np.array([e["first_ctrl"] for e in episodes], float),
        )

    def first(self, count: int) -> "Episodes":
        """The first `count` of them."""
        return Episodes(*(column[:count] for column in self))


def summary(episodes: Episodes) -> dict[str, Any]:
    """Rates and means with their intervals, as JSON."""
    n = len(episodes.reached)
    return {
        "success_any": wilson(float(episodes.reached.sum()), n),
        "success_final": wilson(float(episodes.final.sum()), n),
        "time_at_goal": mean_interval(episodes.time_at_goal),
        "distance": mean_interval(episodes.distance),
    }
