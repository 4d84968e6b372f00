"""The commands: one frozen dataclass each, whose fields are the options and whose `run` does it.

A command imports its module when it runs, so that no other command waits for it, and a robot's
computer needs neither JAX nor MuJoCo for those that it can run. Names of two words are those of a
group: `robot-gcrl bridge ping`.
"""

from robot_gcrl.commands.base import DONE, USER_ERROR, Command
from robot_gcrl.commands.datasets import Dataset
from robot_gcrl.commands.gating import BenchServe, Controller, Gate
from robot_gcrl.commands.measuring import BenchPhysics
from robot_gcrl.commands.operating import BridgeDoctor, Clear, Goal, Keys, Ping, Stop
from robot_gcrl.commands.policies import Critic, Export, Verify
from robot_gcrl.commands.recordings import BridgeReplay, BridgeStats
from robot_gcrl.commands.serving import Serve
from robot_gcrl.commands.sweeping import Sweep
from robot_gcrl.commands.training import (
    Check,
    Distill,
    Doctor,
    Evaluate,
    Plot,
    Runs,
    RunsCompare,
    Tasks,
    Train,
)
from robot_gcrl.commands.viewing import View

COMMANDS: dict[str, type[Command]] = {
    "tasks": Tasks,
    "check": Check,
    "train": Train,
    "dataset": Dataset,
    "distill": Distill,
    "evaluate": Evaluate,
    "plot": Plot,
    "sweep": Sweep,
    "runs": Runs,
    "runs compare": RunsCompare,
    "view": View,
    "export": Export,
    "verify": Verify,
    "critic": Critic,
    "serve": Serve,
    "controller": Controller,
    "goal": Goal,
    "stop": Stop,
    "clear": Clear,
    "keys": Keys,
    "bridge ping": Ping,
    "bridge stats": BridgeStats,
    "bridge replay": BridgeReplay,
    "bridge doctor": BridgeDoctor,
    "gate": Gate,
    "bench physics": BenchPhysics,
    "bench serve": BenchServe,
    "doctor": Doctor,
}

__all__ = ["COMMANDS", "DONE", "USER_ERROR", "Command", "Train"]
