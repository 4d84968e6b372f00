"""How long something takes: medians and 99% quantiles of many times that it was done."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np


def spread_us(times_ns: Sequence[int]) -> dict[str, Any]:
    """Median and 99% quantile [us], ready for JSON."""
    median, high = np.percentile(np.array(times_ns), (50, 99)) / 1e3
    return {"median": float(median), "p99": float(high), "n": len(times_ns)}


def interleaved(
    actions: Mapping[str, Callable[[], object]], *, samples: int, rounds: int = 20
) -> dict[str, list[int]]:
    """How long each action took, `samples` times each [ns].

    They take turns, so that what else the machine does meets them alike and their ratio means
    something on a busy machine too.
    """
    times: dict[str, list[int]] = {name: [] for name in actions}
    share = -(-samples // rounds)
    for _ in range(min(rounds, samples)):
        for name, action in actions.items():
            action()  # the first after another one finds cold caches
            for _ in range(share):
                began = time.perf_counter_ns()
                action()
                times[name].append(time.perf_counter_ns() - began)
    return times
