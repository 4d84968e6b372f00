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
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_gcrl.bridge import ClientSecurity, OperatorClient, find_server
from robot_gcrl.bridge.feed import RobotState
from robot_gcrl.bridge.messages import Code
from robot_gcrl.errors import BridgeError, RobotGcrlError
from robot_gcrl.policy.runtime import read_policy
from robot_gcrl.policy.runtime.maze import FREE, MazeMap

_PERIOD = 0.2  # between two plans [s]
_ANSWER = 2.0  # that the server may take for one, and telemetry to show a goal [s]
_SAME = 1e-4  # between two goals that are one [m]
_CELL = 16  # a cell's side in a picture [pixel]
_GRAY, _WHITE, _RED = (96, 96, 96), (255, 255, 255), (220, 30, 30)
_DIRECTIONS = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_NUMBER = r"-?\d+(?:\.\d+)?"
_GO = r"(?:please )?(?:(?:go|move|walk|run|come) )?(?:to )?(?:the )?"
_PLACE = re.compile(rf"{_GO}\(?({_NUMBER})[ ,]+({_NUMBER})\)?")
_CELLS = re.compile(
    rf"{_GO}(?:(\d+|{'|'.join(_NUMBERS)}) cells? )?(?:to the )?({'|'.join(_DIRECTIONS)})"
)
_HOME = re.compile(rf"{_GO}(?:back(?: to)?(?: the)? )?(?:start|home|back)")
_FAR = re.compile(rf"{_GO}(?:far(?:thest)? )?(?:end|cell|place)|{_GO}farthest")


@dataclass(frozen=True)
class Scene:
    """What is known where a goal is asked for.

    Attributes:
      maze: the free cells.
      here: [2], x, y of the robot [m].
    """

    maze: MazeMap
    here: np.ndarray

    def picture(self) -> np.ndarray:
        """uint8 [H, W, 3] from above, x to the right and y up: walls gray, the robot red.

        A pixel is 1/16 of a cell; the center of the map's first cell is 8 pixels from the left and
        from the bottom.
        """
        rows, (x, y) = self.maze.rows, self.maze.origin
        free = np.array([[letter == FREE for letter in row] for row in rows])
        pixels = np.where(np.kron(free, np.ones((_CELL, _CELL), bool))[..., None], _WHITE, _GRAY)
        places = np.moveaxis(np.indices(pixels.shape[:2]), 0, -1) + 0.5
        robot = (self.here - (x, y)) / self.maze.cell * _CELL + _CELL / 2
        pixels[np.linalg.norm(places - robot, axis=-1) < _CELL / 4] = _RED
        return np.ascontiguousarray(pixels.swapaxes(0, 1)[::-1].astype(np.uint8))


WordsToGoal = Callable[[str, Scene], "np.ndarray | None"]
"""(what was said, the scene) -> a goal [2] [m]; None: not understood."""


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


def rule_based(words: str, scene: Scene) -> np.ndarray | None:
    """A goal by a few rules: a place by numbers, cells in a direction, the start, the far end.

    What is more or other than one of them is not understood: half of an order may be its opposite.
    """
    maze, here = scene.maze, scene.here
    text = " ".join(words.lower().split()).rstrip(".! ")
    if found := _PLACE.fullmatch(text):
        return np.array([float(found[1]), float(found[2])])
    if found := _CELLS.fullmatch(text):
        count = found[1] or "1"
        cells = _NUMBERS.get(count) or int(count)
        cell = np.rint((here - maze.origin) / maze.cell) + cells * np.array(_DIRECTIONS[found[2]])
        return maze.origin + maze.cell * cell
    if _HOME.fullmatch(text):
        return np.zeros(2)  # where the start cell of a maze has its center
    if _FAR.fullmatch(text):
        lengths = maze.path_lengths(here, maze.free_centers)
        return None if np.isnan(lengths).all() else maze.free_centers[np.nanargmax(lengths)]
    return None


class Planner:
    """Commands waypoints until the robot is at its goal."""

    def __init__(
        self,
        operator: OperatorClient,
        maze: MazeMap,
        robot: str | None,
        ahead: float,
        say: Callable[[str], object],
    ) -> None:
        """Commands nothing yet.

        Args:
          operator: connected.
          maze: of the policy.
          robot: id; None is the first one that the server knows.
          ahead: how far the policy can go by itself [m].
          say: takes lines for people.
        """
        self._operator, self._maze, self._robot, self._ahead = operator, maze, robot, ahead
        self._say = say
        self._said = ""
        self._commanded: np.ndarray | None = None
        self._until = 0.0  # when telemetry should have shown it, on the monotonic clock [s]

    def state(self) -> RobotState | None:
        """The robot as the server sees it; None while it is not known or lost."""
        states = self._operator.states()
        self._robot = self._robot or next(iter(sorted(states)), None)
        found = states.get(self._robot or "")
        return None if found is None or found.lost or not found.achieved.size else found

    def go(self, goal: np.ndarray, seconds: float) -> bool:
        """Leads the robot to a goal [2] [m]; whether it got there within so many seconds.

        It gives way where another operator commands the robot, and tries again where the server
        does not answer.
        """
        contract = self._operator.contract
        assert contract is not None, "a connected operator knows the contract"
        radius, end = contract.success[0].radius, time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                state = self.state()
                if state is not None:
                    here = state.achieved[:2].astype(float)
                    if np.linalg.norm(here - goal) <= radius:
                        return True
                    if self._is_taken_over(state):
                        self._tell("another operator has given it another goal: it is theirs now")
                        return False
                    self._command(next_waypoint(self._maze, here, goal, self._ahead))
                self._operator.wait(_PERIOD)
            except BridgeError as error:
                self._tell(f"{error} Trying again.")
                time.sleep(_PERIOD)
        return False

    def _is_taken_over(self, state: RobotState) -> bool:
        """Also forgets what was commanded where a robot's program that began anew has no goal."""
        if self._commanded is None:
            return False
        if state.goal.size and np.allclose(state.goal, self._commanded, atol=_SAME):
            self._until = 0.0
            return False
        if time.monotonic() < self._until:  # it may be the goal of before
            return False
        if not state.goal.size:
            self._commanded = None
            return False
        return True

    def _command(self, waypoint: np.ndarray) -> None:
        if self._commanded is not None and np.allclose(waypoint, self._commanded):
            return
        assert self._robot is not None, "its state is known"
        answer = self._operator.goal(self._robot, waypoint, _ANSWER)
        place = f"({waypoint[0]:.1f}, {waypoint[1]:.1f})"
        if answer.code != Code.OK:
            self._tell(f"{place} is refused: {answer.text}")
            return
        self._commanded, self._until = waypoint, time.monotonic() + _ANSWER
        self._tell(f"on the way to {place}")

    def _tell(self, line: str) -> None:
        if line != self._said:  # the same trouble once, not five times a second
            self._say(line)
        self._said = line


def main(words_to_goal: WordsToGoal = rule_based) -> int:
    """Runs the program; 0 if the robot got there, 1 if not, 2 with a message for the user."""
    options = _options()
    file = read_policy(options.policy)
    if file.maze is None or file.contract.goal_size != 2:
        _say(
            f"{options.policy} holds no map for goals x, y. Expected a policy of such goals in a "
            "maze. Export its run again, if the file is older than maps."
        )
        return 2
    keys = None if options.key is None else ClientSecurity(options.key, options.server_key)
    with OperatorClient(find_server(options.connect), file.contract, "planner", keys) as operator:
        operator.connect(5.0)
        planner = Planner(operator, file.maze, options.robot, options.ahead, _say)
        deadline = time.monotonic() + 5.0
        while (state := planner.state()) is None:
            if time.monotonic() > deadline:
                known = ", ".join(sorted(operator.states())) or "none"
                _say(
                    f"Robot {options.robot or 'any'}: not there. Connected: {known}. Start its "
                    "controller, or name another one with --robot."
                )
                return 2
            operator.wait(_PERIOD)
        scene = Scene(file.maze, state.achieved[:2].astype(float))
        goal = words_to_goal(options.say, scene)
        if goal is None or not file.maze.is_free(goal[None])[0]:
            where = "" if goal is None else f": ({goal[0]:.1f}, {goal[1]:.1f}) is a wall"
            _say(
                f"Not understood: {options.say!r}{where}. Expected words such as 'go to 8 0', "
                "'two cells north', 'the far end', 'back'."
            )
            return 2
        is_there = planner.go(goal, options.seconds)
    _say("there" if is_there else "not there")
    return 0 if is_there else 1


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Leads a robot through a maze by waypoints.")
    parser.add_argument("--policy", type=Path, required=True, help="that is served")
    parser.add_argument("--say", required=True, help="where to go, in words")
    parser.add_argument("--connect", help="endpoint of the server; without it, the one that runs")
    parser.add_argument("--key", type=Path, help="secret key file, where the server has keys")
    parser.add_argument("--server-key", type=Path, help="its public key file; see robot-gcrl goal")
    parser.add_argument("--robot", help="its id; without it, the first one")
    parser.add_argument("--ahead", type=float, default=5.0, help="way to a waypoint [m]")
    parser.add_argument("--seconds", type=float, default=120.0, help="until it gives up [s]")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RobotGcrlError as error:
        _say(f"planner: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        _say("The robot keeps the goal that it has: robot-gcrl stop stops it.")
        sys.exit(130)
