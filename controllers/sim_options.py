"""The options of the simulated robot; argparse, because a robot's computer may lack tyro."""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from robot_gcrl.contract.realism import LEVELS, Level


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `robot-gcrl controller sim` was asked to do; see `parse`.

    Attributes:
      speed: simulated seconds per second; infinite where nothing is waited for but commands.
      episodes: 0 goes on until Ctrl-C with the goals that operators set.
      seconds: of simulated time; infinite without an end.
      pause: control step before which a line on standard input is awaited, or None.
    """

    policy: Path
    connect: str | None
    keys: Path | None
    profile: str | None
    name: str | None
    robots: int
    speed: float
    lockstep: bool
    delay: int
    jitter: int
    drop: float
    episodes: int
    scenarios: str
    first: int
    seed: int
    seconds: float
    pause: int | None
    randomize: Level
    out: Path | None
    json: bool


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Adds to each option its default, where it has one that says something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False or action.default == math.inf:
            return action.help
        return super()._get_help_string(action)


def parse(arguments: Sequence[str]) -> Options:
    """The options of a command line.

    Raises:
      SystemExit: one that cannot be (code 2), or a request for help (0).
    """
    parser = argparse.ArgumentParser(
        prog="robot-gcrl controller sim",
        description="A process in which C MuJoCo plays robots that a policy server commands. It "
        "goes on until Ctrl-C with the goals that operators set, or for --episodes or --seconds.",
        formatter_class=_Help,
        allow_abbrev=False,
    )
    _add_whom(parser)
    _add_what(parser)
    _add_link(parser)
    given = vars(parser.parse_args(arguments))
    is_lockstep = given["lockstep"] or given["speed"] == math.inf
    if given["speed"] is None:
        given["speed"] = math.inf if is_lockstep else 1.0
    return Options(**(given | {"lockstep": is_lockstep}))


def _add_whom(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--policy", type=Path, required=True, help="Policy file: scene, starts, goals, contract.")
    add("--connect", help="Endpoint of the server; without it, the only one of this user here.")
    add("--keys", type=Path, help="Folder of keys: ROBOT.key_secret of each, and an operator's.")
    add("--profile", help="Profile of the robot, a name or a .toml; without it, the robot's own.")
    add("--name", help="What the robots' ids begin with; without it, the contract's robot.")
    add("--robots", type=_count(1), default=1, help="Robots in this process.")


def _add_what(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--episodes",
        type=_count(0),
        default=0,
        help="Episodes in all, each from a start and to a goal of the policy file; 0 goes on until "
        "Ctrl-C with the goals that operators set.",
    )
    add(
        "--scenarios",
        choices=("train", "eval"),
        default="eval",
        help="Distribution of the policy file that starts and goals are of.",
    )
    add("--first", type=_count(0), default=0, help="Number of the first start and goal.")
    add("--seed", type=_count(0), default=0, help="Seed of jitter, drops and realism.")
    add(
        "--seconds",
        type=_number(0.0),
        default=math.inf,
        help="End after so much simulated time, episodes or not.",
    )
    add(
        "--randomize",
        choices=LEVELS,
        default="off",
        help="Level of realism: how the robots depart from the scene, a level of the policy file.",
    )
    add("--out", type=Path, help="File that receives the JSON object too.")
    add("--json", action="store_true", help="Print one JSON object instead of a table.")


def _add_link(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--speed",
        type=_speed,
        help="Simulated seconds per second; max waits for nothing but commands (--lockstep).",
    )
    add(
        "--lockstep",
        action="store_true",
        help="Simulated time waits for the answer to each report, whatever the machine does.",
    )
    add(
        "--delay",
        type=_count(0),
        default=0,
        help="Control steps by which every command comes later.",
    )
    add(
        "--jitter",
        type=_count(0),
        default=0,
        help="Greatest number of control steps by which a command comes still later, at random.",
    )
    add(
        "--drop",
        type=_number(0.0, 1.0),
        default=0.0,
        help="Share of commands that are lost, at random.",
    )
    add(
        "--pause",
        type=_count(0),
        help="Control step before which a line on standard input is awaited, as for restarting "
        "the server there.",
    )


def _count(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{text} is not at least {least}")
        return value

    return number  # argparse names the type so, in "invalid number value"


def _number(least: float, greatest: float = math.inf) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not least <= value <= greatest:
            raise argparse.ArgumentTypeError(f"{text} is not from {least:g} to {greatest:g}")
        return value

    return number


def _speed(text: str) -> float:
    if text == "max":
        return math.inf
    value = float(text)
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is neither above 0 nor 'max'")
    return value


_speed.__name__ = "number"
