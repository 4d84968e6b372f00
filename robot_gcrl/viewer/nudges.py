"""A goal that is moved a little, along the world's axis that looks most like the arrow's."""

import numpy as np

from robot_gcrl.viewer.goals import Handle, Marker
from robot_gcrl.viewer.rays import View

# Of a nudge, in success radii
_NUDGE = 0.5


def nudged(view: View, marker: Handle | Marker, goal: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The goal [G] after so many nudges.

    Args:
      view: of the person.
      marker: that is moved.
      goal: [G], so far.
      steps: [3], nudges to the right, away from the person, and upwards.
    """
    place = marker.position(goal, 0.0)
    return marker.moved(goal, place + _NUDGE * marker.radius * _as_seen(view, steps))


def _as_seen(view: View, steps: np.ndarray) -> np.ndarray:
    """The steps along the world's axes that look like right and away in the picture."""
    ahead = view.forward if abs(view.forward[2]) < abs(view.up[2]) else view.up
    # The world's axis that is nearest to what is away from the person
    quarter = round(np.arctan2(ahead[1], ahead[0]) / (np.pi / 2)) % 4
    away = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)][quarter], float)
    right = np.array([away[1], -away[0]])
    return np.array([*(steps[0] * right + steps[1] * away), steps[2]])
