"""A planner above a policy: words become a goal, a goal becomes waypoints, a policy reaches them.

    robot-gcrl serve ant_maze.policy
    robot-gcrl controller sim --policy ant_maze.policy
    python examples/planner.py --policy ant_maze.policy --say "go to 8 0"

A goal-conditioned policy is good at goals that are near. This program is an operator of the bridge
like any other: it hears where the robot is, plans along the free cells of the maze that the policy
file holds, and commands the farthest place on the way that the policy knows how to reach. Neither
the policy nor the server knows of it. It has two places to put something better in: `WordsToGoal`,
which a language or vision model can fill, and `next_waypoint`, which any planner can.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from robot_gcrl.bridge import OperatorClient, find_server
from robot_gcrl.bridge.feed import RobotState
from robot_gcrl.bridge.messages import Code
from robot_gcrl.errors import RobotGcrlError
from robot_gcrl.policy.runtime import read_policy
from robot_gcrl.policy.runtime.maze import MazeMap

WordsToGoal = Callable[[str, MazeMap, np.ndarray], "np.ndarray | None"]
"""(what was said, the map, where the robot is [2] [m]) -> a goal [2] [m]; None: not understood."""

_PERIOD = 0.2  # between two plans [s]
_ANSWER = 2.0  # that the server may take for one [s]
_DIRECTIONS = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_NUMBER = r"-?\d+(?:\.\d+)?"


def next_waypoint(maze: MazeMap, here: np.ndarray, goal: np.ndarray, ahead: float) -> np.ndarray:
    """The place to go to next: of those at most `ahead` of way from here, the nearest to the goal.

    Args:
      maze: the free cells.
      here: [2], x, y [m].
      goal: [2], x, y [m].
      ahead: how far the policy can go by itself [m].

    Returns:
      [2]: the goal itself where it is that near, else the center of a cell; `here` where no way is.
    """
    places = np.vstack((goal, maze.free_centers))
    here_to, goal_to = maze.path_lengths(here, places), maze.path_lengths(goal, places)
    if here_to[0] <= ahead:
        return goal
    allowed = np.where(here_to <= ahead, goal_to, np.nan)
    return here if np.isnan(allowed).all() else places[np.nanargmin(allowed)]


def rule_based(words: str, maze: MazeMap, here: np.ndarray) -> np.ndarray | None:
    """A goal by a few rules: a place by numbers, cells in a direction, the start, the far end."""
    text = words.lower()
    if numbers := re.search(rf"({_NUMBER})[\s,]+({_NUMBER})", text):
        return np.array([float(numbers[1]), float(numbers[2])])
    if direction := re.search(rf"(?:(\d+|{'|'.join(_NUMBERS)})\s+cells?\s+)?"
                              rf"({'|'.join(_DIRECTIONS)})", text):  # fmt: skip
        count = direction[1] or "1"
        cells = _NUMBERS.get(count) or int(count)
        return here + cells * maze.cell * np.array(_DIRECTIONS[direction[2]])
    if re.search(r"\b(start|home|back)\b", text):
        return maze.free_centers[0]
    if re.search(r"\b(far|farthest|end)\b", text):
        lengths = maze.path_lengths(here, maze.free_centers)
        return maze.free_centers[np.nanargmax(lengths)]
    return None


class Planner:
    """Commands waypoints until the robot is at its goal."""

    def __init__(
        self, operator: OperatorClient, maze: MazeMap, robot: str | None, ahead: float
    ) -> None:
        """Commands nothing yet.

        Args:
          operator: connected.
          maze: of the policy.
          robot: id; None is the first one that the server knows.
          ahead: how far the policy can go by itself [m].
        """
        self._operator, self._maze, self._robot, self._ahead = operator, maze, robot, ahead
        self._commanded: np.ndarray | None = None

    def state(self) -> RobotState | None:
        """The robot as the server sees it; None while it is not known or lost."""
        states = self._operator.states()
        self._robot = self._robot or next(iter(sorted(states)), None)
        found = states.get(self._robot or "")
        return None if found is None or found.lost or not found.achieved.size else found

    def go(self, goal: np.ndarray, seconds: float, say: Callable[[str], object]) -> bool:
        """Leads the robot to a goal [2] [m]; whether it got there within so many seconds."""
        contract = self._operator.contract
        assert contract is not None, "a connected operator knows the contract"
        radius, end = contract.success[0].radius, time.monotonic() + seconds
        while time.monotonic() < end:
            state = self.state()
            if state is not None:
                here = state.achieved[:2].astype(float)
                if np.linalg.norm(here - goal) <= radius:
                    return True
                self._command(next_waypoint(self._maze, here, goal, self._ahead), say)
            self._operator.wait(_PERIOD)
        return False

    def _command(self, waypoint: np.ndarray, say: Callable[[str], object]) -> None:
        if self._commanded is not None and np.allclose(waypoint, self._commanded):
            return
        assert self._robot is not None, "its state is known"
        answer = self._operator.goal(self._robot, waypoint, _ANSWER)
        if answer.code != Code.OK:
            say(f"({waypoint[0]:.1f}, {waypoint[1]:.1f}) is refused: {answer.text}")
            return
        self._commanded = waypoint
        say(f"on the way to ({waypoint[0]:.1f}, {waypoint[1]:.1f})")


def main(words_to_goal: WordsToGoal = rule_based) -> int:
    """Runs the program; 0 if the robot got there, 1 if not, 2 with a message for the user."""
    options = _options()
    file = read_policy(options.policy)
    if file.maze is None or file.contract.goal_size != 2:
        sys.stderr.write(
            f"{options.policy} holds no map for goals x, y. Expected a task of such goals in a "
            "maze, exported --with-critic.\n"
        )
        return 2
    with OperatorClient(find_server(options.connect), file.contract, "planner") as operator:
        operator.connect(5.0)
        planner = Planner(operator, file.maze, options.robot, options.ahead)
        deadline = time.monotonic() + 5.0
        while (state := planner.state()) is None:
            if time.monotonic() > deadline:
                known = ", ".join(sorted(operator.states())) or "none"
                sys.stderr.write(
                    f"Robot {options.robot or 'any'}: not there. Connected: {known}. Start its "
                    "controller, or name another one with --robot.\n"
                )
                return 2
            operator.wait(_PERIOD)
        goal = words_to_goal(options.say, file.maze, state.achieved[:2].astype(float))
        if goal is None or not file.maze.is_free(goal[None])[0]:
            where = "" if goal is None else f": ({goal[0]:.1f}, {goal[1]:.1f}) is a wall"
            sys.stderr.write(
                f"Not understood: {options.say!r}{where}. Expected words such as 'go to 8 0', "
                "'two cells north', 'the far end', 'back'.\n"
            )
            return 2
        is_there = planner.go(goal, options.seconds, lambda text: sys.stderr.write(text + "\n"))
    sys.stderr.write("there\n" if is_there else "not there in time\n")
    return 0 if is_there else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Leads a robot through a maze by waypoints.")
    parser.add_argument("--policy", type=Path, required=True, help="that is served")
    parser.add_argument("--say", required=True, help="where to go, in words")
    parser.add_argument("--connect", help="endpoint of the server; without it, the one that runs")
    parser.add_argument("--robot", help="its id; without it, the first one")
    parser.add_argument("--ahead", type=float, default=5.0, help="way to a waypoint [m]")
    parser.add_argument("--seconds", type=float, default=120.0, help="until it gives up [s]")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RobotGcrlError as error:
        sys.stderr.write(f"planner: {error}\n")
        sys.exit(2)
