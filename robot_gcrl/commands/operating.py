"""The commands of an operator: goals, stops, clears, keys."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from robot_gcrl.commands.base import DONE, USER_ERROR, Say, show
from robot_gcrl.errors import ConfigError

if TYPE_CHECKING:
    from robot_gcrl.bridge.operate import Outcome
    from robot_gcrl.bridge.operator import OperatorClient
    from robot_gcrl.bridge.security import ClientSecurity


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How an operator reaches a server."""

    connect: str | None = None
    """Endpoint of the server; without it, the only one of this user on this machine."""
    key: Path | None = None
    """Secret key file of this operator, where the server has keys."""
    server_key: Path | None = None
    """Public key file of the server; without it, the only one in public/ beside --key."""
    timeout: float = 2.0
    """Longest wait for an answer [s]."""
    json: bool = False
    """Print one JSON object instead of text."""

    def security(self) -> "ClientSecurity | None":
        """The keys, if any were given."""
        from robot_gcrl.bridge.security import ClientSecurity

        return None if self.key is None else ClientSecurity(self.key, self.server_key)

    def open(self) -> "OperatorClient":
        """A client of the server, not connected yet."""
        from robot_gcrl.bridge.endpoint import find_server
        from robot_gcrl.bridge.operator import OperatorClient

        return OperatorClient(find_server(self.connect), None, "command line", self.security())

    def tell(self, say: Say, outcome: "Outcome") -> int:
        """Says what a command came to; returns its exit code."""
        show(say, outcome.text, outcome.data, as_json=self.json)
        return DONE if outcome.ok else USER_ERROR


@dataclass(frozen=True, kw_only=True)
class Goal(Connection):
    """Sets the goal of a robot, or shows what all robots are doing."""

    set: tuple[float, ...] | None = None
    """The goal: one number for each goal field, SI."""
    random: Path | None = None
    """Policy file, of whose evaluation goals one is taken at random."""
    watch: bool = False
    """Show what robots do until Ctrl-C, after setting the goal if one is given."""
    robot: str | None = None
    """Id of the robot, or '*' for every robot; without it, the only one that is connected."""

    def run(self, say: Say) -> int:
        """Sets the goal."""
        from robot_gcrl.bridge import operate
        from robot_gcrl.bridge.serve import Ending

        if (self.set is None) == (self.random is None) and not (self.watch and self.set is None):
            raise ConfigError(
                f"The goal is unclear: --set {self.set}, --random {self.random}. Expected either "
                "of them, or --watch. Give one."
            )
        with self.open() as client:
            client.connect(self.timeout)
            code = DONE if self.set is None and self.random is None else self._set(client, say)
            if self.watch:
                with Ending() as ending:
                    operate.watch(client, _show_line, lambda: not ending.is_set)
        return code

    def _set(self, client: "OperatorClient", say: Say) -> int:
        from robot_gcrl.bridge import operate

        robot = operate.choose_robot(client, self.robot)
        if self.random is None:
            outcome = operate.set_goal(client, robot, self.set or (), self.timeout)
        else:
            from robot_gcrl.policy.runtime import read_policy

            goals = read_policy(self.random).scenarios["eval"].goal
            outcome = operate.random_goal(client, robot, goals, self.timeout)
        return self.tell(say, outcome)


@dataclass(frozen=True, kw_only=True)
class Stop(Connection):
    """Stops robots until they are cleared."""

    robot: str = "*"
    """Id of the robot; without it, every robot."""
    reason: str = "stopped by an operator"
    """Why, for people."""

    def run(self, say: Say) -> int:
        """Stops them."""
        from robot_gcrl.bridge import operate

        with self.open() as client:
            # Not connected first, which also waits for telemetry: a stop leaves with the session
            return self.tell(say, operate.stop(client, self.robot, self.reason, self.timeout))


@dataclass(frozen=True, kw_only=True)
class Clear(Connection):
    """Ends the stop of robots; they move again, faded in."""

    robot: str = "*"
    """Id of the robot; without it, every robot."""

    def run(self, say: Say) -> int:
        """Clears them."""
        from robot_gcrl.bridge import operate

        with self.open() as client:
            client.connect(self.timeout)
            return self.tell(say, operate.clear(client, self.robot, self.timeout))


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Makes a key, so that a server can listen to other machines.

    One of each role: server, robot (its id), operator. To another machine go its own secret file
    and the server's public one, as FOLDER/NAME.key_secret and FOLDER/public/SERVER.key, readable by
    its user alone (chmod -R go= FOLDER).

    There: serve, view and controller sim take --keys FOLDER; goal, stop, clear, bridge ping, bridge
    doctor and controller template --key FOLDER/NAME.key_secret.
    """

    folder: Positional[Path]
    """Folder of keys; made, readable by this user alone, where it does not exist."""
    role: Literal["server", "robot", "operator"]
    """What the key is for."""
    name: str
    """Name of the key; of a robot its id."""

    def run(self, say: Say) -> int:
        """Makes it."""
        from robot_gcrl.bridge.keys import make_keys

        secret, public = make_keys(self.folder, role=self.role, name=self.name)
        sys.stderr.write(f"Wrote {secret} (secret) and {public} (public)\n")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Ping(Connection):
    """Measures round trips to the server."""

    count: int = 100
    """How many."""

    def run(self, say: Say) -> int:
        """Measures them."""
        from robot_gcrl.bridge import operate

        with self.open() as client:
            client.connect(self.timeout)
            return self.tell(say, operate.ping(client, self.count, self.timeout))


@dataclass(frozen=True, kw_only=True)
class BridgeDoctor(Connection):
    """Looks at servers, sockets, keys and robots, and says how to mend what is wrong."""

    def run(self, say: Say) -> int:
        """Prints what was found."""
        from robot_gcrl.bridge.diagnose import diagnose, findings_data, format_findings

        findings = diagnose(self.connect, self.security(), self.timeout)
        show(say, format_findings(findings), findings_data(findings), as_json=self.json)
        return DONE if all(finding.ok for finding in findings) else USER_ERROR


def _show_line(line: str) -> None:
    sys.stderr.write(f"{line}\n")
