"""What can be said of few runs: the interquartile mean, its band, and which of two is better.

The statistics that arXiv 2108.13264 recommends, as its library rliable computes them: scores of
all runs on all tasks together, uncertainty by a bootstrap that draws runs anew within each task.

Scores are a sequence over tasks of arrays [runs] or [runs, P], P points of a curve.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Scores = Sequence[np.ndarray]

DRAWS = 10_000
_LEVEL = 0.95


class Estimate(NamedTuple):
    """A value and the edges of its 95% band, each a number or [P]."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def interquartile_mean(values: np.ndarray) -> np.ndarray:
    """The mean of the middle half along the first axis.

    A quarter of the values, rounded down, is left out at each end.
    """
    cut = len(values) // 4
    return np.asarray(np.sort(values, axis=0)[cut : len(values) - cut].mean(axis=0))


def iqm(scores: Scores, *, draws: int = DRAWS, seed: int = 0) -> Estimate:
    """The interquartile mean over all tasks and runs, with its stratified bootstrap band."""
    return _bootstrap(
        lambda tasks: interquartile_mean(np.concatenate(tasks)), (scores,), draws, seed
    )


def improvement(scores: Scores, others: Scores, *, draws: int = DRAWS, seed: int = 0) -> Estimate:
    """How probable it is that a run scores higher than one of the others on the same task.

    The mean over tasks of the Mann-Whitney statistic: the share of pairs of runs of which the first
    scores higher, ties counting half.

    Args:
      scores: over tasks.
      others: over the same tasks.
      draws: of the bootstrap.
      seed: of the bootstrap.
    """
    return _bootstrap(_mean_improvement, (scores, others), draws, seed)


def _mean_improvement(scores: Scores, others: Scores) -> np.ndarray:
    pairs = zip(scores, others, strict=True)
    signs = [np.sign(x[:, None] - y[None, :]) for x, y in pairs]
    return np.asarray(np.mean([0.5 + 0.5 * sign.mean() for sign in signs]))


def _bootstrap(
    statistic: Callable[..., np.ndarray], samples: Sequence[Scores], draws: int, seed: int
) -> Estimate:
    """The statistic, and the quantiles of it over runs drawn with replacement within each task."""
    random = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        drawn = [
            [runs[random.integers(len(runs), size=len(runs))] for runs in scores]
            for scores in samples
        ]
        values.append(statistic(*drawn))
    tail = (1.0 - _LEVEL) / 2.0
    low, high = np.quantile(np.array(values), (tail, 1.0 - tail), axis=0)
    return Estimate(statistic(*samples), low, high)
