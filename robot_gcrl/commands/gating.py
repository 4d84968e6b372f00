"""The commands that run a policy beside itself: gate, benchmark, programs of controllers/."""

import contextlib
import importlib
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from robot_gcrl.commands.base import DONE, USER_ERROR, Engine, Say, prepare_out, save, show
from robot_gcrl.errors import ConfigError, unknown_name


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Compares a policy over real sockets, in another process, with the same in one program."""

    policy: Positional[Path]
    """Policy file that `robot-gcrl export` wrote."""
    episodes: int = 512
    """Episodes of each row in lockstep: the first of the file's evaluation scenarios."""
    robots: int = 64
    """Simulated robots that run them."""
    delays: tuple[int, ...] = (0, 1, 2, 4)
    """Control steps by which commands come later, a row each."""
    jitters: tuple[int, ...] = (2,)
    """Greatest number of further control steps, drawn at random, a row each."""
    drops: tuple[float, ...] = (0.01, 0.05, 0.2)
    """Shares of commands that are lost, a row each."""
    skip_restart: bool = False
    """Leave out the row in which the server is killed and started anew."""
    realtime_episodes: int = 20
    """Episodes of the row in real time, with one robot; 0 leaves it out."""
    engine: Engine = "auto"
    """Physics engine of the one program."""
    runtime: Literal["auto", "numpy", "onnxruntime"] = "auto"
    """What computes the policy on both sides; auto is ONNX Runtime where it is installed."""
    randomize: Literal["off", "low", "full"] = "off"
    """Level of realism up to which each has a row: how the simulated robots depart."""
    profile: str | None = None
    """Of the simulated robots, a name or a TOML file; without it, that of the contract's robot."""
    seed: int = 0
    """Seed of jitter, drops and realism."""
    out: Path | None = None
    """File that receives the JSON object too."""
    json: bool = False
    """Print one JSON object instead of a table."""

    def run(self, say: Say) -> int:
        """Prints the rows and the verdict; done is only a policy that passed."""
        prepare_out(self.out)
        from robot_gcrl.gate.gate import run_gate
        from robot_gcrl.gate.table import format_gate

        result = run_gate(
            self.policy,
            episodes=self.episodes,
            robots=self.robots,
            delays=self.delays,
            jitters=self.jitters,
            drops=self.drops,
            restart=not self.skip_restart,
            realtime_episodes=self.realtime_episodes,
            engine=self.engine,
            runtime=self.runtime,
            randomize=self.randomize,
            profile=self.profile,
            seed=self.seed,
        )
        show(say, format_gate(result), result, as_json=self.json)
        save(self.out, result)
        return DONE if result["verdict"]["passed"] else USER_ERROR


@dataclass(frozen=True, kw_only=True)
class BenchServe:
    """Measures a step over the bridge, beside what it is made of, and paced control loops."""

    policy: Path | None = None
    """Policy file; without it, a random network of 4 x 256 for a robot of an ant's sizes."""
    seconds: float = 60.0
    """Duration of each of the two control loops: 500 Hz with one robot, 50 Hz with many [s]."""
    samples: int = 5000
    """How often everything else is timed."""
    robots: int = 64
    """Robots of the loop with many."""
    out: Path | None = None
    """File that receives the JSON object too."""
    json: bool = False
    """Print one JSON object instead of a table."""

    def run(self, say: Say) -> int:
        """Prints the figures beside their limits."""
        prepare_out(self.out)
        from robot_gcrl.bench.serve import bench_serve
        from robot_gcrl.bench.table import format_serve

        result = bench_serve(
            policy=self.policy, seconds=self.seconds, samples=self.samples, robots=self.robots
        )
        show(say, format_serve(result), result, as_json=self.json)
        save(self.out, result)
        return DONE


@dataclass(frozen=True, kw_only=True)
class Controller:
    """Runs a program of controllers/: sim plays robots in C MuJoCo, template is to be filled in."""

    name: str
    """Of the program."""
    arguments: tuple[str, ...]
    """What the program parses by itself."""

    def run(self, say: Say) -> int:
        """Runs it; what it prints is what the command says."""
        try:
            program = importlib.import_module(f"robot_gcrl.controllers.{self.name}")
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"The controller {self.name!r} cannot run here: {error}. Expected what it imports "
                f"to be installed. Install {error.name}."
            ) from error
        with contextlib.redirect_stdout(_Stdout(say)):
            return program.main(self.arguments)


def parse_controller(words: Sequence[str]) -> Controller:
    """The command of the words behind `robot-gcrl controller`.

    Raises:
      UnknownNameError: no such program.
      SystemExit: a request for help (0), or no program named (2).
    """
    names = controller_names()
    if not words or words[0] in ("-h", "--help"):
        sys.stderr.write(
            f"usage: robot-gcrl controller {{{','.join(names)}}} [OPTIONS]\n\n"
            f"{Controller.__doc__}\nrobot-gcrl controller NAME --help shows its options.\n"
        )
        raise SystemExit(DONE if words else USER_ERROR)
    if words[0] not in names:
        raise unknown_name("controller", words[0], names, see="controllers/README.md")
    return Controller(name=words[0], arguments=tuple(words[1:]))


def controller_names() -> tuple[str, ...]:
    """The programs of controllers/, sorted; a file with an underscore is a part of one."""
    from robot_gcrl.rooms import room

    return tuple(sorted(p.stem for p in room("controllers").glob("*.py") if "_" not in p.stem))


class _Stdout(io.TextIOBase):
    """Where a program prints: the command's own way to say something."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def write(self, text: str) -> int:
        """Says it."""
        self._say(text)
        return len(text)
