"""Where a policy server is: one text for both of its channels, and a folder that lists servers.

`ipc://PATH` (control at PATH.control, telemetry at PATH.telemetry) or `tcp://HOST:PORT` (control at
PORT, telemetry at PORT + 1). ZeroMQ takes over the ipc file of a live server without a word, so a
server holds a locked file for its endpoint; those files are also how clients find it.
"""

import fcntl
import hashlib
import ipaddress
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from robot_gcrl.errors import BridgeError

# sockaddr_un.sun_path holds 108 bytes with its final 0
_LONGEST_PATH = 107
# How long somebody who lists servers holds a file, at most [s]
_LOOKING = 0.2
# Spellings of one address, as far as two servers cannot both have it
_ONE_HOST: dict[str, str] = {"localhost": "127.0.0.1", "0.0.0.0": "127.0.0.1"}
_SUFFIXES = {"control": ".control", "telemetry": ".telemetry"}


@dataclass(frozen=True)
class Endpoint:
    """A server's address; make it with `parse_endpoint`.

    Attributes:
      text: what `--bind` and `--connect` take, in every folder.
      host: of tcp, empty for ipc.
      port: of the control channel of tcp, 0 for ipc.
    """

    text: str
    host: str = ""
    port: int = 0

    @property
    def control(self) -> str:
        """ZeroMQ address of the control channel."""
        return self._channel("control", 0)

    @property
    def telemetry(self) -> str:
        """ZeroMQ address of the telemetry channel."""
        return self._channel("telemetry", 1)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if not self.host or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    @property
    def identity(self) -> str:
        """The same text for every spelling of this address."""
        if self.host:
            return f"tcp://{_ONE_HOST.get(self.host, self.host)}:{self.port}"
        return f"ipc://{os.path.realpath(self.text.removeprefix('ipc://'))}"

    def _channel(self, name: str, offset: int) -> str:
        if self.host:
            return f"tcp://{self.host}:{self.port + offset}"
        return self.text + _SUFFIXES[name]


def parse_endpoint(text: str) -> Endpoint:
    """The endpoint that a user wrote.

    Raises:
      BridgeError: neither ipc://PATH nor tcp://HOST:PORT, or a path too long for a socket.
    """
    if text.startswith("ipc://"):
        path = text.removeprefix("ipc://")
        if path.startswith(("./", "../")):
            path = os.path.realpath(path)  # who finds the server may be in another folder
        longest = max(len(os.fsencode(path + suffix)) for suffix in _SUFFIXES.values())
        if path.startswith("/") and longest <= _LONGEST_PATH:
            return Endpoint(f"ipc://{path}")
        if longest > _LONGEST_PATH:
            raise BridgeError(
                f"The endpoint {text!r} is {longest} bytes long as a socket's path. Expected at "
                f"most {_LONGEST_PATH}. Choose a shorter path."
            )
    elif text.startswith("tcp://"):
        host, colon, port = text.removeprefix("tcp://").rpartition(":")
        if host and colon and port.isdecimal() and 1 <= int(port) <= 65534:
            return Endpoint(text, "0.0.0.0" if host == "*" else host, int(port))
    raise BridgeError(
        f"The endpoint {text!r} cannot be used. Expected ipc:///PATH, or tcp://HOST:PORT with a "
        "port from 1 to 65534 (the next port is used too). Change the endpoint."
    )


def runtime_folder() -> Path:
    """The folder of this user's servers, created 0700.

    Raises:
      BridgeError: it cannot be made, or belongs to another user.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    folder = (
        Path(base) / "robot-gcrl"
        if base
        else Path(tempfile.gettempdir()) / f"robot-gcrl-{os.getuid()}"
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if found.st_uid != os.getuid() or found.st_mode & 0o077 or folder.is_symlink():
            raise BridgeError(
                f"The folder {folder} is not this user's alone (owner {found.st_uid}, mode "
                f"{found.st_mode & 0o777:o}). Expected owner {os.getuid()}, mode 700. Remove it, "
                "or set XDG_RUNTIME_DIR."
            )
    except OSError as error:
        raise BridgeError(
            f"The folder {folder} cannot be made: {error.strerror}. Expected a folder for "
            "sockets. Set XDG_RUNTIME_DIR to one."
        ) from error
    return folder


def default_endpoint(name: str) -> Endpoint:
    """The ipc endpoint of the policy called `name`."""
    return parse_endpoint(f"ipc://{runtime_folder() / name}")


class Registration:
    """A server's claim on its endpoint, which clients can see: a locked file."""

    def __init__(self, endpoint: Endpoint, policy: str) -> None:
        """Claims the endpoint.

        Raises:
          BridgeError: a live server has it.
        """
        self._path = _file_of(endpoint, "server")
        self._file = self._path.open("a+")
        if not _claim(self._file.fileno()):
            holder = _read(self._path)
            self._file.close()
            raise BridgeError(
                f"The endpoint {endpoint.text} is in use by process {holder.get('pid', '?')}, "
                f"which serves {holder.get('policy', '?')!r}. Expected one that is free. Stop that "
                "server, or choose another --bind."
            )
        content = {"endpoint": endpoint.text, "policy": policy, "pid": os.getpid()}
        self._file.truncate(0)
        self._file.write(json.dumps(content))
        self._file.flush()

    def __enter__(self) -> "Registration":
        """The claim."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Gives the endpoint back."""
        # Not unlinked: a server that has just opened the file would lock what is no longer there
        self._file.truncate(0)
        self._file.close()


def stops_file(endpoint: Endpoint) -> Path:
    """Where a server keeps the operators' stops of its endpoint."""
    return _file_of(endpoint, "stops")


def running_servers() -> list[dict[str, str]]:
    """This user's servers on this machine: endpoint and policy of each."""
    found = []
    for path in sorted(runtime_folder().glob("*.server")):
        with path.open() as file:
            if not _lock(file.fileno(), fcntl.LOCK_SH):
                found.append(_read(path))
    return [server for server in found if "endpoint" in server]


def find_server(text: str | None) -> Endpoint:
    """The endpoint `text`, or that of the only running server.

    Raises:
      BridgeError: none was given, and no server runs or several do.
    """
    if text is not None:
        return parse_endpoint(text)
    servers = running_servers()
    if len(servers) == 1:
        return parse_endpoint(servers[0]["endpoint"])
    if not servers:
        raise BridgeError(
            "No policy server of this user runs on this machine. Expected one. Start it with: "
            "robot-gcrl serve NAME.policy; or name one with --connect."
        )
    listed = ", ".join(f"{server['endpoint']} ({server['policy']})" for server in servers)
    raise BridgeError(
        f"{len(servers)} policy servers run: {listed}. Expected one. Choose with --connect."
    )


def _file_of(endpoint: Endpoint, suffix: str) -> Path:
    digest = hashlib.sha256(endpoint.identity.encode()).hexdigest()[:16]
    return runtime_folder() / f"{digest}.{suffix}"


def _claim(descriptor: int) -> bool:
    """Whether nobody holds the file; who only looks lets go of it at once."""
    end = time.monotonic() + _LOOKING
    while not (is_free := _lock(descriptor, fcntl.LOCK_EX)) and time.monotonic() < end:
        time.sleep(_LOOKING / 50)
    return is_free


def _lock(descriptor: int, kind: int) -> bool:
    """Whether the lock was free; it is held until the file is closed."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):  # just being written, or just gone
        return {}
    return content if isinstance(content, dict) else {}
