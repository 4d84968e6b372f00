"""ZeroMQ sockets with every option that keeps an outage from becoming motion.

A DEALER with default options queues what is sent while the server is away and delivers all of it
afterwards; IMMEDIATE makes such a send fail instead. LINGER 0: a closed socket takes what it still
holds with it. MAXMSGSIZE: ZeroMQ itself drops a peer that sends more than a message can be.
"""

import zmq

from robot_gcrl.bridge.messages import MAX_FRAME

# ZMTP's own heartbeats: a half-open connection is closed after this [ms]
_HEARTBEAT = 1000
_HEARTBEAT_TIMEOUT = 3000
_HANDSHAKE = 3000
_RECONNECT = 20
_RECONNECT_MOST = 250
# Reports, commands: a queue longer than this would hold what is too old to use
_CLIENT_SENDS = 2
_CLIENT_RECEIVES = 8
_OPERATOR_SENDS = 64


def make_router(context: zmq.Context) -> zmq.Socket:
    """The server's control channel, not bound yet.

    Sends to a peer that is gone fail, and no peer takes over another's identity.
    """
    socket = _common(context.socket(zmq.ROUTER))
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.setsockopt(zmq.ROUTER_HANDOVER, 0)
    return socket


def make_dealer(context: zmq.Context, *, is_robot: bool) -> zmq.Socket:
    """A client's control channel, not connected yet."""
    socket = _common(context.socket(zmq.DEALER))
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.setsockopt(zmq.SNDHWM, _CLIENT_SENDS if is_robot else _OPERATOR_SENDS)
    socket.setsockopt(zmq.RCVHWM, _CLIENT_RECEIVES if is_robot else _OPERATOR_SENDS)
    socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MOST)
    return socket


def make_publisher(context: zmq.Context) -> zmq.Socket:
    """The server's telemetry channel, not bound yet: it hears of every subscription."""
    socket = _common(context.socket(zmq.XPUB))
    socket.setsockopt(zmq.XPUB_VERBOSE, 1)
    return socket


def make_subscriber(context: zmq.Context) -> zmq.Socket:
    """A client's telemetry channel, not connected yet."""
    socket = _common(context.socket(zmq.SUB))
    socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MOST)
    # libzmq 4.3.5 aborts the process where a heartbeat times out while nobody reads what came
    # (issue 3937): a viewer that stands still for seconds would be gone
    socket.setsockopt(zmq.HEARTBEAT_IVL, 0)
    return socket


def _common(socket: zmq.Socket) -> zmq.Socket:
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME)
    socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE)
    socket.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, _HEARTBEAT_TIMEOUT)
    socket.setsockopt(zmq.IPV6, 1)
    return socket
