"""What two engines do on the average, with 95% intervals: single runs with contact are chaotic."""

import numpy as np

Z = 1.96  # of a 95% interval


def assert_same_share(what: str, native: np.ndarray, mjx: np.ndarray) -> None:
    """The shares of bool [K] differ by 0 within the interval, which is no wider than +-0.15."""
    shares = [x.mean() for x in (native, mjx)]
    width = Z * np.sqrt(sum(p * (1 - p) / len(native) for p in shares))
    _assert_same(what, shares, width, 0.15)


def assert_same_mean(what: str, native: np.ndarray, mjx: np.ndarray) -> None:
    """The means of [K] differ by 0 within the interval, no wider than +-15% of the mean."""
    means = [x.mean() for x in (native, mjx)]
    width = Z * np.sqrt(sum(x.var(ddof=1) / len(x) for x in (native, mjx)))
    _assert_same(what, means, width, 0.15 * abs(means[0]))


def _assert_same(what: str, values: list[float], width: float, widest: float) -> None:
    native, mjx = values
    message = f"{what}: native {native:.3g}, mjx {mjx:.3g}, difference +-{width:.2g}"
    print(message)
    assert abs(native - mjx) <= width, message
    assert 0.0 < width <= widest, message
