"""The interval of a paired difference: closed forms, a naive second version."""

import itertools
import math

import numpy as np
import pytest

from robot_gcrl.gate.paired import rate_difference, score_interval

Z = 1.959964


def naive_interval(better: int, worse: int, n: int) -> tuple[float, float]:
    """All differences that the score test does not reject, by brute force over a grid."""
    kept = []
    for difference in np.linspace(-1.0, 1.0, 2001)[1:-1]:
        # the likelihood of the table, over the probability of `worse`
        p = np.linspace(max(0.0, -difference), (1.0 - difference) / 2, 2001)[1:-1]
        same = np.maximum(1.0 - 2 * p - difference, 1e-300)
        log = better * np.log(np.maximum(p + difference, 1e-300)) + worse * np.log(p)
        best = p[(log + (n - better - worse) * np.log(same)).argmax()]
        variance = n * (2 * best + difference - difference**2)
        if (better - worse - n * difference) ** 2 <= Z**2 * variance:
            kept.append(difference)
    return min(kept), max(kept)


@pytest.mark.parametrize("n", [1, 20, 512])
def test_where_no_episode_differs_the_interval_is_known_in_closed_form(n):
    # then the variance is n d (1 - d), and d = z^2 / (n + z^2)
    edge = Z**2 / (n + Z**2)
    assert score_interval(0, 0, n) == pytest.approx((-edge, edge), abs=1e-12)


@pytest.mark.parametrize(("better", "worse"), list(itertools.product((0, 1, 12), repeat=2)))
def test_it_is_that_of_a_naive_version(better, worse):
    # seen to fail with the sign of `c` turned round
    found = score_interval(better, worse, 40)
    assert found == pytest.approx(naive_interval(better, worse, 40), abs=2e-3)
    assert found[0] < (better - worse) / 40 < found[1]


def test_for_many_pairs_it_is_the_normal_one():
    n, better, worse = 100_000, 3000, 4000
    middle = (better - worse) / n
    half = Z * math.sqrt(((better + worse) / n - middle**2) / n)
    assert score_interval(better, worse, n) == pytest.approx(
        (middle - half, middle + half), rel=1e-3
    )


def test_all_the_same_way_reaches_the_end():
    assert score_interval(0, 9, 9)[0] == -1.0
    assert score_interval(9, 0, 9)[1] == 1.0


def test_the_difference_of_rates():
    reference = np.array([True, True, True, False, False])
    other = np.array([True, False, False, True, False])
    found = rate_difference(reference, other)
    assert found["mean"] == pytest.approx(-0.2)
    assert (found["better"], found["worse"], found["n"]) == (1, 2, 5)
    assert found["ci95"] == pytest.approx(score_interval(1, 2, 5))
