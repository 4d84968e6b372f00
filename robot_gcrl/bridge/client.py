"""The robot's end of the bridge: reports out, commands in, and the guard before the motors.

    contract = read_policy("NAME.policy").contract
    position, velocity = read_joints()
    client = RobotClient(contract, load_profile("arm"), robot="arm0", endpoint=find_server(None),
                         position=position, velocity=velocity)
    pacer = Pacer(round(contract.control_dt * 1e9))
    with client:
        while running():
            pacer.wait()
            position, velocity = read_joints()
            tick = client.step(read_inputs(position, velocity), position, velocity)
            write_to_motors(tick.ctrl)
    while moving():  # it has said bye, and writes the safe stop
        pacer.wait()
        write_to_motors(client.tick(*read_joints()).ctrl)

`step` is `report`, `receive`, `accept` and `tick`, which simulators call apart. Nothing here waits
longer than it is told to, and nothing that a server sends or fails to send makes `tick` return
what the guard did not allow. Time is `clock`, monotonic [ns]; a lockstep simulation gives its own.
"""

import time
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

import numpy as np

from robot_gcrl.bridge import messages as m
from robot_gcrl.bridge.endpoint import Endpoint
from robot_gcrl.bridge.guard import Command, Guard, Tick, fit
from robot_gcrl.bridge.profile import Profile
from robot_gcrl.bridge.robot_link import Link
from robot_gcrl.bridge.security import ClientSecurity
from robot_gcrl.bridge.wire import WireError, floats, pack_floats
from robot_gcrl.contract import Contract
from robot_gcrl.errors import BridgeError

_NONE = np.empty(0, np.float32)
# Answers that say: the link is alive, and nothing is commanded
# Plain numbers: what an enum's operators take is a tenth of a step
_RESET, _HOLD, _LINK_STOP, _LATCHED_STOP, _RAMP = map(
    int, (m.Flag.RESET, m.Flag.HOLD, m.Flag.LINK_STOP, m.Flag.LATCHED_STOP, m.Flag.RAMP)
)
_IDLE = (m.Code.NO_GOAL, m.Code.STOPPED, m.Code.DRY_RUN, m.Code.HOLD, m.Code.NO_POLICY)


class Answer(NamedTuple):
    """What the server says to a report.

    Attributes:
      report_ns: stamp of that report [ns].
      command: for `accept`, or None where nothing is commanded.
      code: why not, else OK.
      arrived_ns: on the client's clock [ns].
    """

    report_ns: int
    command: Command | None
    code: m.Code
    arrived_ns: int


class RobotClient:
    """One robot on one server; not for several threads.

    Attributes:
      guard: decides what is written.
      link: the session.
      goal: float32 [G] that the last command pursued, SI; None before.
      distance: to it.
      policy: name of what is served; empty before the first session.
      complaint: why the server refused the newest report, which the reason of a link stop repeats;
        empty if it did not.
      refused: frames from the server that were not acted on.
      dropped_ns: stamp of the newest report that the server found too old to answer; 0 before [ns].
    """

    def __init__(
        self,
        contract: Contract,
        profile: Profile,
        *,
        robot: str,
        endpoint: Endpoint,
        position: np.ndarray,
        velocity: np.ndarray | None = None,
        pose_size: int = 0,
        stop: str = "",
        security: ClientSecurity | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Connects in the background; nothing is waited for.

        Args:
          contract: of the robot; the server's must have the same sha256.
          profile: the robot's own limits and stop rules; the narrower of both counts.
          robot: id, unique on the server.
          endpoint: of the server.
          position: [A], measured, of the actuated joints (SI); anything where there is none.
          velocity: [A] likewise, or None if the robot never measures it.
          pose_size: numbers of the pose that reports will carry for drawing, 0 for none.
          stop: why the robot stands until cleared, if it does since before this process.
          security: keys, where the server has some.
          clock: monotonic [ns].

        Raises:
          RobotGcrlError: the profile does not fit the contract, or the robot cannot start as it is.
        """
        self.contract = contract
        self._clock = clock
        limits = fit(contract, profile)
        self.guard = Guard(limits, now_ns=clock(), position=position, velocity=velocity)
        if stop:
            self.guard.stop(clock(), stop)
        self.link = Link(contract, robot, endpoint, pose_size=pose_size, security=security)
        self.goal: np.ndarray | None = None
        self.distance = 0.0
        self.policy = self.complaint = self._told_stop = ""
        self.refused = self.dropped_ns = 0
        self._inputs = len(contract.inputs)
        self._written: np.ndarray | None = None
        self._age_ns = self._clipped = 0
        self._newest: tuple[int, int] = (0, 0)  # stamp of the newest command, and when it came
        self._patience = limits.period_ns // 2
        self._was_welcome = self._fades_in = False

    def __enter__(self) -> "RobotClient":
        """The client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Says bye and closes the socket."""
        self.close("the robot's program ends")

    def step(
        self,
        inputs: np.ndarray,
        position: np.ndarray,
        velocity: np.ndarray | None = None,
        *,
        pose: np.ndarray = _NONE,
        wait_ns: int | None = None,
    ) -> Tick:
        """One control step: reports, waits for the answer, and says what to write.

        Args:
          inputs: float [I], raw measured numbers in contract order, SI.
          position: [A], measured, of the actuated joints.
          velocity: [A] likewise.
          pose: [pose_size].
          wait_ns: longest wait for the answer [ns]; None is half a control period. What comes later
            is taken in the next step, if it is not too old by then.
        """
        stamp = self.report(inputs, pose=pose)
        patience = self._patience if wait_ns is None else wait_ns
        for answer in self.receive(stamp, patience):
            self.accept(answer)
        return self.tick(position, velocity)

    def report(self, inputs: np.ndarray, *, pose: np.ndarray = _NONE, reset: bool = False) -> int:
        """Sends what was measured now (or says hello, where there is no session); its stamp [ns].

        A heartbeat goes in its place where a number is not finite.

        Args:
          inputs: [I], SI.
          pose: [pose_size].
          reset: whether an episode starts here, in a simulation.

        Raises:
          BridgeError: another count of inputs than the contract's.
        """
        if np.shape(inputs) != (self._inputs,):
            raise BridgeError(
                f"The inputs have shape {np.shape(inputs)}. Expected ({self._inputs},): the "
                "numbers that contract.inputs names, in its order. Correct the robot's program."
            )
        now = self._clock()
        # A link stop is over with the next session alone, in which the old one's report is nothing
        is_stopped = self.guard.link_stop is not None
        if not self.link.session or (is_stopped and self.link.may_retry()):
            self.link.hello(now, self._stop_reason(), self.goal)
            return now
        if not (np.isfinite(inputs).all() and np.isfinite(pose).all()):
            # A sensor that fails measures nothing that could be reported. The session stays, so
            # that an operator finds the robot. No report says that it is latched: a status does
            stop = self._stop_reason()
            is_news = stop not in ("", self._told_stop)
            self._told_stop = stop
            body = m.Status("", m.Code.STOPPED, stop) if is_news else m.Heartbeat()
            self.link.send(body, now)
            return now
        self._told_stop = ""
        stamp, came = self._newest
        body = m.Report(
            flags=self._flags() | _RESET * reset,
            age_ns=self._age_ns,
            clipped=self._clipped,
            inputs=pack_floats(inputs),
            ctrl=b"" if self._written is None or reset else pack_floats(self._written),
            pose=pack_floats(pose),
        )
        echo = stamp + max(now - came, 0) if stamp else 0
        self.link.send(body, now, echo_ns=echo)
        return now

    def receive(self, stamp: int, wait_ns: int) -> list[Answer]:
        """Deals with what has come, and returns answers to reports, the oldest first.

        Args:
          stamp: of the report whose answer ends the wait.
          wait_ns: the longest wait [ns of real time].
        """
        answers: list[Answer] = []
        end = time.monotonic_ns() + wait_ns
        while True:
            message = self.link.next(max(end - time.monotonic_ns(), 0))
            if message is None:
                return answers
            try:
                answer = self._handle(*message)
            except WireError:
                self.refused += 1
                continue
            if answer is not None:
                self.complaint = ""
                answers.append(answer)
                if answer.report_ns >= stamp:
                    end = 0

    def accept(self, answer: Answer) -> None:
        """Puts an answer in force, if the guard agrees."""
        now = self._clock()
        if answer.command is None:
            self.guard.idle(now, answer.report_ns)
        else:
            self.guard.accept(now, answer.command)

    def tick(self, position: np.ndarray, velocity: np.ndarray | None = None) -> Tick:
        """What to write to the motors now; call it once for each write."""
        now = self._clock()
        tick = self.guard.tick(now, position, velocity)
        self._written = tick.ctrl.astype(np.float32)
        self._fades_in = tick.state == "run" and tick.ramp < 1.0
        self._age_ns = 0 if tick.report_ns is None else max(now - tick.report_ns, 0)
        self._clipped = int(np.any([np.asarray(c) for c in tick.clips], axis=0).sum())
        if self.complaint and tick.stop is not None and tick.stop.cause == "link":
            reason = f"{tick.stop.reason}; the server refuses the reports: {self.complaint}"
            return tick._replace(stop=tick.stop._replace(reason=reason))
        return tick

    def place(self, position: np.ndarray, velocity: np.ndarray | None = None) -> None:
        """The robot was put elsewhere, in a simulation: see `Guard.place`."""
        self.guard.place(self._clock(), position, velocity)
        self._written = None
        self._age_ns = self._clipped = 0

    def close(self, reason: str) -> None:
        """Says bye; the guard stops the link. The motors are the caller's to leave safe."""
        self.guard.lose_link(self._clock(), reason)
        self.link.close(self._clock(), reason)

    def _handle(self, header: m.Header, body: m.Body) -> Answer | None:
        now = self._clock()
        if isinstance(body, m.Welcome):
            self._welcome(header, body, now)
        elif isinstance(body, m.Reject):
            self._reject(body)
        elif header.session != self.link.session:
            self._stranger(header, body, now)
        elif isinstance(body, m.Command):
            return self._command(header, body, now)
        elif isinstance(body, m.Status) and body.code in _IDLE:
            return Answer(header.echo_ns, None, m.known_code(body.code), now)
        elif isinstance(body, m.Status) and body.code == m.Code.STALE_REPORT:
            self.dropped_ns = header.echo_ns
        elif isinstance(body, m.Status) and body.code == m.Code.BAD_REPORT:
            self.complaint = body.text
        elif isinstance(body, m.Stop):
            self.guard.stop(now, body.reason)
            self.link.send(m.Status("", m.Code.STOPPED, body.reason), now, ref_seq=header.seq)
        elif isinstance(body, m.Clear):
            text = "cleared" if self.guard.clear(now) else "no stop held"
            self._told_stop = ""
            self.link.send(m.Status("", m.Code.CLEARED, text), now, ref_seq=header.seq)
        elif isinstance(body, m.Bye):
            self.guard.lose_link(now, f"the server said bye: {body.reason}")
            self.link.end()
        return None

    def _welcome(self, header: m.Header, body: m.Welcome, now: int) -> None:
        if not self.link.is_answered(header):
            raise WireError(m.Code.UNKNOWN_SESSION, "a welcome that was not asked for", header)
        if not 0.0 < body.scale <= 1.0:
            raise WireError(m.Code.BAD_FRAME, f"a scale of {body.scale}", header)
        self.link.begin(header)
        self._was_welcome = True
        self.policy = body.policy
        self.guard.begin_session(now, scale=body.scale)
        self._newest = (0, 0)

    def _reject(self, body: m.Reject) -> None:
        self.link.rejected(body)
        # A robot that was served may be moving: it stops by its guard, not by an exception
        if not self._was_welcome and body.code in (m.Code.BAD_CONTRACT, m.Code.BAD_ROLE):
            rows = "; ".join(f"{n}: expected {a}, got {b}" for n, a, b in body.differences)
            raise BridgeError(
                f"The server refuses this robot: {body.text}. {rows or 'No more is known'}. Serve "
                "the policy that was trained for this robot, or correct the robot's program."
            )

    def _stranger(self, header: m.Header, body: m.Body, now: int) -> None:
        """A message outside of the session: a restarted server knows nothing of the old one."""
        is_unknown = isinstance(body, m.Status) and body.code == m.Code.UNKNOWN_SESSION
        if is_unknown and self.link.session and self.link.is_of_session(header.ref_seq):
            self.link.end()
            self.link.hello(now, self._stop_reason(), self.goal)
            return
        raise WireError(m.Code.UNKNOWN_SESSION, "a message of another session")

    def _command(self, header: m.Header, body: m.Command, now: int) -> Answer:
        actions = self.contract.action_size
        rows = max(len(body.chunk) // (4 * actions), 1)
        self.goal = floats(body.goal, (self.contract.goal_size,), code=m.Code.BAD_GOAL, name="goal")
        self.distance = body.distance
        self._newest = header.stamp_ns, now
        # Numbers that are not finite are for the guard to see: they stop the robot
        chunk = np.frombuffer(body.chunk, "<f4") if len(body.chunk) % 4 == 0 else _NONE
        whole = chunk.reshape(rows, actions) if chunk.size == rows * actions else chunk[None]
        command = Command(whole, header.echo_ns, body.valid_until_ns)
        return Answer(header.echo_ns, command, m.Code.OK, now)

    def _flags(self) -> int:
        guard = self.guard
        return (
            _HOLD * (guard.state == "hold")
            | _LINK_STOP * (guard.link_stop is not None)
            | _LATCHED_STOP * (guard.latched is not None)
            | _RAMP * self._fades_in
        )

    def _stop_reason(self) -> str:
        return "" if self.guard.latched is None else str(self.guard.latched)[: m.MAX_TEXT]
