"""What the critic believes, worked out in a thread beside the simulation: twice a second."""

import threading
import time

import numpy as np

from robot_gcrl.errors import PolicyError
from robot_gcrl.policy.runtime import PolicyFile, make_runtime
from robot_gcrl.policy.runtime.critic import make_critic
from robot_gcrl.policy.runtime.goal_grid import make_goal_grid
from robot_gcrl.viewer.energy import EnergyMap, energy_map

# Between two maps [s]
_INTERVAL = 0.5


class Belief:
    """The newest map of the critic's energy over the plane of the goals; nothing here waits."""

    def __init__(self, file: PolicyFile) -> None:
        """Loads the critic.

        Args:
          file: that holds one; see `robot-gcrl export --with-critic`.

        Raises:
          PolicyError: it holds none, or its goals are no places.
        """
        self._contract, self._maze = file.contract, file.maze
        self._critic, self._grid = make_critic(file), make_goal_grid(file.contract)
        # Its own, for a runtime is not asked by two threads at once
        self._runtime = make_runtime(file)
        self._newest: EnergyMap | None = None
        self._worker: threading.Thread | None = None
        self._next = 0.0

    def ask(
        self, inputs: np.ndarray, previous_action: np.ndarray, goal: np.ndarray
    ) -> EnergyMap | None:
        """Begins a map for this state, if it is time for one; returns the newest that is ready.

        Args:
          inputs: [I], SI.
          previous_action: [P].
          goal: [G], of which what is no place is kept.
        """
        is_idle = self._worker is None or not self._worker.is_alive()
        if is_idle and time.monotonic() >= self._next:
            self._next = time.monotonic() + _INTERVAL
            arrays = (inputs.copy(), previous_action.copy(), goal.copy())
            self._worker = threading.Thread(target=self._work, args=arrays, daemon=True)
            self._worker.start()
        return self._newest

    def close(self) -> None:
        """Waits for the map that is under way."""
        if self._worker is not None:
            self._worker.join()

    def _work(self, inputs: np.ndarray, previous_action: np.ndarray, goal: np.ndarray) -> None:
        self._newest = energy_map(
            self._contract,
            self._runtime,
            self._critic,
            self._grid,
            inputs=inputs,
            previous_action=previous_action,
            goal=goal,
            maze=self._maze,
        )


def make_belief(file: PolicyFile) -> Belief | None:
    """What the critic of a file believes; None if it holds none."""
    try:
        return Belief(file)
    except PolicyError:
        return None
