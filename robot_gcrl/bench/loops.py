"""Control loops against a server process: one that is fast, many at once, one that is cut off."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from robot_gcrl.bench.robots import Body, make_clients
from robot_gcrl.bridge.children import LISTENS, Child, serve_command
from robot_gcrl.bridge.client import RobotClient
from robot_gcrl.bridge.endpoint import Endpoint, parse_endpoint
from robot_gcrl.bridge.pacing import Pacer
from robot_gcrl.bridge.profile import Profile
from robot_gcrl.errors import BridgeError
from robot_gcrl.policy.runtime import PolicyFile

_SECOND_NS = 10**9
# In which caches, sessions and goals settle [s]
_SETTLING = 0.5
# For a server to start, and for a robot to hear of it [s]
_PATIENCE = 120.0


class Served:
    """A policy file with the server process that serves it."""

    def __init__(self, file: PolicyFile, folder: Path, name: str, runtime: str) -> None:
        """Starts the server and waits until it listens.

        Args:
          file: that is served.
          folder: of this user alone.
          name: of its endpoint in there.
          runtime: that computes it.

        Raises:
          BridgeError: it cannot start.
        """
        self.file = file
        self.endpoint: Endpoint = parse_endpoint(f"ipc://{folder / name}")
        # So it is not listed among the user's servers, nor are its files left behind
        self._environment = {"XDG_RUNTIME_DIR": str(folder)}
        self._command = serve_command(file.path, self.endpoint.text, runtime=runtime)
        self.process = self.start()
        try:
            self.process.wait_for(LISTENS, _PATIENCE)
        except BaseException:
            self.process.kill()
            raise

    def start(self) -> Child:
        """A new server process."""
        return Child("policy server", self._command, self._environment)

    def __enter__(self) -> "Served":
        """The server."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Ends it."""
        self.process.close()


def run_fast(
    served: Served, profile: Profile, body: Body, *, hz: float, seconds: float
) -> dict[str, Any]:
    """One robot in a paced loop: deadlines that were missed, commands that came too late."""
    (client,) = make_clients(served.file, profile, body, served.endpoint, 1)
    with client:
        _run([client], body, hz=hz, seconds=_SETTLING)
        pacer, least = _run([client], body, hz=hz, seconds=seconds)
    ticks = pacer.beats + pacer.missed
    return {
        "hz": hz,
        "seconds": seconds,
        "ticks": ticks,
        "missed": pacer.missed,
        "missed_share": pacer.missed / ticks,
        "late_commands": pacer.beats - least,
        "late_share": (pacer.beats - least) / pacer.beats,
        "latest_ms": pacer.latest_ns / 1e6,
    }


def run_many(
    served: Served, profile: Profile, body: Body, *, robots: int, hz: float, seconds: float
) -> dict[str, Any]:
    """Many robots in one loop: what the server computes for it, and who is served least."""
    clients = make_clients(served.file, profile, body, served.endpoint, robots)
    try:
        _run(clients, body, hz=hz, seconds=_SETTLING)
        before = [client.guard.counters.accepted for client in clients]
        began, computed = time.monotonic(), served.process.cpu_seconds()
        pacer, _ = _run(clients, body, hz=hz, seconds=seconds)
        passed, after = time.monotonic() - began, served.process.cpu_seconds()
        commands = [c.guard.counters.accepted - b for c, b in zip(clients, before, strict=True)]
    finally:
        for client in clients:
            client.close("the benchmark ends")
    return {
        "robots": robots,
        "hz": hz,
        "seconds": seconds,
        "missed_share": pacer.missed / (pacer.beats + pacer.missed),
        "commands_per_robot_s": sum(commands) / robots / passed,
        "least_commands_per_s": min(commands) / passed,
        "least_served_share": min(commands) / pacer.beats,
        "server_cpu_s_per_s": _rate(computed, after, passed),
    }


def run_restart(served: Served, profile: Profile, body: Body, *, hz: float) -> dict[str, Any]:
    """Kills the server, starts another, and waits for its first command to one robot."""
    (client,) = make_clients(served.file, profile, body, served.endpoint, 1)
    with client:
        _run([client], body, hz=hz, seconds=_SETTLING)
        served.process.kill()
        began = time.monotonic_ns()
        served.process = served.start()
        accepted = client.guard.counters.accepted
        end = began + round(_PATIENCE * _SECOND_NS)
        pacer = Pacer(round(_SECOND_NS / hz))
        while client.guard.counters.accepted == accepted:
            now = pacer.wait().now_ns
            if now > end:
                raise BridgeError(
                    f"No command came for {_PATIENCE:g} s after a restart of the server. Expected "
                    "the robot to find it again. Run robot-gcrl serve by hand to see why."
                )
            _step([client], body)
        commanded = time.monotonic_ns()
    served.process.wait_for(LISTENS, _PATIENCE)
    listened = served.process.heard_ns(LISTENS)
    assert listened is not None, "a server that commands has said that it listens"
    return {
        "from_start_s": (commanded - began) / 1e9,
        "from_listening_s": max(commanded - listened, 0) / 1e9,
    }


def _rate(before: float | None, after: float | None, passed: float) -> float | None:
    return None if before is None or after is None else (after - before) / passed


def _run(
    clients: Sequence[RobotClient], body: Body, *, hz: float, seconds: float
) -> tuple[Pacer, int]:
    """The loop's pacer, and in how many ticks the first robot had a fresh command in time."""
    pacer, fresh = Pacer(round(_SECOND_NS / hz)), 0
    count: Callable[[], int] = lambda: clients[0].guard.counters.accepted  # noqa: E731
    while pacer.beats + pacer.missed < seconds * hz:
        pacer.wait()
        before = count()
        _step(clients, body)
        fresh += count() > before
    return pacer, fresh


def _step(clients: Sequence[RobotClient], body: Body) -> None:
    """All report, then each takes what has come and moves."""
    stamps = [client.report(body.inputs, pose=body.pose) for client in clients]
    patience = round(clients[0].contract.control_dt * _SECOND_NS / 2)
    end = time.monotonic_ns() + patience
    for client, stamp in zip(clients, stamps, strict=True):
        for answer in client.receive(stamp, max(end - time.monotonic_ns(), 0)):
            client.accept(answer)
        client.tick(body.position, body.velocity)
