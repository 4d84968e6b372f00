"""Reaching the robot of a policy server: what a window is opened with, or why there is none."""

import time
from pathlib import Path

from robot_gcrl.bridge.certificates import find_secret
from robot_gcrl.bridge.endpoint import find_server
from robot_gcrl.bridge.security import ClientSecurity
from robot_gcrl.contract import Contract
from robot_gcrl.errors import BridgeError, ViewerError
from robot_gcrl.viewer.bare import bare_show
from robot_gcrl.viewer.live_robot import LiveRobot
from robot_gcrl.viewer.remote import Remote
from robot_gcrl.viewer.scene import Show

__all__ = ["LiveRobot", "connect_stage"]

# For the first word of a server, before a window is opened [s]
_PATIENCE = 3.0
_LOOK = 0.005


def connect_stage(
    show: Show | None, *, endpoint: str | None, robot: str | None, keys: Path | None
) -> LiveRobot:
    """The robot of a server, after waiting a few seconds for the server's first word.

    Args:
      show: of the policy file that is served; None shows status and goal without a picture.
      endpoint: of the server; None takes the only one of this user on this machine.
      robot: id; None or "*" takes the first that is there, and keeps it.
      keys: folder of keys with an operator's, where the server has some.

    Raises:
      BridgeError: no such server or keys; without a policy file also if nobody answers.
      ViewerError: the server refuses, or serves another contract than that of the policy file.
    """
    security = None if keys is None else ClientSecurity(find_secret(keys, "operator").path)
    contract = None if show is None else show.contract
    remote = Remote(find_server(endpoint), contract, robot, security)
    try:
        _hear_first_word(remote)
        served = _required_contract(remote)
        return LiveRobot(bare_show(served, "no policy file") if show is None else show, remote)
    except BaseException:
        remote.close()
        raise


def _hear_first_word(remote: Remote) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        remote.turn()
        link = remote.link
        if link.trouble or link.rejected is not None or link.welcome is not None:
            return
        time.sleep(_LOOK)


def _required_contract(remote: Remote) -> Contract:
    where, link = remote.endpoint.text, remote.link
    if link.trouble or link.rejected is not None:
        reason = link.trouble or getattr(link.rejected, "text", "")
        raise ViewerError(
            f"The server at {where} does not let the viewer in: {reason}. Expected keys of an "
            "operator that it knows. Give their folder with --keys."
        )
    if remote.mismatch:
        raise ViewerError(
            f"The server at {where} serves another contract than the policy file: "
            f"{remote.mismatch}. Expected the same. Give the policy that is served, or none."
        )
    if remote.contract is None:
        raise BridgeError(
            f"No policy server answered at {where} within {_PATIENCE:g} s. Expected one, since "
            "without a policy file the robot's contract comes from it. Start it with robot-gcrl "
            "serve NAME.policy, or name the policy file."
        )
    return remote.contract
