"""How much two ways to run the same episodes differ, episode by episode."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

# z of a two-sided 95% interval
_Z = 1.959964
_HALVINGS = 60


def rate_difference(reference: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """The difference of two success rates over the same episodes, as JSON.

    The interval is Tango's score interval (1998, Statistics in Medicine 17:891-908), which also
    holds where few episodes differ, or none: a normal interval would then have no width.

    Args:
      reference: bool [E].
      other: bool [E], of the same episodes.

    Returns:
      "mean" of other - reference, "ci95", "n", and how many episodes fared "better" and "worse".
    """
    n = len(reference)
    better, worse = int((other & ~reference).sum()), int((reference & ~other).sum())
    low, high = score_interval(better, worse, n)
    return {
        "mean": (better - worse) / n,
        "ci95": [low, high],
        "n": n,
        "better": better,
        "worse": worse,
    }


def score_interval(better: int, worse: int, n: int) -> tuple[float, float]:
    """Tango's 95% score interval of a difference of paired proportions.

    Args:
      better: pairs of which the second succeeded alone.
      worse: pairs of which the first did.
      n: pairs in all.
    """

    def excess(difference: float) -> float:
        """The squared score less z^2 times its variance: above 0 outside of the interval."""
        # The probability of `worse` that is most likely with this difference
        b = -better - worse + (2 * n - better + worse) * difference
        c = -worse * difference * (1.0 - difference)
        probability = (math.sqrt(max(b * b - 8.0 * n * c, 0.0)) - b) / (4.0 * n)
        variance = n * (2.0 * probability + difference * (1.0 - difference))
        return (better - worse - n * difference) ** 2 - _Z**2 * variance

    middle = (better - worse) / n
    return _edge(excess, middle, -1.0), _edge(excess, middle, 1.0)


def _edge(excess: Callable[[float], float], inside: float, outside: float) -> float:
    if excess(outside) <= 0.0:
        return outside
    for _ in range(_HALVINGS):
        middle = 0.5 * (inside + outside)
        if excess(middle) > 0.0:
            outside = middle
        else:
            inside = middle
    return inside
