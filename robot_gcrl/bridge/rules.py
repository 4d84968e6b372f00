"""The bridge's deadlines, as multiples of the control period T (monotonic clocks alone)."""

from typing import NamedTuple

SECOND_NS = 10**9

STOOD_STILL = SECOND_NS
"""Between two cycles of a server [ns]: after more, its process did not run (stopped, swapped out,
the machine asleep), and what operators said meanwhile has been given up by who said it."""
DEAF = 2 * SECOND_NS
"""For so long afterwards goals and clears are refused [ns]: what was sent meanwhile still arrives.
"""


class Deadlines(NamedTuple):
    """What is too old, and how long without a word is too long, each [ns].

    Attributes:
      period: T.
      report_age: a report that waited longer at the server is dropped.
      command_age: a command is discarded that is older than this since its report.
      lost: without a report for this long the robot is lost.
    """

    period: int
    report_age: int
    command_age: int
    lost: int


def deadlines(control_dt: float) -> Deadlines:
    """The deadlines for a control period [s]."""
    period = round(control_dt * SECOND_NS)
    return Deadlines(period, 2 * period, 3 * period, 10 * period)
