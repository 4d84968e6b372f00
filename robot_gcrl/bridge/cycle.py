"""In which order the frames of one cycle are dealt with: the same in the server and in a replay.

Reports come first, so that a flood of orders delays no robot; but what one connection sent is dealt
with in its own order, for its sequence numbers only go up: a report that overtook the confirmation
of a stop would make that confirmation look old.
"""

from collections.abc import Iterable

from robot_gcrl.bridge.core import Core
from robot_gcrl.bridge.messages import Clear, Goal, Message, Stop
from robot_gcrl.bridge.sessions import Peer

Frame = tuple[bytes, bytes, int, Peer | None]
"""Identity of the connection, frame, when it was read [ns], and what its key allows."""


def hear(core: Core, frames: Iterable[Frame]) -> None:
    """Deals with the frames of one cycle: operators' orders, and what follows them, come last."""
    last: list[tuple[bytes, Message, int, Peer | None]] = []
    delayed: set[bytes] = set()
    for identity, frame, now, peer in frames:
        message = core.receive(identity, frame, now)
        if message is None:
            continue
        if identity in delayed or isinstance(message.body, Goal | Stop | Clear):
            delayed.add(identity)
            last.append((identity, message, now, peer))
        else:
            core.handle(identity, message, now, peer)
    for identity, message, now, peer in last:
        core.handle(identity, message, now, peer)
