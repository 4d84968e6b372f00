"""A bare ZeroMQ echo, which a round trip on the bridge is compared with.

    python -m robot_gcrl.bench.echo ADDRESS BYTES

binds a ROUTER and answers every frame with one of BYTES bytes; `Echo` is its client.
"""

import sys

import zmq

from robot_gcrl.errors import BridgeError

_PATIENCE = 30_000  # [ms]


class Echo:
    """A DEALER of such an echo, with ZeroMQ's own options."""

    def __init__(self, address: str, size: int) -> None:
        """Connects, and waits for the first answer.

        Args:
          address: of the echo.
          size: of the frames that are sent [bytes].

        Raises:
          BridgeError: nobody answers.
        """
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.connect(address)
        self._frame = bytes(size)
        self._socket.send(self._frame)
        if not self._socket.poll(_PATIENCE):
            self.close()
            raise BridgeError(
                f"The echo at {address} does not answer. Expected it to be started before. Run it "
                "by hand to see why: python -m robot_gcrl.bench.echo."
            )
        self._socket.recv()

    def __call__(self) -> None:
        """One round trip."""
        self._socket.send(self._frame)
        self._socket.recv()

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close(linger=0)
        self._context.term()


def main(address: str, size: int) -> None:
    """Echoes until the process is ended."""
    socket = zmq.Context().socket(zmq.ROUTER)
    socket.bind(address)
    answer = bytes(size)
    while True:
        identity, _ = socket.recv_multipart()
        socket.send_multipart((identity, answer))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
