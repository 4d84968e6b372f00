"""How many processor cores there are to share between the physics and the learner."""

import os


def cores() -> int:
    """Processor cores that this process may use."""
    # sched_getaffinity (Linux) knows of taskset and containers; macOS has none
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
