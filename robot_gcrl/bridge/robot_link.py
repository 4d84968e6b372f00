"""A robot's session with a server, over one DEALER socket: hello, numbers, what comes in."""

import time
from collections import deque

import numpy as np
import zmq

from robot_gcrl.bridge import messages as m
from robot_gcrl.bridge.endpoint import Endpoint
from robot_gcrl.bridge.rules import SECOND_NS
from robot_gcrl.bridge.security import ClientSecurity, connect
from robot_gcrl.bridge.sockets import make_dealer
from robot_gcrl.bridge.wire import WireError, decode, encode, is_newer, pack_floats
from robot_gcrl.contract import Contract

# Between two hellos
_RETRY = SECOND_NS // 20
# Unanswered ones that are remembered
_HELLOS = 64
# For the bye [ms]
_GOODBYE = 100


class Link:
    """The connection, as far as it is not about motion.

    Attributes:
      session: its number, 0 without one.
      trouble: why handshakes fail below the protocol (keys), empty if they do not.
      rejected_by: the last reject, None after a welcome.
      unsent: messages that could not be sent at once, and never will be.
      bad: frames that were no message.
      fenced: messages of old numbers.
    """

    def __init__(
        self,
        contract: Contract,
        robot: str,
        endpoint: Endpoint,
        *,
        pose_size: int,
        security: ClientSecurity | None,
    ) -> None:
        """Connects in the background."""
        self._contract, self.robot, self._pose_size = contract, robot, pose_size
        self._context = zmq.Context()
        self._socket = make_dealer(self._context, is_robot=True)
        self._watch = connect(self._socket, endpoint.control, security)
        self.session = 0
        self.trouble = ""
        self.rejected_by: m.Reject | None = None
        self.unsent = self.bad = self.fenced = 0
        self._sent = 0
        self._received = 0
        self._begun_at = 0
        self._hellos: deque[int] = deque(maxlen=_HELLOS)
        self._retry_at = 0
        self._wait = -1

    def may_retry(self) -> bool:
        """Whether the last hello was long enough ago for another one."""
        return time.monotonic_ns() >= self._retry_at

    def hello(self, stamp_ns: int, stop: str, goal: np.ndarray | None) -> None:
        """Asks for a session, if it was not asked a moment ago."""
        if not self.may_retry():
            return
        # Here, where there is no session: while there is one, nothing needs an explanation
        self.trouble = next(iter(self._watch.poll()), "" if self._watch.is_up else self.trouble)
        body = m.Hello(
            role="robot",
            robot=self.robot,
            sha256=self._contract.sha256,
            contract=self._contract.canonical_json,
            control_dt=self._contract.control_dt,
            pose_size=self._pose_size,
            goal=b"" if goal is None else pack_floats(goal),
            stop=stop,
        )
        if self._send(0, body, stamp_ns, 0, 0):
            self._retry_at = time.monotonic_ns() + _RETRY
            self._hellos.append(self._sent)

    def is_answered(self, header: m.Header) -> bool:
        """Whether a message answers a hello, and one said after that which was answered last.

        A server that is slower than the hellos grants a session for each; the newest counts.
        """
        return header.ref_seq in self._hellos

    def is_of_session(self, seq: int) -> bool:
        """Whether the message `seq` was sent since this session was granted."""
        return is_newer(seq, self._begun_at)

    def begin(self, welcome: m.Header) -> None:
        """A session is granted, whose numbers begin with the welcome's."""
        self.session, self._received = welcome.session, welcome.seq
        self._begun_at, self.rejected_by = self._sent, None
        while self._hellos and self._hellos.popleft() != welcome.ref_seq:
            pass

    def end(self) -> None:
        """The session is over; the next hello may be said at once."""
        self.session = self._retry_at = 0

    def rejected(self, body: m.Reject) -> None:
        """The hello was refused."""
        self.rejected_by = body

    def send(self, body: m.Body, stamp_ns: int, *, echo_ns: int = 0, ref_seq: int = 0) -> None:
        """Sends a message of the session now, or never."""
        if self.session:
            self._send(self.session, body, stamp_ns, echo_ns, ref_seq)

    def next(self, wait_ns: int) -> m.Message | None:
        """The next message within `wait_ns` of real time; frames that are none are counted."""
        end = time.monotonic_ns() + wait_ns
        while True:
            left = end - time.monotonic_ns()
            try:
                message = decode(self._receive(left))
                self._fence(message.header)
                return message
            except zmq.Again:
                return None
            except WireError as error:
                if error.code == m.Code.STALE_REPORT:
                    self.fenced += 1
                else:
                    self.bad += 1

    def close(self, stamp_ns: int, reason: str) -> None:
        """Says bye and closes the socket."""
        self.send(m.Bye(reason), stamp_ns)
        self._watch.close()
        self._socket.close(linger=_GOODBYE if self.session else 0)
        self.session = 0
        self._context.term()

    def _receive(self, wait_ns: int) -> bytes:
        if wait_ns <= 0:
            return self._socket.recv(zmq.NOBLOCK)
        # ZeroMQ counts whole milliseconds: up, so as not to spin through the last one
        wait = -(-wait_ns // 1_000_000)
        if wait != self._wait:
            self._wait = wait
            self._socket.setsockopt(zmq.RCVTIMEO, wait)
        return self._socket.recv()

    def _fence(self, header: m.Header) -> None:
        if not self.session or header.session != self.session:
            return
        if self._received and not is_newer(header.seq, self._received):
            raise WireError(m.Code.STALE_REPORT, "an old number", header)
        self._received = header.seq

    def _send(self, session: int, body: m.Body, stamp: int, echo: int, ref: int) -> bool:
        self._sent = (self._sent + 1) % m.SEQUENCES
        header = m.Header(session, self._sent, max(stamp, 0), max(echo, 0), ref)
        try:
            self._socket.send(encode(header, body), zmq.NOBLOCK)
        except zmq.Again:  # no server, or one that does not read: what is old by then is not sent
            self.unsent += 1
            return False
        return True
