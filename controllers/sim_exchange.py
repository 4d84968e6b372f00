"""Reports and their answers: in lockstep, where each is waited for, and in real time.

In lockstep a report is sent again only when the server is known not to have it (it was started
anew, or dropped the report as too old), so that no policy step is computed twice: whether a silent
server lives is asked by heartbeats.
"""

import time
from collections.abc import Callable, Sequence

from robot_gcrl.bridge.client import Answer, RobotClient
from robot_gcrl.bridge.messages import Heartbeat
from robot_gcrl.errors import BridgeError

PATIENCE_NS = 30 * 10**9
"""Without a word from the server for this long, lockstep is given up [ns]."""

_PROBE_NS = 10**9 // 4
# A session is granted without an answer that `receive` could wait for
_RETRY_NS = 2_000_000

Report = Callable[[], int]


def connect(
    clients: Sequence[RobotClient], reports: Sequence[Report], goes_on: Callable[[], bool]
) -> bool:
    """Waits until every client has a session; False if it was told not to go on.

    Raises:
      BridgeError: the server does not answer, or refuses a robot.
    """
    end = time.monotonic_ns() + PATIENCE_NS
    for client, report in zip(clients, reports, strict=True):
        while not client.link.session:
            if not goes_on():
                return False
            if time.monotonic_ns() > end:
                raise _silence(client)
            # Without a session it says hello
            stamp = report()
            client.receive(stamp, _RETRY_NS)
    return True


def ask(client: RobotClient, report: Report, goes_on: Callable[[], bool]) -> Answer | None:
    """The answer to a report, which simulated time waits for; None if it was told not to go on.

    Args:
      client: of the robot.
      report: sends the report and returns its stamp; called again where the server has none.
      goes_on: asked at least four times a second.

    Raises:
      BridgeError: the server does not answer for `PATIENCE_NS`.
    """
    end = time.monotonic_ns() + PATIENCE_NS
    while goes_on():
        before = client.link.session, client.link.unsent
        # A link stop ends with a new session, which is said hello for instead
        is_stopped = client.guard.link_stop is not None
        stamp = report()
        after = client.link.session, client.link.unsent
        was_sent = before[0] != 0 and before == after and not is_stopped
        while goes_on():
            if time.monotonic_ns() > end:
                raise _silence(client)
            answers = client.receive(stamp, _PROBE_NS if was_sent else _RETRY_NS)
            found = [answer for answer in answers if answer.report_ns == stamp]
            if found and client.guard.link_stop is None:
                return found[0]
            is_dropped = client.dropped_ns == stamp
            if found or is_dropped or not was_sent or client.link.session != before[0]:
                client.dropped_ns = 0  # the next report has the same stamp
                break
            # A server that was started anew answers that it knows no such session
            client.link.send(Heartbeat(), stamp)
    return None


def listen(
    clients: Sequence[RobotClient], stamps: Sequence[int], patience_ns: int
) -> list[list[Answer]]:
    """What came for each client until all have their answers or the time is over.

    Args:
      clients: of the robots, which have all reported.
      stamps: of their reports.
      patience_ns: for all of them together [ns of real time].
    """
    end = time.monotonic_ns() + patience_ns
    return [
        client.receive(stamp, max(end - time.monotonic_ns(), 0))
        for client, stamp in zip(clients, stamps, strict=True)
    ]


def _silence(client: RobotClient) -> BridgeError:
    refused = client.link.rejected_by
    why = "" if refused is None else f" It refused {client.link.robot!r}: {refused.text}."
    return BridgeError(
        f"The server does not answer robot {client.link.robot!r} for "
        f"{PATIENCE_NS / 1e9:g} s.{why} Expected an answer to each report. Start the server "
        "with: robot-gcrl serve NAME.policy; or name another one with --connect."
    )
