"""Reports of many robots in, one command each out: one batched inference."""

import time
from collections.abc import Sequence

import numpy as np

from robot_gcrl.bridge.messages import Flag
from robot_gcrl.bridge.sessions import Sample, Session
from robot_gcrl.bridge.wire import rows
from robot_gcrl.contract import Contract
from robot_gcrl.contract.actuate import initial_ctrl
from robot_gcrl.contract.observe import remembered
from robot_gcrl.policy.runtime import Runtime

# After a pause what is left of a chunk of actions was meant for another time
_PAUSED = Flag.RESET | Flag.HOLD | Flag.LINK_STOP | Flag.LATCHED_STOP
_WARM_UP = (1, 2, 4, 8, 16, 32, 64)


class Inference:
    """The policy for robots of one contract; remembers nothing that is not in the sessions."""

    def __init__(self, contract: Contract, runtime: Runtime, *, scale: float) -> None:
        """Warms the runtime up, so that the first command is as quick as any.

        Args:
          contract: of the policy.
          runtime: that computes it.
          scale: what forces and changes are multiplied by, in (0, 1].
        """
        self._contract = contract
        self._runtime = runtime
        self._scale = np.float32(scale)
        self._is_position = contract.action.is_position
        self._is_delta = contract.action.is_delta
        for size in _WARM_UP:
            runtime.warm_up(size)

    def run(self, work: Sequence[tuple[Session, Sample, np.ndarray]]) -> tuple[np.ndarray, int]:
        """Ctrl [B, A] for (session, report, goal [G]) of B robots, and how long it took [ns].

        Previous actions and ctrl are those of the session's last commands; where the report says
        what was really written, that counts, and where an episode starts, the measured position
        does. So is what is left of a chunk of actions, which ends where the robot paused.
        """
        began = time.monotonic_ns()
        inputs = rows([sample.inputs for _, sample, _ in work])
        known = [_previous_ctrl(session, sample) for session, sample, _ in work]
        # Where nothing starts it is not needed, and takes as long as a small network
        starts = any(ctrl is None for ctrl in known)
        start = initial_ctrl(self._contract, inputs) if starts else inputs
        previous = rows([start[i] if ctrl is None else ctrl for i, ctrl in enumerate(known)])
        actions = rows(
            [
                np.zeros_like(s.previous_action) if r.flags & Flag.RESET else s.previous_action
                for s, r, _ in work
            ]
        )
        goals = rows([goal for _, _, goal in work])
        output = self._runtime(inputs, goals, actions, previous, *_queues(work))
        ctrl = self._scaled(output.ctrl, previous)
        for i, (session, _, _) in enumerate(work):
            session.previous_action = remembered(self._contract, output.action[i], actions[i])
            session.previous_ctrl = ctrl[i]
            session.queue = None if output.queue is None else output.queue[i]
        return ctrl, time.monotonic_ns() - began

    def _scaled(self, ctrl: np.ndarray, previous: np.ndarray) -> np.ndarray:
        if self._scale == 1.0:
            return ctrl
        # A position that is commanded as such keeps its meaning: the robot limits its velocity
        changed = np.where(self._is_position, ctrl, self._scale * ctrl)
        return np.where(self._is_delta, previous + self._scale * (ctrl - previous), changed)


def _queues(work: Sequence[tuple[Session, Sample, np.ndarray]]) -> tuple[np.ndarray, ...]:
    """What is left of the robots' chunks, [B, Q]; empty where no robot has begun one."""
    kept = [None if sample.flags & _PAUSED else session.queue for session, sample, _ in work]
    known = next((queue for queue in kept if queue is not None), None)
    if known is None:
        return ()
    return (rows([np.zeros_like(known) if queue is None else queue for queue in kept]),)


def _previous_ctrl(session: Session, sample: Sample) -> np.ndarray | None:
    """None where an episode or a session starts."""
    if sample.flags & Flag.RESET:
        return None
    return session.previous_ctrl if sample.ctrl is None else sample.ctrl
