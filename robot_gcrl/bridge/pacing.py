"""A loop of constant period on the monotonic clock.

Deadlines are absolute, start + n periods, so that neither the time that the loop's body takes nor a
late wake-up adds up. A deadline that has passed is counted and left out: after a pause the loop
goes on with the next one and never runs twice to catch up.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from robot_gcrl.errors import RobotError

_SECOND_NS = 10**9


class Beat(NamedTuple):
    """One waking of the loop.

    Attributes:
      now_ns: when it woke [ns].
      late_ns: how long after its deadline [ns].
      missed: deadlines before this one that passed without a beat.
    """

    now_ns: int
    late_ns: int
    missed: int


class Pacer:
    """Wakes a loop once in each period.

    Attributes:
      deadline_ns: of the next beat, on the same clock [ns]; until then a socket may be polled.
      beats: how often the loop woke.
      missed: deadlines that passed without a beat, in all.
      latest_ns: the greatest lateness of a beat [ns].
    """

    def __init__(
        self,
        period_ns: int,
        *,
        spin_ns: int = 0,
        clock: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """The first beat is due one period from now.

        Args:
          period_ns: of the loop [ns].
          spin_ns: the last part of each wait, in which the clock is read instead of sleeping: it
            keeps a core busy and takes the scheduler's delay out of the beat [ns].
          clock: monotonic [ns].
          sleep: takes seconds.

        Raises:
          RobotError: a period or a spin that no loop can have.
        """
        if not 0 <= spin_ns < period_ns:
            raise RobotError(
                f"A loop has a period of {period_ns} ns, of which {spin_ns} ns are spun. Expected "
                "a period above 0 and a spin from 0 to below it. Change them."
            )
        self._period = period_ns
        self._spin = spin_ns
        self._clock = clock
        self._sleep = sleep
        self.beats = 0
        self.missed = 0
        self.latest_ns = 0
        self.restart()

    def restart(self) -> None:
        """The next beat is due one period from now; nothing counts as missed."""
        self.deadline_ns = self._clock() + self._period

    def wait(self) -> Beat:
        """Returns at the deadline, or at once when it has passed, and sets the next one."""
        now = self._clock()
        while (ahead := self.deadline_ns - self._spin - now) > 0:
            self._sleep(ahead / _SECOND_NS)
            now = self._clock()
        while now < self.deadline_ns:
            now = self._clock()
        passed, late = divmod(now - self.deadline_ns, self._period)
        self.deadline_ns += (passed + 1) * self._period
        beat = Beat(now_ns=now, late_ns=late, missed=passed)
        self.beats += 1
        self.missed += passed
        self.latest_ns = max(self.latest_ns, passed * self._period + late)
        return beat
