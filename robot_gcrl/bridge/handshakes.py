"""Why a connection fails before a word is said, for the person at either end.

CURVE refuses in silence; a socket's monitor tells what it can. What libzmq 4.3.5 says, measured:

| what is wrong              | client                                    | server                  |
|----------------------------|-------------------------------------------|-------------------------|
| client's key not known     | FAILED_AUTH 400, and it gives up for good | FAILED_AUTH 400         |
| client has wrong server key| FAILED_NO_DETAIL EPIPE, tries for ever    | PROTOCOL, cryptographic |
| client has no keys         | PROTOCOL, mechanism mismatch, gives up;   | the other one of the    |
| server has no keys         | or FAILED_NO_DETAIL EPIPE, tries again    | two                     |
| server stands still        | FAILED_NO_DETAIL EAGAIN after 3 s         | nothing                 |

Where libzmq gives up, even `connect` does nothing until `disconnect`: the watch does both, so that
a client gets in as soon as its key does.
"""

import time
from collections.abc import Iterator

import zmq
from zmq.utils.monitor import recv_monitor_message

from robot_gcrl.bridge.certificates import PUBLIC, PUBLIC_SUFFIX, Certificate
from robot_gcrl.bridge.rules import SECOND_NS

# Between two attempts where libzmq has given up
_REDIAL = SECOND_NS
# EPIPE once is also what a server looks like that ends just now
_BROKEN_TWICE = 2
# The same complaint of a server is made once in
_AGAIN = 60 * SECOND_NS
# Different complaints in that time, at most: a flood of keys must not become one of lines
_MOST = 16


class HandshakeWatch:
    """Watches a client's socket, before it is connected; see the module.

    Attributes:
      is_up: whether the last handshake succeeded and the connection stands.
    """

    def __init__(
        self, socket: zmq.Socket, address: str, own: Certificate | None, server: Certificate | None
    ) -> None:
        """Watches; `ClientSecurity.connect` makes the pair of socket and watch.

        Args:
          socket: a client's.
          address: that it is connected to.
          own: the client's key, None without keys.
          server: the server's public key, None without keys.
        """
        self._socket, self._address = socket, address
        self._own, self._server = own, server
        self._monitor = _monitor(socket)
        self._said = ""
        self._broken = 0
        self._redial_at: int | None = None
        self.is_up = False

    def poll(self) -> list[str]:
        """What went wrong since the last call, each once until a handshake succeeds."""
        said = []
        for event, value in _events(self._monitor):
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._said, self._broken, self.is_up = "", 0, True
            elif event in (zmq.EVENT_CLOSED, zmq.EVENT_DISCONNECTED):
                # Refused: nobody listens, which is another thing than a broken handshake
                self._broken = 0 if event == zmq.EVENT_CLOSED else self._broken
                self.is_up = False
            else:
                text = self._explain(event, value)
                if text and text != self._said:
                    said.append(text)
                    self._said = text
        self._redial()
        return said

    def close(self) -> None:
        """Stops watching; call it before the socket is closed."""
        self._socket.disable_monitor()
        self._monitor.close(linger=0)

    def _redial(self) -> None:
        if self._redial_at is not None and time.monotonic_ns() >= self._redial_at:
            self._redial_at = None
            self._socket.disconnect(self._address)
            self._socket.connect(self._address)

    def _explain(self, event: int, value: int) -> str:
        if event in (zmq.EVENT_HANDSHAKE_FAILED_AUTH, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL):
            self._redial_at = time.monotonic_ns() + _REDIAL
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH and self._own is not None:
            own = self._own
            return (
                f"the server at {self._address} does not know this key: {own.role} {own.name!r} "
                f"({own.path}). Copy {own.name}{PUBLIC_SUFFIX} into the folder {PUBLIC}/ of its "
                "keys"
            )
        if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            return self._of_protocol(value)
        if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            return self._without_detail(value)
        return ""

    def _of_protocol(self, value: int) -> str:
        if value != zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
            return f"what answers at {self._address} is no policy server"
        if self._own is None:
            return f"the server at {self._address} demands keys, and none were given"
        return f"the server at {self._address} has no keys: connect without, if you trust it"

    def _without_detail(self, value: int) -> str:
        if value == zmq.EAGAIN:
            return (
                f"the server at {self._address} stands still: it takes connections and says no word"
            )
        self._broken += 1
        if self._broken < _BROKEN_TWICE:
            return ""
        if self._server is None:
            return (
                f"the server at {self._address} breaks off each handshake: it demands keys, or is "
                "no policy server"
            )
        return f"the server at {self._address} has another key than {self._server.path}, or none"


class ServerHandshakes:
    """Watches a server's socket, before it is bound; says the same thing once a minute."""

    def __init__(self, socket: zmq.Socket, server: Certificate) -> None:
        """Watches the connections of `socket`, which has the key `server`."""
        self._socket, self._server = socket, server
        self._monitor = _monitor(socket)
        self._said: dict[str, int] = {}

    def poll(self, unknown: list[str]) -> list[str]:
        """What went wrong since the last call.

        Args:
          unknown: public keys that were refused since then.
        """
        texts = [f"a client was refused whose public key is in no file: {key}" for key in unknown]
        texts += [self._explain(event, value) for event, value in _events(self._monitor)]
        now = time.monotonic_ns()
        self._said = {text: at for text, at in self._said.items() if now - at < _AGAIN}
        new = []
        for text in texts:
            if text and text not in self._said and len(self._said) < _MOST:
                self._said[text] = now
                new.append(text)
        return new

    def close(self) -> None:
        """Stops watching, whether or not the socket is closed already."""
        if not self._socket.closed:
            self._socket.disable_monitor()
        self._monitor.close(linger=0)

    def _explain(self, event: int, value: int) -> str:
        if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            if value == zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC:
                file = f"{self._server.name}{PUBLIC_SUFFIX}"
                return f"a client has another key for this server than {PUBLIC}/{file}"
            if value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
                return "a client without keys was refused"
            return "a client was refused that does not speak the protocol"
        if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            return "a client broke off its handshake: it has no keys, or ended"
        return ""  # FAILED_AUTH: the refused key itself says more


def _monitor(socket: zmq.Socket) -> zmq.Socket:
    return socket.get_monitor_socket(
        zmq.EVENT_HANDSHAKE_SUCCEEDED
        | zmq.EVENT_HANDSHAKE_FAILED_AUTH
        | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
        | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        | zmq.EVENT_CLOSED
        | zmq.EVENT_DISCONNECTED
    )


def _events(monitor: zmq.Socket) -> Iterator[tuple[int, int]]:
    while True:
        try:
            found = recv_monitor_message(monitor, zmq.NOBLOCK)
        except zmq.Again:
            return
        yield int(found["event"]), int(found["value"])
