"""What a person is told of a robot behind a server: one line, the gravest first."""

import math
import time
from typing import NamedTuple

from robot_gcrl.bridge.messages import Flag
from robot_gcrl.bridge.rules import SECOND_NS
from robot_gcrl.viewer.remote import Remote

# The server tells of each robot 20 times a second
_NEWS = SECOND_NS // 2


class Words(NamedTuple):
    """What is told.

    Attributes:
      engine: who moves the robot.
      link: how that and this viewer hang together.
    """

    engine: str
    link: str


def tell(remote: Remote, picture: str) -> Words:
    """The words of this moment.

    Args:
      remote: that is told of.
      picture: what the picture lacks, empty if nothing.
    """
    welcome = remote.link.welcome
    engine = f"the server at {remote.endpoint.text}"
    if welcome is not None:
        engine += f", {welcome.policy}"
        engine += f", scale {welcome.scale:g}" * (welcome.scale != 1.0)
        engine += ", DRY RUN" * welcome.dry_run
    parts = (remote.orders.text, _stop(remote), _connection(remote), _robot(remote), picture)
    return Words(engine, "; ".join(part for part in parts if part))


def is_fresh(remote: Remote) -> bool:
    """Whether the robot's state is of now."""
    state = remote.state
    return state is not None and not state.lost and _silence(remote) <= _NEWS


def action_age(remote: Remote) -> float:
    """Of the action that is in force [s]: as the robot measured it, and more while it is silent.

    Infinite before the first.
    """
    state = remote.state
    if state is None or not state.age_ns:
        return math.inf
    return (state.age_ns + (0 if is_fresh(remote) else _silence(remote))) / SECOND_NS


def _silence(remote: Remote) -> int:
    """How long nothing was heard of the robot [ns]."""
    return 0 if remote.state is None else time.monotonic_ns() - remote.state.heard_ns


def _connection(remote: Remote) -> str:
    link, where = remote.link, remote.endpoint.text
    if link.trouble:
        return f"no connection: {link.trouble}"
    if link.rejected is not None:
        return f"the server at {where} refuses: {link.rejected.text}"
    if link.state == "silent":
        return f"silent: the server at {where} does not answer"
    if link.state == "connecting":
        gone = "nobody answers" if link.welcome is None else "the server is gone"
        return f"connecting: {gone} at {where}"
    if remote.mismatch:
        return f"connected to another contract, no goal is sent: {remote.mismatch}"
    return "connected"


def _robot(remote: Remote) -> str:
    state, robot = remote.state, remote.robot
    if robot is None:
        return "no robot is there"
    if state is None:
        text = f"robot {robot!r} is not there"
        if remote.others:
            text += f", but {', '.join(remote.others)}: name another with --robot"
        return text
    text = f"robot {robot!r}"
    if remote.others and not remote.is_named:
        text += f", chosen of {1 + len(remote.others)}: name another with --robot"
    if state.lost:
        return f"{text} is lost: it reports no more"
    if (silence := _silence(remote)) > _NEWS:
        return f"{text}, no news for {silence / SECOND_NS:.1f} s"
    if state.flags & Flag.HOLD:
        text += ", holds for want of commands"
    if state.flags & Flag.RAMP:
        text += ", motion fades in"
    return text


def _stop(remote: Remote) -> str:
    state = remote.state
    if state is None:
        return ""
    if state.flags & Flag.LATCHED_STOP:
        return f"STOPPED until cleared: {remote.stop_reason or 'why was not heard here'}"
    if state.flags & Flag.LINK_STOP:
        return "STOPPED for want of commands"
    return ""
