"""An operator's session with a server: hello, heartbeats, and another hello when it is gone.

Nothing here waits longer than it is told to. What happens to the connection is noted, for the
person who looks.
"""

import time
from collections import deque
from typing import Literal

import zmq

from robot_gcrl.bridge import messages as m
from robot_gcrl.bridge.endpoint import Endpoint
from robot_gcrl.bridge.rules import SECOND_NS
from robot_gcrl.bridge.security import ClientSecurity, connect
from robot_gcrl.bridge.sockets import make_dealer
from robot_gcrl.bridge.wire import WireError, decode, encode, is_newer
from robot_gcrl.contract import Contract

LinkState = Literal["connecting", "connected", "silent"]

_HEARTBEAT = SECOND_NS
# Three heartbeats without an answer
_SILENT = 3 * SECOND_NS
# Between two hellos, and after a reject
_RETRY = SECOND_NS // 4
_REJECTED = 2 * SECOND_NS
# The socket's monitor does not wake the poll
_LOOK_AGAIN = SECOND_NS // 50
# Unanswered hellos that are remembered
_HELLOS = 64
# For the bye [ms]
_GOODBYE = 100
_NOTES = 256
# Messages of one turn: a flood must not keep a viewer from drawing
_DRAIN = 1024


class OperatorLink:
    """The control channel of an operator.

    Attributes:
      session: its number, 0 without one.
      welcome: of the newest session, None before the first.
      rejected: the newest reject, None after a welcome.
      trouble: why handshakes fail below the protocol (keys), empty if they do not.
      state: "silent" means that a session is there and the server says nothing.
      notes: what happened, as (code, text).
    """

    def __init__(
        self,
        context: zmq.Context,
        endpoint: Endpoint,
        contract: Contract | None,
        name: str,
        security: ClientSecurity | None,
    ) -> None:
        """Connects in the background."""
        self._hello = m.Hello(
            role="operator",
            robot=name,
            sha256="" if contract is None else contract.sha256,
            contract="" if contract is None else contract.canonical_json,
            control_dt=0.0,
            pose_size=0,
            goal=b"",
            stop="",
        )
        self._socket = make_dealer(context, is_robot=False)
        self._watch = connect(self._socket, endpoint.control, security)
        self.session = 0
        self.welcome: m.Welcome | None = None
        self.rejected: m.Reject | None = None
        self.trouble = ""
        self.state: LinkState = "connecting"
        self.notes: deque[tuple[m.Code, str]] = deque(maxlen=_NOTES)
        self._sent = self._begun_at = 0
        self._hellos: deque[int] = deque(maxlen=_HELLOS)
        self._hello_at = self._beat_at = self._heard = 0

    def turn(self, wait_ns: int) -> list[m.Message]:
        """Does what is due, and returns answers; waits for the first, but not longer than told.

        Args:
          wait_ns: longest wait [ns]; 0 returns at once.
        """
        end = time.monotonic_ns() + wait_ns
        while True:
            self._do_what_is_due(time.monotonic_ns())
            answers = self._drain()
            left = end - time.monotonic_ns()
            if answers or left <= 0:
                return answers
            self._socket.poll(-(-min(left, _LOOK_AGAIN) // 1_000_000))

    def send(self, body: m.Body) -> int:
        """Sends a message of the session now, or never; its number, 0 if it could not be sent."""
        return self._send(self.session, body) if self.session else 0

    def close(self) -> None:
        """Says bye and closes the socket."""
        self.send(m.Bye("the operator's program ends"))
        self._watch.close()
        self._socket.close(linger=_GOODBYE if self.session else 0)
        self.session = 0

    def _do_what_is_due(self, now: int) -> None:
        for text in self._watch.poll():
            self.trouble = text
            self.notes.append((m.Code.BAD_ROLE, text))
        if self._watch.is_up:
            self.trouble = ""
        if not self.session and now >= self._hello_at:
            number = self._send(0, self._hello)
            self._hellos += [number] * bool(number)
            self._hello_at = now + (_RETRY if number else _LOOK_AGAIN)
        elif self.session and now >= self._beat_at:
            self._beat_at = now + _HEARTBEAT
            self.send(m.Heartbeat())
        if self.state == "connected" and now - self._heard > _SILENT:
            self.state = "silent"
            self.notes.append((m.Code.ROBOT_LOST, "the server does not answer"))

    def _drain(self) -> list[m.Message]:
        answers = []
        for _ in range(_DRAIN):
            try:
                message = decode(self._socket.recv(zmq.NOBLOCK))
            except zmq.Again:
                break
            except WireError as error:
                self.notes.append((m.Code.BAD_FRAME, f"a frame of the server: {error}"))
                continue
            if self._is_answer(*message):
                answers.append(message)
        return answers

    def _is_answer(self, header: m.Header, body: m.Body) -> bool:
        now = time.monotonic_ns()
        is_ours = bool(self.session) and header.session == self.session
        if isinstance(body, m.Welcome | m.Reject):
            # A server that is farther away than the hellos are apart grants a session for each of
            # them, and the newest counts
            if header.ref_seq in self._hellos:
                self._begin(header, body, now)
            return False
        if is_ours:
            self._hear(now)
        if isinstance(body, m.Bye) and is_ours:
            self._end(now, f"the server said bye: {body.reason}")
            return False
        if not header.session and isinstance(body, m.Status):
            if body.code == m.Code.UNKNOWN_SESSION:
                if self.session and is_newer(header.ref_seq, self._begun_at):
                    self._end(now, "the session is gone: the server was started anew")
                    self._hello_at = now
                return False
            return True
        return is_ours

    def _begin(self, header: m.Header, body: m.Welcome | m.Reject, now: int) -> None:
        while self._hellos and self._hellos.popleft() != header.ref_seq:
            pass
        if isinstance(body, m.Reject):
            self.rejected = body
            self._hello_at = now + _REJECTED
            self.notes.append((m.known_code(body.code), f"the server refuses: {body.text}"))
            return
        again = "" if self.welcome is None else " again, with a new session"
        self.session, self.welcome, self.rejected = header.session, body, None
        self.state, self._begun_at = "connected", self._sent
        self._heard, self._beat_at = now, now + _HEARTBEAT
        self.notes.append((m.Code.OK, f"connected to {body.policy}{again}"))

    def _hear(self, now: int) -> None:
        self._heard = now
        if self.state == "silent":
            self.state = "connected"
            self.notes.append((m.Code.OK, "the server answers again"))

    def _end(self, now: int, text: str) -> None:
        self.session, self.state = 0, "connecting"
        self._hello_at = now + _RETRY
        self.notes.append((m.Code.UNKNOWN_SESSION, text))

    def _send(self, session: int, body: m.Body) -> int:
        number = (self._sent + 1) % m.SEQUENCES
        header = m.Header(session, number, time.monotonic_ns(), 0, 0)
        try:
            self._socket.send(encode(header, body), zmq.NOBLOCK)
        except zmq.Again:  # nobody there: an order that waits would come when it is not expected
            return 0
        self._sent = number
        return number
