"""How many physics steps are due: real time times a speed, paused, or one at a time."""

# What is further behind is not caught up with [s of the clock]: the machine was busy or asleep
_MOST_BEHIND = 0.1


class Pace:
    """Physics steps that are due at a time of the clock.

    Attributes:
      speed: seconds of the simulation in a second of the clock.
      paused: whether nothing is due but single steps.
      lost: seconds of the simulation that were not caught up with.
    """

    def __init__(self, timestep: float) -> None:
        """Runs in real time.

        Args:
          timestep: of the physics [s].
        """
        self.speed = 1.0
        self.paused = False
        self.lost = 0.0
        self._timestep = timestep
        self._now: float | None = None
        self._owed = 0.0  # [s of the simulation]
        self._single = 0

    def step_once(self) -> None:
        """One more physics step is due, also while paused."""
        self._single += 1

    def due(self, now: float) -> int:
        """Physics steps that are due since the last call.

        Args:
          now: of a monotonic clock [s].
        """
        passed = 0.0 if self._now is None else now - self._now
        self._now = now
        steps, self._single = self._single, 0
        if self.paused:
            self._owed = 0.0
            return steps
        # What passed is bounded and not what is owed: that must grow to a whole step, however slow
        taken = min(passed, _MOST_BEHIND)
        self.lost += (passed - taken) * self.speed
        self._owed += taken * self.speed
        # A little more, so that an hour of steps does not lack one for rounding
        count = int(self._owed / self._timestep + 1e-9)
        self._owed -= count * self._timestep
        return steps + count
