"""What a guard is told and what it says, as data: commands, verdicts, stops, counters."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

State = Literal["waiting", "run", "hold", "stop", "latched"]
"""Before the first session; with a fresh command; without one; link stop; latched stop."""

Cause = Literal["operator", "command", "limit", "robot", "link"]
"""Who or what stopped a robot; "command": one that must not be; "robot": a fault of its own."""

Verdict = Literal[
    "accepted", "old", "repeated", "unasked", "refused", "while_stopped", "without_session"
]
"""What became of a command.

old: it answers a report that is too old or of before this session, or it is valid no more.
repeated: an accepted one answered that report or a later one. unasked: it answers a report of the
future. refused: it is not finite or of another shape; the robot stops.
"""


class Stop(NamedTuple):
    """Why a robot stands.

    Attributes:
      cause: who or what stopped it first.
      reason: the first one, for a person.
      times: how many reasons came until now, the first included.
    """

    cause: Cause
    reason: str
    times: int = 1

    def __str__(self) -> str:
        """Cause and reason, as a hello reports them."""
        return f"{self.cause}: {self.reason}"


class Command(NamedTuple):
    """What a policy answers to a report.

    Attributes:
      chunk: float32 or float64 [k, A], one row for each control period from the report on.
      report_ns: when that report was sampled, on the robot's clock [ns].
      valid_until_ns: after which no row may begin, on the robot's clock [ns].
    """

    chunk: np.ndarray
    report_ns: int
    valid_until_ns: int


@dataclass(kw_only=True)
class Counters:
    """What happened since the guard was made.

    accepted to without_session are commands by `Verdict`; holds, link_stops and latched_stops say
    how often each began; bounds to margin are ticks in which that limit changed a command.
    """

    accepted: int = 0
    old: int = 0
    repeated: int = 0
    unasked: int = 0
    refused: int = 0
    while_stopped: int = 0
    without_session: int = 0
    holds: int = 0
    link_stops: int = 0
    latched_stops: int = 0
    bounds: int = 0
    velocity: int = 0
    acceleration: int = 0
    margin: int = 0

    @property
    def changed(self) -> int:
        """Limits that changed a command, summed over ticks; 0 says that none ever did."""
        return self.bounds + self.velocity + self.acceleration + self.margin
