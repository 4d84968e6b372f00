"""A tour: goals that are visited in turn, kept in a file."""

import contextlib
import json
from pathlib import Path

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.errors import ViewerError

# A goal counts as visited when the robot was there for so long [s]
DWELL = 0.5
FORMAT = "robot-gcrl tour"


class Tour:
    """Goals in an order, and which one comes next.

    Attributes:
      goals: float32 [G] each.
      running: whether it is under way.
      index: of the goal that is pursued.
      laps: how often the last one was reached.
    """

    def __init__(self, contract: Contract) -> None:
        """No goals."""
        self.goals: list[np.ndarray] = []
        self.running = False
        self.index = self.laps = 0
        self._bounds = contract.goal_bounds
        self._labels = [f"{field.label} [{field.unit}]" for field in contract.goal]
        self._dwelt = 0.0  # [s]

    def add(self, goal: np.ndarray) -> None:
        """Another goal [G] at the end."""
        self.goals.append(np.array(goal, np.float32))

    def remove(self, index: int) -> np.ndarray | None:
        """Takes a goal out; what follows it [G], if it was the one that is pursued, else None."""
        was_pursued = self.running and index == self.index
        del self.goals[index]
        if index < self.index:
            self.index -= 1
        self.index = self.index % len(self.goals) if self.goals else 0
        self.running = self.running and bool(self.goals)
        if not (was_pursued and self.running):
            return None
        self._dwelt = 0.0
        return self.goals[self.index]

    def start(self) -> np.ndarray | None:
        """Begins with the first goal, and returns it; None if there is none."""
        self.running = bool(self.goals)
        self.index, self._dwelt = 0, 0.0
        return self.goals[0] if self.goals else None

    def stop(self) -> None:
        """Stays at the goal that is pursued."""
        self.running = False

    def restart(self) -> None:
        """The robot is at a start again: it has been nowhere yet."""
        self._dwelt = 0.0

    def advance(self, reached: bool, dt: float) -> np.ndarray | None:
        """The next goal [G], if the robot was at this one for long enough; else None.

        Args:
          reached: whether it is there now.
          dt: since the last call [s].
        """
        if not self.running:
            return None
        self._dwelt = self._dwelt + dt if reached else 0.0
        if self._dwelt < DWELL - 1e-9:
            return None
        self._dwelt = 0.0
        self.index += 1
        if self.index == len(self.goals):
            self.index = 0
            self.laps += 1
        return self.goals[self.index]

    def save(self, path: Path) -> None:
        """Writes the goals as JSON, whole or not at all.

        Raises:
          ViewerError: it cannot be written.
        """
        content = {
            "format": FORMAT,
            "goal": self._labels,
            "goals": [[float(x) for x in goal] for goal in self.goals],
        }
        unfinished = path.with_name(f"{path.name}.new")
        try:
            unfinished.write_text(json.dumps(content, indent=1) + "\n")
            unfinished.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise ViewerError(
                f"The tour {path} cannot be written: {error.strerror}. Expected a folder of yours "
                "with space in it. Choose another file with --tour."
            ) from error

    def load(self, path: Path) -> None:
        """Takes the goals of a file.

        Raises:
          ViewerError: it cannot be read, or its goals are not of this contract.
        """
        try:
            content = json.loads(path.read_text())
            labels = content["goal"]
            goals = [np.array(goal, np.float32) for goal in content["goals"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else f"{error}"
            raise ViewerError(
                f"The tour {path} cannot be read: {reason}. Expected a file that the viewer wrote. "
                "Check the path."
            ) from error
        if labels != self._labels:
            raise ViewerError(
                f"The tour {path} is of the goal {labels}. Expected {self._labels}. Choose the "
                "file of a tour of this task."
            )
        low, high = self._bounds
        for i, goal in enumerate(goals):
            fits = goal.shape == low.shape and bool(((goal >= low) & (goal <= high)).all())
            if not fits:
                raise ViewerError(
                    f"Goal {i + 1} of the tour {path} is {goal.tolist()}. Expected "
                    f"{len(low)} numbers from {low.tolist()} to {high.tolist()}. Correct it."
                )
        self.goals, self.running, self.index = goals, False, 0
