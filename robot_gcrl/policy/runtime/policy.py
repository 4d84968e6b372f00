"""A policy for a simulation: reports and goals in, ctrl out, and it remembers what it must."""

from pathlib import Path

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.contract.actuate import initial_ctrl
from robot_gcrl.contract.observe import Report, read_inputs, remembered
from robot_gcrl.errors import PolicyError
from robot_gcrl.policy.runtime.file import PolicyFile, read_policy
from robot_gcrl.policy.runtime.make import RuntimeName, make_runtime
from robot_gcrl.policy.runtime.step import PolicyOutput


class Policy:
    """The policy of a file, with what it remembers of the robots that it runs.

    Attributes:
      file: that it was loaded from.
      runtime: that computes it.
    """

    def __init__(self, file: PolicyFile, runtime: RuntimeName = "auto") -> None:
        """A policy that remembers nothing yet; see `load_policy`."""
        self.file = file
        self.runtime = make_runtime(file, runtime)
        # Previous actions [B, P] and ctrl [B, A], queue [B, Q]
        self._previous: tuple[np.ndarray, np.ndarray, np.ndarray | None] | None = None

    @property
    def contract(self) -> Contract:
        """What robot and policy agree on."""
        return self.file.contract

    def act(self, report: Report, goal: np.ndarray) -> PolicyOutput:
        """The next action and ctrl, in contract order; see `in_model_order`.

        Args:
          report: of one robot, qpos [nq], or of B robots, qpos [B, nq]; sensordata of the same
            instant as qpos and qvel (after mj_step they are one substep older: call mj_forward).
          goal: [G] or [B, G], SI; one goal serves all robots.

        Returns:
          [A] each, or [B, A].

        Raises:
          PolicyError: arrays of other shapes, or another number of robots than before `reset`.
        """
        inputs = self._inputs(report)
        rows = np.atleast_2d(inputs)
        goals = np.atleast_2d(goal)
        if len(goals) == 1:
            goals = goals.repeat(len(rows), axis=0)
        actions, ctrl, queue = self._previous or self._initial(rows)
        if len(ctrl) != len(rows):
            raise PolicyError(
                f"The policy of {self.contract.name!r} was given {len(rows)} robots. Expected "
                f"{len(ctrl)}, as before: it remembers what each of them did. Call reset()"
                " before another number of robots."
            )
        output = self.step(rows, goals, actions, ctrl, queue)
        actions = remembered(self.contract, output.action, actions)
        self._previous = actions, output.ctrl, output.queue
        if inputs.ndim == 1:
            queue = None if output.queue is None else output.queue[0]
            return PolicyOutput(output.action[0], output.ctrl[0], queue)
        return output

    def reset(self) -> None:
        """Forgets the robots: the next report is the first of an episode."""
        self._previous = None

    def step(
        self,
        inputs: np.ndarray,
        goal: np.ndarray,
        previous_action: np.ndarray,
        previous_ctrl: np.ndarray,
        queue: np.ndarray | None = None,
    ) -> PolicyOutput:
        """One step that neither reads nor changes what `act` remembers; see `Runtime`."""
        return self.runtime(inputs, goal, previous_action, previous_ctrl, queue)

    def in_model_order(self, ctrl: np.ndarray) -> np.ndarray:
        """Ctrl [.., A] of `act` in the order of the model's actuators, for `MjData.ctrl`."""
        ordered = np.empty_like(ctrl)
        ordered[..., self.file.layout.actuators] = ctrl
        return ordered

    def _inputs(self, report: Report) -> np.ndarray:
        simulation = self.file.simulation
        expected = (simulation.nq, simulation.nv, simulation.nsensordata)
        arrays = Report(*(np.asarray(value, np.float32) for value in report))
        shapes = tuple(value.shape for value in arrays)
        if (
            tuple(shape[-1:] for shape in shapes) != tuple((size,) for size in expected)
            or len({shape[:-1] for shape in shapes}) != 1
            or arrays.qpos.ndim > 2
        ):
            raise PolicyError(
                f"The policy of {self.contract.name!r} was given a report of shapes {shapes}. "
                f"Expected (nq,), (nv,), (nsensordata,) = {expected}, or those of B robots with an "
                "axis in front. Give the report of the policy's own scene."
            )
        return read_inputs(self.file.layout, arrays)

    def _initial(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray, None]:
        size = self.contract.previous_action_size
        actions = np.zeros((len(inputs), size), np.float32)
        return actions, initial_ctrl(self.contract, inputs), None


def load_policy(path: str | Path, runtime: RuntimeName = "auto") -> Policy:
    """The policy of a file.

    Args:
      path: a file that robot-gcrl export wrote.
      runtime: see `make_runtime`.

    Raises:
      PolicyError: the file is missing or damaged, or the runtime is not installed.
    """
    return Policy(read_policy(path), runtime)
