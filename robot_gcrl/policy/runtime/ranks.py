"""Whether energies fall with distance: Spearman's rank correlation, which needs no scale."""

import math
from typing import NamedTuple

import numpy as np


class Ranks(NamedTuple):
    """Spearman's rank correlations of the energy with distances, over some places.

    At -1 the energy falls with every step away; NaN where it is not defined: see
    `rank_correlation`.

    Attributes:
      places: how many; in a maze those that a way leads to.
      path: with the length of the shortest way along free cells; None without a maze.
      straight: with the straight-line distance, over the same places.
    """

    places: int
    path: float | None
    straight: float


def rank(energy: np.ndarray, straight: np.ndarray, path: np.ndarray | None) -> Ranks:
    """The rank correlations of energies [N] with straight lines [N] and lengths of ways [N].

    A place whose `path` is NaN, as no way leads there, is left out of both.
    """
    if path is None:
        return Ranks(len(energy), None, rank_correlation(energy, straight))
    led = ~np.isnan(path)
    return Ranks(
        int(led.sum()),
        rank_correlation(energy[led], path[led]),
        rank_correlation(energy[led], straight[led]),
    )


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation of a [N] and b [N], in [-1, 1]; equal values share their rank.

    NaN where it is not defined: fewer than two values, all equal, or one that is not finite.
    """
    if len(a) < 2 or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return math.nan
    a, b = (ranks - ranks.mean() for ranks in (_ranks(a), _ranks(b)))
    scale = math.sqrt((a @ a) * (b @ b))
    return float(np.clip(a @ b / scale, -1.0, 1.0)) if scale else math.nan


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0, float64; equal values have the mean of theirs."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    return (ends - (counts + 1) / 2)[group]
