"""The rows of the gate: what the link does to the commands, and how each row is run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robot_gcrl.bridge.children import LISTENS, Child, serve_command
from robot_gcrl.contract.realism import Level
from robot_gcrl.errors import BridgeError
from robot_gcrl.gate.episodes import Episodes

# Without a line for so long a child is given up; while they run they say one in 10 s [s]
_SILENCE = 120.0
_LIMITS = ("bounds", "velocity", "acceleration", "margin")
_STOPS = ("holds", "link_stops", "latched_stops")


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a row does to the bridge.

    Attributes:
      name: of the row.
      delay: control steps by which commands come later.
      jitter: greatest number of further steps, at random.
      drop: share of commands that are lost.
      restarts: whether the server is killed and started anew in the middle.
      is_real_time: whether time passes by itself, with one robot.
      randomize: level of realism of the simulated robots.
    """

    name: str
    delay: int = 0
    jitter: int = 0
    drop: float = 0.0
    restarts: bool = False
    is_real_time: bool = False
    randomize: Level = "off"

    @property
    def is_clean(self) -> bool:
        """Whether every command comes at once, so that nothing may differ."""
        return self == Row(name=self.name)


class Crossing(NamedTuple):
    """Episodes that were run over the bridge.

    Attributes:
      episodes: what they came to.
      counts: limits that changed commands, stops, sessions and others, summed over the robots.
    """

    episodes: Episodes
    counts: dict[str, Any]


def make_rows(
    *,
    delays: tuple[int, ...],
    jitters: tuple[int, ...],
    drops: tuple[float, ...],
    restart: bool,
    real_time: bool,
    levels: Sequence[Level] = (),
) -> list[Row]:
    """All rows, the clean one first."""
    rows = [Row(name="bridge")]
    rows += [Row(name=f"delay {delay}", delay=delay) for delay in delays if delay]
    rows += [Row(name=f"jitter 0 to {jitter}", jitter=jitter) for jitter in jitters if jitter]
    rows += [Row(name=f"drops {drop:.0%}", drop=drop) for drop in drops if drop]
    rows += [Row(name="server restart", restarts=True)] * restart
    rows += [Row(name=f"realism {level}", randomize=level) for level in levels]
    return rows + [Row(name="real time", is_real_time=True)] * real_time


class Bridge:
    """A server process, and simulations that are run against it one after the other."""

    def __init__(
        self, policy: Path, folder: Path, *, runtime: str, seed: int, profile: str | None = None
    ) -> None:
        """Starts the server and waits until it listens.

        Args:
          policy: file that it serves.
          folder: of this user alone, for sockets and results.
          runtime: that computes the policy; see `make_runtime`.
          seed: of jitter and drops.
          profile: of the robots, a name or a file; None is the contract's robot.

        Raises:
          BridgeError: the server cannot start.
        """
        self._policy, self._folder, self._seed, self._profile = policy, folder, seed, profile
        self._endpoint = f"ipc://{folder / 's'}"
        # So the server is not listed among the user's, nor are its files left behind
        self._environment = {"XDG_RUNTIME_DIR": str(folder)}
        self._command = serve_command(policy, self._endpoint, runtime=runtime)
        self._server = self._serve()

    def close(self) -> None:
        """Ends the server."""
        self._server.close()

    def run(self, row: Row, *, episodes: int, robots: int, restart_at: int) -> Crossing:
        """Runs the first `episodes` of the eval scenarios.

        Args:
          row: what the link does.
          episodes: E.
          robots: that run them.
          restart_at: control step before which the server is restarted, if the row does.

        Raises:
          BridgeError: a process fails or hangs.
        """
        out = self._folder / "result.json"
        arguments = ["-m", "robot_gcrl.controllers.sim", "--policy", str(self._policy)]
        arguments += ["--connect", self._endpoint, "--out", str(out), "--episodes", str(episodes)]
        arguments += ["--robots", str(robots), "--seed", str(self._seed)]
        arguments += ["--delay", str(row.delay), "--jitter", str(row.jitter)]
        arguments += ["--drop", str(row.drop), "--randomize", row.randomize]
        arguments += [] if self._profile is None else ["--profile", self._profile]
        arguments += [] if row.is_real_time else ["--lockstep"]
        arguments += ["--pause", str(restart_at)] if row.restarts else []
        with Child("simulated robots", arguments, self._environment) as simulation:
            if row.restarts:
                simulation.wait_for("paused", _SILENCE)
                self._restart()
                simulation.say()
            simulation.wait(_SILENCE)
        return _crossing(json.loads(out.read_text()), episodes)

    def _serve(self) -> Child:
        server = Child("policy server", self._command, self._environment)
        try:
            server.wait_for(LISTENS, _SILENCE)
        except BaseException:
            server.kill()
            raise
        return server

    def _restart(self) -> None:
        self._server.kill()
        self._server = self._serve()


def _crossing(result: dict[str, Any], episodes: int) -> Crossing:
    if len(result["episodes"]) != episodes:
        raise BridgeError(
            f"The simulated robots ran {len(result['episodes'])} of {episodes} episodes. Expected "
            "all of them. Run robot-gcrl controller sim by hand to see why."
        )
    robots = result["robots"]
    counts: dict[str, Any] = {k: sum(r["clips"][k] for r in robots) for k in _LIMITS}
    counts |= {k: sum(robot[k] for robot in robots) for k in _STOPS}
    counts["sessions"] = max(robot["sessions"] for robot in robots)
    counts["reports"] = sum(robot["reports"] for robot in robots)
    counts["accepted"] = sum(robot["commands"]["accepted"] for robot in robots)
    counts["too_old"] = sum(robot["commands"]["old"] for robot in robots)
    counts["ramped"] = sum(episode["ramped"] for episode in result["episodes"])
    counts["missed_ticks"] = result["missed_ticks"]
    ages = [robot["age_ms"] for robot in robots if robot["age_ms"] is not None]
    counts["age_ms"] = float(np.median([age["median"] for age in ages])) if ages else None
    return Crossing(Episodes.from_json(result["episodes"]), counts)
