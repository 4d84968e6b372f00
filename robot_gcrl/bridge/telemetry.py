"""What the server tells everybody: last values by topic, and events, on a channel that may lose.

One frame a message: topic, a zero byte, msgpack. Topics: `contract` (a map: policy, contract,
scale, dry_run), `robot/ID` (a map, see `robot_state`), `event` (a map: robot, code, text). Who
subscribes is sent the last value of every topic that begins so, except of `event`.
"""

import contextlib
from typing import Any

import msgpack
import zmq

EVENT = "event"
CONTRACT = "contract"


def robot_topic(robot: str) -> str:
    """The topic of a robot's state."""
    return f"robot/{robot}"


def pack_topic(topic: str, content: dict[str, Any]) -> bytes:
    """The frame of a telemetry message."""
    return topic.encode() + b"\0" + msgpack.packb(content, use_bin_type=True)


def unpack_topic(frame: bytes) -> tuple[str, dict[str, Any]]:
    """Topic and content of a telemetry frame.

    Raises:
      ValueError: it is none.
    """
    topic, _, content = frame.partition(b"\0")
    unpacked = msgpack.unpackb(content, raw=False)
    if not isinstance(unpacked, dict):
        raise ValueError("telemetry is a map")
    return topic.decode(), unpacked


class Telemetry:
    """Publishes over a bound XPUB socket and remembers the last value of each topic."""

    def __init__(self, socket: zmq.Socket) -> None:
        """Nothing was published yet."""
        self.socket = socket
        self._last: dict[bytes, bytes] = {}

    def publish(self, topic: str, content: dict[str, Any]) -> None:
        """Sends a message to who subscribed; what cannot be sent at once is dropped."""
        frame = pack_topic(topic, content)
        if topic != EVENT:
            self._last[topic.encode()] = frame
        self._send(frame)

    def event(self, robot: str, code: int, text: str) -> None:
        """Publishes that something happened."""
        self.publish(EVENT, {"robot": robot, "code": code, "text": text})

    def forget(self, topic: str) -> None:
        """A later subscriber will not be sent the last value of `topic`."""
        self._last.pop(topic.encode(), None)

    def welcome_subscribers(self) -> None:
        """Sends last values to those who subscribed since the last call."""
        while True:
            try:
                frame = self.socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            if frame[:1] == b"\x01":
                for topic, last in self._last.items():
                    if topic.startswith(frame[1:]):
                        self._send(last)

    def _send(self, frame: bytes) -> None:
        with contextlib.suppress(zmq.Again):  # a slow subscriber loses messages, not we time
            self.socket.send(frame, zmq.NOBLOCK)
