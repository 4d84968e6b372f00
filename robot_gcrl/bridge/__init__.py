"""Between a policy and a robot's motors: server, client, guard; NumPy, pyzmq and msgpack alone.

What a robot's or an operator's program needs stands in `__all__`; a name loads its module when it
is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robot_gcrl.bridge.client import RobotClient
    from robot_gcrl.bridge.endpoint import find_server, parse_endpoint
    from robot_gcrl.bridge.guard import Guard, Tick, fit
    from robot_gcrl.bridge.operator import OperatorClient
    from robot_gcrl.bridge.pacing import Pacer
    from robot_gcrl.bridge.profile import Profile
    from robot_gcrl.bridge.profile_file import load_profile
    from robot_gcrl.bridge.security import ClientSecurity

__all__ = [
    "ClientSecurity",
    "Guard",
    "OperatorClient",
    "Pacer",
    "Profile",
    "RobotClient",
    "Tick",
    "find_server",
    "fit",
    "load_profile",
    "parse_endpoint",
]

_HOME = {
    "ClientSecurity": "security",
    "Guard": "guard",
    "OperatorClient": "operator",
    "Pacer": "pacing",
    "Profile": "profile",
    "RobotClient": "client",
    "Tick": "guard",
    "find_server": "endpoint",
    "fit": "guard",
    "load_profile": "profile_file",
    "parse_endpoint": "endpoint",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'robot_gcrl.bridge' has no attribute {name!r}")
    return getattr(importlib.import_module(f"robot_gcrl.bridge.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
