"""Simulations in this process, as the command line would run them."""

import importlib

from robot_gcrl.bridge.endpoint import Endpoint
from robot_gcrl.policy.runtime import PolicyFile

# By name: the room's files lie where type checkers do not look for them
sim = importlib.import_module("robot_gcrl.controllers.sim")
sim_options = importlib.import_module("robot_gcrl.controllers.sim_options")
sim_run = importlib.import_module("robot_gcrl.controllers.sim_run")


def run(file: PolicyFile, endpoint: Endpoint, words: str, *, goes_on=lambda: True) -> dict:
    """What `robot-gcrl controller sim` comes to with these options."""
    options = sim_options.parse(["--policy", str(file.path), *words.split()])
    world = sim.World(file, options.robots, options.randomize)
    return sim_run.simulate(options, file, world, endpoint, goes_on)
