"""What stands between a command and a motor, on the robot's side: limits, watchdog, safe stop."""

from robot_gcrl.bridge.guard.events import Cause, Command, Counters, State, Stop, Verdict
from robot_gcrl.bridge.guard.fit import fit, profile_differences
from robot_gcrl.bridge.guard.guard import Guard, Tick
from robot_gcrl.bridge.guard.limits import AxisLimits, Limits
from robot_gcrl.bridge.guard.motion import Clips

__all__ = [
    "AxisLimits",
    "Cause",
    "Clips",
    "Command",
    "Counters",
    "Guard",
    "Limits",
    "State",
    "Stop",
    "Tick",
    "Verdict",
    "fit",
    "profile_differences",
]
