"""CURVE with ZAP: who may connect, and as whom.

Without an authenticator CURVE encrypts and lets everybody in; so a server's socket cannot be made
secure here before one runs, and libzmq itself is told to refuse if it is gone (ZAP_ENFORCE_DOMAIN).
Which role and name a client has follows from its public key, which ZeroMQ attaches to each frame.
"""

import contextlib
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import zmq

from robot_gcrl.bridge.certificates import (
    PUBLIC,
    PUBLIC_SUFFIX,
    Certificate,
    find_secret,
    read_all_public,
    read_public,
    read_secret,
)
from robot_gcrl.bridge.handshakes import HandshakeWatch, ServerHandshakes
from robot_gcrl.bridge.sessions import ROLES, Peer
from robot_gcrl.errors import BridgeError

if TYPE_CHECKING:
    from zmq.auth.thread import ThreadAuthenticator

_DOMAIN = "robot-gcrl"
_NOBODY = Peer(role="nobody", name="")
# Refused keys that wait to be told
_REFUSED = 64


class KnownKeys:
    """The public keys in a folder, read again when its files change.

    A file that is added or removed counts for the next connection; who is connected stays so.
    """

    def __init__(self, directory: Path) -> None:
        """Reads the folder.

        Raises:
          BridgeError: see `read_all_public`.
        """
        self._directory = directory
        self._signature = self._look()
        self._certificates = read_all_public(directory)
        self.refused: deque[str] = deque(maxlen=_REFUSED)
        self.trouble: deque[str] = deque(maxlen=1)

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether a client with this public key may connect; called in the authenticator's thread.

        Args:
          domain: of ZAP.
          key: Z85.
        """
        del domain  # one alone is configured
        certificate = self.find(key)
        if certificate is None or certificate.role not in ROLES:
            self.refused.append(key.decode(errors="replace"))
            return False
        return True

    def find(self, key: bytes) -> Certificate | None:
        """The certificate of a public key (Z85), or None."""
        try:
            signature = self._look()
            if signature != self._signature:
                self._signature = signature
                self._certificates = read_all_public(self._directory)
        except (BridgeError, OSError) as error:
            # The keys that were good stay so: a half-copied file must not shut out the robots
            self.trouble.append(str(error))
        return self._certificates.get(key)

    def peer(self, key: bytes) -> Peer:
        """What a key allows, as far as it was known when the files were last read."""
        found = self._certificates.get(key)
        return _NOBODY if found is None else Peer(role=found.role, name=found.name)

    def _look(self) -> tuple[tuple[str, int, int, int], ...]:
        files = sorted(self._directory.glob(f"*{PUBLIC_SUFFIX}"))
        stats = [(path, path.stat()) for path in files]
        return tuple((p.name, s.st_mtime_ns, s.st_size, s.st_mode) for p, s in stats)


class ServerSecurity:
    """A server's key, and the keys that it lets in."""

    def __init__(self, directory: Path) -> None:
        """Reads a folder that `make_keys` made.

        Args:
          directory: holds the server's secret file, and `public/` those of robots and operators.

        Raises:
          BridgeError: no key of a server or several, a file that is none, or files that others can
            read or write.
        """
        self._own = find_secret(directory, "server")
        self._known = KnownKeys(directory / PUBLIC)
        self._context: zmq.Context | None = None
        self._authenticator: ThreadAuthenticator | None = None
        self._watches: list[ServerHandshakes] = []

    def start(self, context: zmq.Context) -> None:
        """Starts the authenticator of a context, in a thread of its own."""
        # It loads asyncio, for which a server without keys need not wait
        from zmq.auth.thread import ThreadAuthenticator

        authenticator = ThreadAuthenticator(context)
        authenticator.configure_curve_callback(_DOMAIN, self._known)
        authenticator.start()
        self._context, self._authenticator = context, authenticator

    def secure(self, socket: zmq.Socket) -> None:
        """Lets only known keys connect to a socket that is not bound yet.

        Raises:
          BridgeError: the authenticator of the socket's context does not run.
        """
        running = self._authenticator is not None and self._authenticator.is_alive()
        if not running or socket.context is not self._context:
            raise BridgeError(
                "A socket cannot have keys: no authenticator runs in its context. Expected one, "
                "since without it every key is let in. Call ServerSecurity.start first."
            )
        socket.setsockopt(zmq.ZAP_DOMAIN, _DOMAIN.encode())
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self._own.secret)
        if socket.type == zmq.ROUTER:
            self._watches.append(ServerHandshakes(socket, self._own))

    def peer(self, frame: zmq.Frame) -> Peer:
        """Who sent a frame, by the key of its connection; a role that nothing grants if unknown."""
        try:
            key = frame.get("User-Id")
        except zmq.ZMQError:  # the frame came without keys
            return _NOBODY
        return self._known.peer(str(key).encode())

    def complaints(self) -> list[str]:
        """What went wrong with connections since the last call, for the server's operator."""
        found = _taken(self._known.trouble)
        unknown = _taken(self._known.refused)
        for watch in self._watches:
            found += watch.poll(unknown)
        return found

    def stop(self) -> None:
        """Ends the authenticator: nobody can connect from now on."""
        for watch in self._watches:
            watch.close()
        self._watches.clear()
        if self._authenticator is not None:
            self._authenticator.stop()
        self._authenticator = self._context = None


class ClientSecurity:
    """A client's key, and that of the server that it wants to reach.

    Attributes:
      own: the client's certificate.
      server: the server's, public.
    """

    def __init__(self, secret_file: Path, server_public_file: Path | None = None) -> None:
        """Reads both files.

        Args:
          secret_file: of the robot or operator.
          server_public_file: of the server; None takes the only one of that role in the folder
            `public/` beside the secret file.

        Raises:
          BridgeError: one of them is of another role, is none, or others can read the secret.
        """
        self.own = _in_role(read_secret(secret_file), ROLES)
        if server_public_file is None:
            server_public_file = _only_server(secret_file.parent / PUBLIC)
        self.server = _in_role(read_public(server_public_file), ("server",))

    def secure(self, socket: zmq.Socket) -> None:
        """Gives a socket that is not connected yet both keys."""
        socket.setsockopt(zmq.CURVE_SERVERKEY, self.server.public)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self.own.public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.own.secret)


def connect(socket: zmq.Socket, address: str, security: ClientSecurity | None) -> HandshakeWatch:
    """Connects a client's socket, with keys if there are any; what it returns must be polled.

    Args:
      socket: not connected yet.
      address: of the server's channel.
      security: the keys, or None.
    """
    own, server = None, None
    if security is not None:
        security.secure(socket)
        own, server = security.own, security.server
    watch = HandshakeWatch(socket, address, own, server)
    socket.connect(address)
    return watch


def _in_role(certificate: Certificate, roles: tuple[str, ...]) -> Certificate:
    if certificate.role not in roles:
        raise BridgeError(
            f"The key {certificate.path} is that of a {certificate.role}. Expected one of a "
            f"{' or '.join(roles)}. Give another file."
        )
    return certificate


def _only_server(directory: Path) -> Path:
    found = [c.path for c in read_all_public(directory).values() if c.role == "server"]
    if len(found) != 1:
        raise BridgeError(
            f"The folder {directory} has the public keys of {len(found)} servers. Expected one. "
            "Copy the server's NAME.key into it, or name the file."
        )
    return found[0]


def _taken(queue: deque[str]) -> list[str]:
    taken = []
    # Filled by the authenticator's thread meanwhile: what comes later is for the next call
    with contextlib.suppress(IndexError):
        for _ in range(len(queue)):
            taken.append(queue.popleft())
    return taken
