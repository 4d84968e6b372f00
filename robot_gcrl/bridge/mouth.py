"""How the server's core speaks: through sockets, or in tests to a list."""

from typing import Protocol, runtime_checkable

from robot_gcrl.bridge.messages import Body, Code, Header
from robot_gcrl.bridge.sessions import Session


@runtime_checkable
class Mouth(Protocol):
    """How the core speaks."""

    def send(self, session: Session, body: Body, answers: Header | None = None) -> int:
        """Sends a message in a session; returns its number."""
        ...

    def send_unknown(self, identity: bytes, body: Body, answers: Header) -> None:
        """Answers a connection that has no session."""
        ...

    def event(self, robot: str, code: Code, text: str) -> None:
        """Tells everybody who listens."""
        ...
