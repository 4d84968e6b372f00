"""The golden examples of a policy file: what goes in and what the trained agent makes of it."""

from typing import NamedTuple

import numpy as np

from robot_gcrl.contract.chunk import begun

NUM_GOLDEN = 32


class Golden(NamedTuple):
    """What the agent that was exported does, for NUM_GOLDEN inputs; every runtime reproduces it.

    Attributes:
      inputs: [32, I], SI.
      goal: [32, G], SI.
      previous_action: [32, P].
      previous_ctrl: [32, A], SI.
      action: [32, A].
      ctrl: [32, A], SI.
      queue: [32, Q], what is left of a chunk before the step; None without chunks.
      next_queue: [32, Q], after the step; None without chunks.
    """

    inputs: np.ndarray
    goal: np.ndarray
    previous_action: np.ndarray
    previous_ctrl: np.ndarray
    action: np.ndarray
    ctrl: np.ndarray
    queue: np.ndarray | None = None
    next_queue: np.ndarray | None = None

    @property
    def given(self) -> tuple[np.ndarray, ...]:
        """The arguments of a runtime."""
        queue = () if self.queue is None else (self.queue,)
        return (*self[:4], *queue)

    @property
    def judged(self) -> np.ndarray:
        """[32, H A], the actions whose energies the file holds."""
        if self.next_queue is None:
            return self.action
        return begun(self.action, self.next_queue, self.goal.shape[-1])

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Those that there are, by name."""
        return {name: value for name, value in self._asdict().items() if value is not None}
