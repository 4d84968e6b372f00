"""The clock that simulated robots live by."""

import math
import time

from robot_gcrl.bridge.rules import SECOND_NS


class Clock:
    """Monotonic time [ns], `speed` times as fast; at infinite speed it stands until advanced."""

    def __init__(self, speed: float) -> None:
        """Not 0 at the start, which would be no stamp."""
        self._speed, self._base, self._stands_at = speed, time.monotonic_ns(), SECOND_NS

    def __call__(self) -> int:
        """The time."""
        if math.isinf(self._speed):
            return self._stands_at
        return self._base + round((time.monotonic_ns() - self._base) * self._speed)

    def advance(self, passed_ns: int) -> None:
        """A control step is over; of no effect on time that passes by itself."""
        self._stands_at += passed_ns
