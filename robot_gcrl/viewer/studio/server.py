"""Studio's web server, closed to other machines and to pages of other sites.

MuJoCo 4.0.0 binds every interface and takes WebSockets from any page. Both happen in functions of
its module `web_server`, which are replaced here by ones that bind one address and know the pages
that may connect. What is replaced is looked for first: a version that has no such thing is refused
instead of shown to the world.
"""

import importlib
import inspect
import socket
from typing import Any

from robot_gcrl.errors import ViewerError

LOOPBACK = "127.0.0.1"
_PATCHED = "_robot_gcrl_original"


class ClosedServer:
    """What the web viewer of this process listens on.

    Attributes:
      host: that was asked for.
      port: that it listens on; 0 before the viewer is made.
    """

    def __init__(self, host: str, port: int) -> None:
        """Changes the module, so that a viewer that is made from now on is closed.

        Args:
          host: address to bind, 127.0.0.1 for this machine alone.
          port: 0 takes the first free one from 8080 on.

        Raises:
          ViewerError: this version of MuJoCo Studio has no such server.
        """
        self.host, self.port = host, 0
        self._wanted = port
        server = _server_module()
        self._bind, self._serve = (
            _original(server, "bind_public_socket"),
            _original(server, "serve"),
        )
        self._put(server, "bind_public_socket", self._bind_here)
        self._put(server, "serve", self._serve_ours)

    @property
    def url(self) -> str:
        """Of the page, in a browser of this machine."""
        name = "localhost" if self.host == LOOPBACK else self.host
        return f"http://{name}:{self.port}/"

    def _bind_here(self, _: str, port: int = 0) -> socket.socket:
        try:
            bound = self._bind(self.host, port or self._wanted)
        except (RuntimeError, OSError) as error:
            wanted = f"port {self._wanted}" if self._wanted else "any port from 8080 on"
            raise ViewerError(
                f"The viewer cannot listen on {self.host}, {wanted}: it is in use, or the address "
                "is not this machine's. Expected a free one. Choose another --port or --host."
            ) from error
        self.port = bound.getsockname()[1]
        return bound

    def _serve_ours(self, handler: Any, **options: Any) -> Any:
        return self._serve(handler, origins=origins(self.host, self.port), **options)

    def _put(self, server: Any, name: str, replacement: Any) -> None:
        def call(*words: Any, **named: Any) -> Any:
            return replacement(*words, **named)

        setattr(call, _PATCHED, _original(server, name))
        setattr(server, name, call)


def origins(host: str, port: int) -> list[str | None]:
    """The pages that may connect: the viewer's own. None stands for a client that is no browser."""
    names = {"localhost", LOOPBACK, host}
    if host != LOOPBACK:
        names |= {socket.gethostname(), socket.getfqdn()}
    return [None, *(f"http://{name}:{port}" for name in sorted(names))]


def _original(server: Any, name: str) -> Any:
    """The library's own function, also after a viewer that was closed before."""
    return getattr(getattr(server, name), _PATCHED, getattr(server, name))


def _server_module() -> Any:
    try:
        web = importlib.import_module("mujoco.studio.web_viewer")
        server = importlib.import_module("mujoco.studio.web.web_server")
        is_known = (
            web.web_server is server
            and "web_server.bind_public_socket(" in inspect.getsource(web.WebViewer.__init__)
            and "await serve(" in inspect.getsource(server)
            and callable(_original(server, "bind_public_socket"))
            and _original(server, "serve").__module__ == "websockets.asyncio.server"
        )
    except (ImportError, AttributeError, OSError) as error:
        raise _unknown() from error
    if not is_known:
        raise _unknown()
    return server


def _unknown() -> ViewerError:
    return ViewerError(
        "This version of MuJoCo Studio opens its server in another way than 4.0.0 does, and might "
        "be open to other machines. Expected mujoco-studio 4.0.0. Install it, or use "
        "--viewer classic."
    )
