"""`robot-gcrl serve`: a policy file on an endpoint, until Ctrl-C, SIGTERM or SIGHUP."""

import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

from robot_gcrl.bridge.endpoint import (
    Endpoint,
    Registration,
    default_endpoint,
    parse_endpoint,
    stops_file,
)
from robot_gcrl.bridge.live import LiveLine
from robot_gcrl.bridge.record import Recorder
from robot_gcrl.bridge.security import ServerSecurity
from robot_gcrl.bridge.server import PolicyServer
from robot_gcrl.bridge.settings import Settings
from robot_gcrl.bridge.stops import StopBook
from robot_gcrl.policy.runtime import PolicyFile, Runtime, make_runtime, read_policy
from robot_gcrl.policy.runtime.make import RuntimeName
from robot_gcrl.signals import ending_signals

_DIGITS = 12
# Signals after which a program that does not end is ended: wrappers pass on a Ctrl-C that came to
# the program already, so that one key is two of them
_URGED = 3


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """What `robot-gcrl serve` was asked to do; see its options."""

    policy: Path
    bind: str | None = None
    keys: Path | None = None
    record: Path | None = None
    runtime: RuntimeName = "auto"
    scale: float = 1.0
    dry_run: bool = False


def serve(options: ServeOptions) -> int:
    """Serves until a signal comes; returns 0.

    Raises:
      RobotGcrlError: the policy cannot be read, or the endpoint not be had; nothing was started.
    """
    file = read_policy(options.policy)
    runtime = make_runtime(file, options.runtime)
    name = options.policy.stem
    settings = Settings(
        policy=f"{name} {file.sha256[:_DIGITS]}", scale=options.scale, dry_run=options.dry_run
    )
    endpoint = default_endpoint(name) if options.bind is None else parse_endpoint(options.bind)
    security = None if options.keys is None else ServerSecurity(options.keys)
    with Registration(endpoint, settings.policy), Ending() as ending:
        stops = StopBook(stops_file(endpoint))
        server = PolicyServer(
            file.contract, runtime, settings, stops, endpoint=endpoint, security=security
        )
        try:
            recorder = _recorder(options.record, file, settings, runtime)
            server.recorder = recorder
            sys.stderr.write(announcement(file, runtime, settings, endpoint, options) + "\n")
            with LiveLine(server, recorder) as live:
                server.run(lambda: live.update() and not ending.is_set)
        finally:
            server.close()
        live.tell_of_recorder()  # `close` writes what the last second held
    return 0


def announcement(
    file: PolicyFile,
    runtime: Runtime,
    settings: Settings,
    endpoint: Endpoint,
    options: ServeOptions,
) -> str:
    """Where the server listens, what it serves, and what robots must bring."""
    contract = file.contract
    keys = "none: this machine alone can connect" if options.keys is None else str(options.keys)
    mode = [f"scale {settings.scale:g}"] * (settings.scale != 1.0)
    mode += ["dry run: no command is sent"] * settings.dry_run
    mode += [f"records to {options.record}"] * (options.record is not None)
    bounds = ", ".join(f"{g.label} [{g.low:g}, {g.high:g}] {g.unit}" for g in contract.goal)
    lines = [
        f"{settings.policy}, on {runtime.name}",
        f"  listens  {endpoint.text}",
        f"  robot    {contract.robot}, {len(contract.inputs)} inputs, {contract.action_size} "
        f"actuators, every {contract.control_dt:g} s",
        f"  goal     {bounds}",
        f"  needs    {'; '.join(contract.needs) or 'nothing that the robot does not measure'}",
        f"  keys     {keys}",
    ]
    return "\n".join(lines + [f"  mode     {', '.join(mode)}"] * bool(mode))


def _recorder(
    path: Path | None, file: PolicyFile, settings: Settings, runtime: Runtime
) -> Recorder | None:
    if path is None:
        return None
    header = {
        "policy": settings.policy,
        "contract": file.contract.canonical_json,
        "sha256": file.contract.sha256,
        "scale": settings.scale,
        "dry_run": settings.dry_run,
        "runtime": runtime.name,
        "trained_delay": list(file.trained_delay),
    }
    return Recorder(path, header)


class Ending:
    """Notes Ctrl-C, SIGTERM and SIGHUP within `with Ending()`, for the program to end by itself.

    What does not end is ended by the third Ctrl-C or SIGTERM. A program that owns motors is not:
    an exception could come in the line that brakes. If it is stuck, SIGQUIT and SIGKILL end it,
    and its motors are left as they are.

    Attributes:
      is_set: whether a signal came.
    """

    def __init__(self, *, owns_motors: bool = False) -> None:
        """Installs nothing yet.

        Args:
          owns_motors: whether motors must be left safe; no signal that is noted cuts that short.
        """
        self.is_set = False
        self._owns_motors = owns_motors
        self._urged = 0

    def __enter__(self) -> "Ending":
        """Installs the handlers; a hangup that is ignored (nohup) stays ignored."""
        self._before = {number: signal.signal(number, self._note) for number in ending_signals()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Puts back the handlers that were there."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.is_set = True
        # A hangup urges nothing: shell and kernel send one each, systemd one after its SIGTERM
        self._urged += number != signal.SIGHUP
        if self._urged >= _URGED and not self._owns_motors:
            raise SystemExit(128 + number)
