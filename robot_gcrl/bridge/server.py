"""The policy server: reports in, commands out; goals, stops and clears from operators.

One thread. Each cycle drains the control channel, robots' reports first, gathers the robots with a
fresh report, runs one batched inference and answers each. Nothing that a peer sends ends the loop.
"""

import errno
import os
import time
from collections.abc import Callable, Iterator

import numpy as np
import zmq

from robot_gcrl.bridge.core import Core, Work
from robot_gcrl.bridge.cycle import Frame, hear
from robot_gcrl.bridge.endpoint import Endpoint
from robot_gcrl.bridge.inference import Inference
from robot_gcrl.bridge.messages import Body, Bye, Code, Command, Header, Status
from robot_gcrl.bridge.record import Recorder
from robot_gcrl.bridge.rules import SECOND_NS, STOOD_STILL
from robot_gcrl.bridge.security import ServerSecurity
from robot_gcrl.bridge.sessions import Session
from robot_gcrl.bridge.settings import Settings
from robot_gcrl.bridge.sockets import make_publisher, make_router
from robot_gcrl.bridge.state import contract_state, farthest, robot_state
from robot_gcrl.bridge.stops import StopBook
from robot_gcrl.bridge.telemetry import CONTRACT, Telemetry, robot_topic
from robot_gcrl.bridge.wire import encode, pack_floats
from robot_gcrl.contract import Contract
from robot_gcrl.errors import BridgeError
from robot_gcrl.policy.runtime import Runtime

# Frames of one cycle: a flood must not starve the robots that were drained
_DRAIN = 2048
# Robots of one inference: if it takes longer than a period, they take turns
MOST_AT_ONCE = 128
_HOUSEKEEPING = SECOND_NS // 20
# For the first message of a cycle [ms]
_WAIT = 10
# For the byes: until every robot has looked twice, at most this [s]. A connection that closes takes
# along what the other side has not read yet.
_GOODBYE = 0.3


class PolicyServer:
    """A server on bound sockets: `run` serves until it shall not go on, `close` says goodbye.

    Attributes:
      settings: how it serves.
      core: sessions, goals, stops and counters.
      recorder: receives every frame from when it is set.
      overloads: inferences that took longer than the control period.
      inference_ns: how long the last inference took [ns].
    """

    def __init__(
        self,
        contract: Contract,
        runtime: Runtime,
        settings: Settings,
        stops: StopBook,
        *,
        endpoint: Endpoint,
        security: ServerSecurity | None = None,
    ) -> None:
        """Warms the runtime up and binds the endpoint.

        Args:
          contract: of the policy.
          runtime: that computes it.
          settings: how it serves.
          stops: operators' stops that hold.
          endpoint: where.
          security: keys; None only where no other machine can connect.

        Raises:
          BridgeError: an endpoint that cannot be bound, or that others could reach without keys.
        """
        _require_keys(endpoint, security)
        self._contract, self.settings = contract, settings
        self._inference = Inference(contract, runtime, scale=settings.scale)
        self._security = security
        self.recorder: Recorder | None = None
        self._context = zmq.Context()
        self._router = make_router(self._context)
        self._router.setsockopt(zmq.RCVTIMEO, _WAIT)
        publisher = make_publisher(self._context)
        if security is not None:
            security.start(self._context)
            security.secure(self._router)
            security.secure(publisher)
        try:
            self._router.bind(endpoint.control)
            publisher.bind(endpoint.telemetry)
        except zmq.ZMQError as error:
            if security is not None:
                security.stop()
            self._context.destroy(linger=0)
            raise BridgeError(
                f"The endpoint {endpoint.text} cannot be bound: {_reason(error)}. Expected a free "
                "address of this machine. Choose another --bind."
            ) from error
        self._telemetry = Telemetry(publisher)
        self._telemetry.publish(CONTRACT, contract_state(contract, settings))
        self.core = Core(contract, settings, stops, self)
        self.overloads = 0
        self.inference_ns = 0
        self._next_housekeeping = 0
        self._told: set[str] = set()
        self._ran_at = _clock()

    def run(self, goes_on: Callable[[], bool]) -> None:
        """Serves; asks at least 20 times a second whether it shall go on."""
        behind = False
        while goes_on():
            hear(self.core, self._frames(waits=not behind))
            behind = self._serve()
            now = time.monotonic_ns()
            if now >= self._next_housekeeping:
                self._next_housekeeping = now + _HOUSEKEEPING
                self._keep_house(now)
            self._notice_pause()

    def complaints(self) -> list[str]:
        """What went wrong with keys since the last call, for who runs the server."""
        return [] if self._security is None else self._security.complaints()

    def close(self) -> None:
        """Says bye to everybody and gives the endpoint back."""
        sessions = self.core.sessions.all
        for session in sessions:
            self.send(session, Bye("the server ends"))
        if sessions:
            time.sleep(min(2 * self._contract.control_dt, _GOODBYE))
        self._router.close(linger=0)
        self._telemetry.socket.close(linger=0)
        if self._security is not None:
            self._security.stop()
        self._context.term()
        if self.recorder is not None:
            self.recorder.close()

    def send(self, session: Session, body: Body, answers: Header | None = None) -> int:
        """See `Mouth`; what cannot be sent at once is counted and lost."""
        session.sent = (session.sent + 1) % 2**32
        header = _header(session.number, session.sent, answers)
        if not self._send(session.identity, session.robot, header, body):
            session.counters.unsent += 1
        return session.sent

    def send_unknown(self, identity: bytes, body: Body, answers: Header) -> None:
        """See `Mouth`."""
        self._send(identity, "", _header(0, 0, answers), body)

    def event(self, robot: str, code: Code, text: str) -> None:
        """See `Mouth`."""
        self._telemetry.event(robot, code, text)

    def _send(self, identity: bytes, name: str, header: Header, body: Body) -> bool:
        frame = encode(header, body)
        if self.recorder is not None:
            self.recorder.add(header.stamp_ns, "out", identity, name, frame)
        try:
            self._router.send_multipart((identity, frame), zmq.NOBLOCK)
        except zmq.ZMQError:  # gone (EHOSTUNREACH), or it does not read (EAGAIN)
            return False
        return True

    def _frames(self, *, waits: bool) -> Iterator[Frame]:
        """What has come since the last cycle; waits for the first, but not for long."""
        flags = 0 if waits else zmq.NOBLOCK
        for _ in range(_DRAIN):
            peer = None
            try:
                if self._security is None:
                    parts = self._router.recv_multipart(flags)
                else:
                    raw = self._router.recv_multipart(flags, copy=False)
                    peer = self._security.peer(raw[-1])
                    parts = [part.bytes for part in raw]
            except zmq.Again:
                break
            flags = zmq.NOBLOCK
            self._notice_pause()
            now = time.monotonic_ns()
            identity, frame = parts[0], parts[-1] if len(parts) == 2 else b""
            if self.recorder is not None:
                self.recorder.add(now, "in", identity, self.core.sessions.name(identity), frame)
            yield identity, frame, now, peer
        # Orders are carried out after the last frame
        self._notice_pause()

    def _notice_pause(self) -> None:
        now = _clock()
        if now - self._ran_at > STOOD_STILL:
            self.core.stood_still(time.monotonic_ns())
        self._ran_at = now

    def _serve(self) -> bool:
        """Answers who waits; whether somebody waits still."""
        waiting = self.core.work(time.monotonic_ns())
        work = waiting[:MOST_AT_ONCE]
        if not work:
            return False
        ctrl, self.inference_ns = self._inference.run(work)
        if self.inference_ns > self.core.deadlines.period:
            self.overloads += 1
            took = f"an inference took {self.inference_ns / 1e6:.1f} ms"
            self.event("*", Code.OVERLOAD, took)
        distances = farthest(self._contract, work)
        low, high = self._contract.action.ctrl_range
        clipped = ((ctrl <= low) | (ctrl >= high)).sum(-1)
        for i, entry in enumerate(work):
            self._answer(entry, ctrl[i], float(distances[i]), int(clipped[i]))
        return len(waiting) > len(work)

    def _answer(self, entry: Work, ctrl: np.ndarray, distance: float, clipped: int) -> None:
        session, sample, goal = entry
        session.pending = None
        session.served_ns = time.monotonic_ns()
        session.counters.commands += 1
        command = Command(
            chunk=pack_floats(ctrl),
            valid_until_ns=sample.header.stamp_ns + self.core.deadlines.command_age,
            goal=pack_floats(goal),
            distance=distance,
            clipped=clipped,
        )
        if self.settings.dry_run:
            if self.recorder is not None:
                frame = encode(_header(session.number, 0, sample.header), command)
                at = time.monotonic_ns()
                self.recorder.add(at, "dry", session.identity, session.robot, frame)
            self.send(session, Status(session.robot, Code.DRY_RUN, ""), sample.header)
        else:
            self.send(session, command, sample.header)

    def _keep_house(self, now: int) -> None:
        self._telemetry.welcome_subscribers()
        self.core.keep_house(now)
        robots = self.core.sessions.robots
        for gone in self._told - set(robots):
            self._telemetry.forget(robot_topic(gone))
        self._told = set(robots)
        for robot, session in robots.items():
            state = robot_state(
                self._contract,
                session,
                self.core.operators.goals.get(robot),
                lost=self.core.sessions.is_lost(session, now),
            )
            self._telemetry.publish(robot_topic(robot), state)


def _clock() -> int:
    """A clock that goes on while the machine sleeps [ns]."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _header(session: int, seq: int, answers: Header | None) -> Header:
    return Header(
        session=session,
        seq=seq,
        stamp_ns=time.monotonic_ns(),
        echo_ns=answers.stamp_ns if answers else 0,
        ref_seq=answers.seq if answers else 0,
    )


def _reason(error: zmq.ZMQError) -> str:
    """The system's words, without the address that ZeroMQ adds to them."""
    number = error.errno or 0
    return os.strerror(number) if number in errno.errorcode else zmq.strerror(number)


def _require_keys(endpoint: Endpoint, security: ServerSecurity | None) -> None:
    if security is None and not endpoint.is_local:
        raise BridgeError(
            f"The endpoint {endpoint.text} can be reached by other machines, and there are no "
            "keys. Expected keys, or an endpoint of this machine (ipc, 127.0.0.1). Make keys with "
            "robot-gcrl keys and give them with --keys."
        )
