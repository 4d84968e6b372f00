"""Questions of an operator and their answers: sent again in a new session, never waited for long.

A question that found no server was not sent; one that was sent and not answered may have been
heard. The errors tell the two apart.
"""

import time
from collections.abc import Callable

from robot_gcrl.bridge import messages as m
from robot_gcrl.bridge.endpoint import Endpoint
from robot_gcrl.bridge.feed import Feed
from robot_gcrl.bridge.operator_link import OperatorLink
from robot_gcrl.bridge.rules import SECOND_NS
from robot_gcrl.bridge.stops import EVERY
from robot_gcrl.errors import BridgeError

# Between two looks at what else has happened
_LOOK = SECOND_NS // 50
# The server tells a new subscriber of its robots within 50 ms
_CENSUS = SECOND_NS // 5
# Of a robot that did not answer before the server lost it
_GONE = m.Code.ROBOT_LOST, "is lost, and has not confirmed it"
_REFUSALS = (m.Code.BAD_FRAME, m.Code.BAD_VERSION, m.Code.BAD_ROLE)


class _Roll:
    """Whose answer to a question to every robot is awaited.

    A robot once seen alive stays on the roll: one that is lost before it answers has not confirmed.

    Attributes:
      said: the answers, by robot.
    """

    def __init__(self, feed: Feed) -> None:
        """Nobody has answered."""
        self.said: dict[str, m.Status] = {}
        self._feed = feed
        self._expected: set[str] = set()
        self._since: int | None = None  # telemetry is heard

    def is_done(self) -> bool:
        """Whether the robots are known, and each has answered or is gone."""
        now, alive = time.monotonic_ns(), self._alive()
        self._expected |= alive
        if self._since is None and self._feed.served is not None:
            self._since = now
        is_counted = self._since is not None and now - self._since > _CENSUS
        return is_counted and bool(self.said) and not alive - self.said.keys()

    def silent(self) -> list[str]:
        """Who has not answered."""
        return sorted(self._expected - self.said.keys())

    def missing(self) -> str:
        """What is not known, in a sentence."""
        if self._since is not None or not self.said:
            return f"Nothing was heard of: {', '.join(self.silent()) or 'any robot'}."
        heard = ", ".join(sorted(self.said))
        return f"Heard of: {heard}; whether there are other robots is not known without telemetry."

    def _alive(self) -> set[str]:
        return {robot for robot, state in self._feed.states().items() if not state.lost}


class Exchange:
    """Both channels of an operator, and what may be asked over them."""

    def __init__(self, link: OperatorLink, feed: Feed, endpoint: Endpoint) -> None:
        """Nothing was asked yet."""
        self._link, self._feed, self._endpoint = link, feed, endpoint
        self._session = 0

    def turn(self, wait_ns: int) -> list[m.Message]:
        """Does what is due on both channels; answers that came within `wait_ns`."""
        answers = self._link.turn(max(wait_ns, 0))
        if self._link.session not in (0, self._session):
            if self._session:
                self._feed.forget()  # of the server before
            self._session = self._link.session
        self._feed.turn()
        return answers

    def connect(self, timeout: float) -> None:
        """Waits for a session and for telemetry, but for the latter no longer than `timeout` [s].

        Raises:
          BridgeError: nobody answers in time, a key is wrong, or the server refuses.
        """
        end = time.monotonic_ns() + round(timeout * SECOND_NS)
        while not (self._link.session and self._feed.served is not None):
            self.turn(min(end - time.monotonic_ns(), _LOOK))
            self._require_no_refusal()
            if time.monotonic_ns() > end and not self._link.session:
                raise self._nobody(timeout)
            if time.monotonic_ns() > end:
                return  # it can be told what to do, though nothing be seen of it

    def ask(
        self, body: m.Body, answer: type[m.Body], timeout: float, what: str, advice: str
    ) -> m.Body:
        """The answer to a message.

        Args:
          body: what is asked.
          answer: the type of what answers it.
          timeout: [s].
          what: as the sentence of the error begins.
          advice: its last sentence, for what was sent and not answered.

        Raises:
          BridgeError: no answer in time, or the server refuses.
        """
        found: list[m.Body] = []
        self._exchange(body, timeout, what, found.append, lambda: bool(found), lambda: advice)
        first = found[0]
        if not isinstance(first, answer) or _is_refusal(first):
            raise self._refused(what, first)
        return first

    def tell_all(self, body: m.Stop | m.Clear, timeout: float, what: str, advice: str) -> m.Status:
        """What all robots answer that were seen alive since the question, in one status.

        Args:
          body: to "*".
          timeout: [s].
          what: as the sentence of the error begins.
          advice: its last sentence.

        Returns:
          STOPPED or CLEARED if each of them confirmed, else the first other code: ROBOT_LOST where
          the server lost one before it answered.

        Raises:
          BridgeError: one of them does not answer in time, telemetry does not say which there are,
            or the server refuses.
        """
        roll = _Roll(self._feed)

        def take(answer: m.Body) -> None:
            if not isinstance(answer, m.Status) or _is_refusal(answer):
                raise self._refused(what, answer)
            roll.said[answer.robot] = answer

        self._exchange(
            body, timeout, what, take, roll.is_done, lambda: f"{roll.missing()} {advice}"
        )
        said = roll.said | {robot: m.Status(robot, *_GONE) for robot in roll.silent()}
        obeyed = m.Code.STOPPED if isinstance(body, m.Stop) else m.Code.CLEARED
        others = [status.code for status in said.values() if status.code != obeyed]
        text = "; ".join(f"{robot}: {status.text}" for robot, status in sorted(said.items()))
        return m.Status(EVERY, (others or [obeyed])[0], text)

    def _exchange(
        self,
        body: m.Body,
        timeout: float,
        what: str,
        take: Callable[[m.Body], object],
        is_done: Callable[[], bool],
        advice: Callable[[], str],
    ) -> None:
        end = time.monotonic_ns() + round(timeout * SECOND_NS)
        asked_in, numbers = 0, set()
        while not is_done():
            if self._link.session != asked_in and (number := self._link.send(body)):
                asked_in = self._link.session
                numbers.add(number)
            for message in self.turn(min(end - time.monotonic_ns(), _LOOK)):
                if message.header.ref_seq in numbers:
                    take(message.body)
            self._require_no_refusal()
            if time.monotonic_ns() > end and not is_done():
                if not numbers:
                    raise self._nobody(timeout)
                raise BridgeError(
                    f"{what} was not confirmed within {timeout:g} s at {self._endpoint.text}. "
                    f"Expected an answer. {advice()}"
                )

    def _require_no_refusal(self) -> None:
        if self._link.trouble:
            raise BridgeError(
                f"No connection: {self._link.trouble}. Expected keys that fit. See: robot-gcrl "
                "keys --help"
            )
        rejected = self._link.rejected
        if rejected is not None:
            rows = "; ".join(f"{n}: expected {a}, got {b}" for n, a, b in rejected.differences)
            raise BridgeError(
                f"The server at {self._endpoint.text} refuses this operator: {rejected.text}"
                f"{'. ' + rows if rows else ''}. Expected a client that fits the served policy. "
                "Give the policy that is served, or none."
            )

    def _nobody(self, timeout: float) -> BridgeError:
        return BridgeError(
            f"No policy server answered at {self._endpoint.text} within {timeout:g} s; nothing was "
            "sent. Expected one that runs. Start it with robot-gcrl serve NAME.policy, or choose "
            "another --connect."
        )

    def _refused(self, what: str, answer: m.Body) -> BridgeError:
        text = answer.text if isinstance(answer, m.Status) else type(answer).__name__
        return BridgeError(
            f"{what} was refused by the server at {self._endpoint.text}: {text}. Expected another "
            "message. Correct it."
        )


def _is_refusal(answer: m.Body) -> bool:
    return isinstance(answer, m.Status) and answer.code in _REFUSALS
