"""A process in which C MuJoCo plays robots that a policy server commands.

Scene, starts and goals are those of a policy file; no code of the task is needed. What a robot does
with commands is decided by `RobotClient`, as on hardware: limits, watchdog, safe stop. Reports are
of one instant: sensors are brought up to date after each control step.
"""

import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError

from robot_gcrl.bridge.endpoint import find_server
from robot_gcrl.bridge.serve import Ending
from robot_gcrl.contract import Contract
from robot_gcrl.contract.observe import Report, read_inputs
from robot_gcrl.contract.realism import Level
from robot_gcrl.errors import RobotError
from robot_gcrl.policy.departure import Departures
from robot_gcrl.policy.runtime import PolicyFile, read_policy
from robot_gcrl.policy.scene import load_scene

from .sim_options import parse
from .sim_result import format_result
from .sim_run import simulate

_NO_STAGE = mujoco.mjtStage.mjSTAGE_NONE.value
_VELOCITY_STAGE = mujoco.mjtStage.mjSTAGE_VEL.value
_BAD_STATE = (
    mujoco.mjtWarning.mjWARN_BADQPOS.value,
    mujoco.mjtWarning.mjWARN_BADQVEL.value,
    mujoco.mjtWarning.mjWARN_BADQACC.value,
)
# MuJoCo leaves the counter of a world that diverges at 1, and prints a line if it was 0
_UNTOUCHED = 2


def main(arguments: Sequence[str]) -> int:
    """Plays robots until their episodes are over or a signal comes; returns 0.

    Raises:
      RobotGcrlError: the policy cannot be read, no server is found, a robot or goal is refused, or
        in lockstep the server does not answer; or the file of --out cannot be written.
    """
    options = parse(arguments)
    file = read_policy(options.policy)
    endpoint = find_server(options.connect)
    world = World(file, options.robots, options.randomize)
    with Ending() as ending:
        result = simulate(options, file, world, endpoint, lambda: not ending.is_set)
    text = json.dumps(result, allow_nan=False)
    sys.stdout.write((text if options.json else format_result(result)) + "\n")
    if options.out is not None:
        _write(options.out, text)
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    except OSError as error:
        raise RobotError(
            f"Cannot write {str(path)!r}: {error.strerror}. Expected a file in a folder that can "
            "be written to. Change --out."
        ) from error


class World:
    """N robots in C MuJoCo, each in a scene of its own.

    Between control steps the state is held as float32, as by the engine that trains and evaluates
    in C MuJoCo: the same commands give the same episode, bit for bit.

    Attributes:
      report: what is true of all robots, of one instant.
      inputs: float32 [N, I], what they measure; without realism it is true.
      diverged: bool [N], whose last step failed: they are where they were before it.
      position: float64 [N, A], of the actuated joints, as the robots measure it by themselves: with
        noise and bias, at once; NaN where an actuator drives none.
      velocity: likewise.
    """

    def __init__(self, file: PolicyFile, robots: int, level: Level = "off") -> None:
        """Loads the scene; every robot is still to be placed.

        Raises:
          PolicyError: this version of MuJoCo cannot read the scene, or the file has no such level.
        """
        # MuJoCo would write MUJOCO_LOG.TXT into the user's folder for each world that diverges
        log = mujoco.MjLogConfig.get()
        log.logto_file = False
        log.set()
        model = load_scene(file)
        self._batch = Batch(model, robots, min(robots, os.cpu_count() or 1))
        self._qpos, self._qvel = self._batch.bind("qpos"), self._batch.bind("qvel")
        self._ctrl, self._sensordata = self._batch.bind("ctrl"), self._batch.bind("sensordata")
        self._file = file
        self._substeps, self._actuators = file.simulation.substeps, file.layout.actuators
        departures = None if level == "off" else Departures(file, model, level)
        self._departing = [departures.robot() for _ in range(robots)] if departures else []
        self._fields = (
            {name: self._batch.expand(name) for name in departures.variants} if departures else {}
        )
        joints = [None if j is None else model.joint(j) for j in file.contract.action.joints]
        self._driven = np.array([joint is not None for joint in joints])
        self._at_qpos = np.array([0 if j is None else int(j.qposadr[0]) for j in joints])
        self._at_qvel = np.array([0 if j is None else int(j.dofadr[0]) for j in joints])
        self._encoders, self._speedometers = _instruments(file.contract)
        self.diverged = np.zeros(robots, bool)
        self._measure()
        self.inputs = read_inputs(file.layout, self.report)
        self._errors = np.zeros_like(self.inputs)
        self._read_joints()

    def draw(self, robot: int, seed: Sequence[int]) -> None:
        """Draws how a robot departs from the scene in its next episode."""
        if self._departing:
            self._departing[robot].draw(seed)

    def told(self, robot: int, goal: np.ndarray) -> np.ndarray:
        """The goal [G] that the robot is told instead of `goal` in the episode that was drawn."""
        return self._departing[robot].told(goal) if self._departing else goal

    def place(self, robot: int, qpos: np.ndarray, qvel: np.ndarray) -> None:
        """Puts a robot at a start, blank in all that is not position or velocity."""
        self._batch.reset([robot], stage=_NO_STAGE)
        if self._departing:
            qpos = self._departing[robot].place(qpos)
            for name, value in self._departing[robot].fields.items():
                self._fields[name][robot] = value
            self._batch.set_const([robot])
        self._qpos[robot], self._qvel[robot] = qpos, qvel
        self._batch.forward([robot], _VELOCITY_STAGE)
        self._measure()
        true = read_inputs(self._file.layout, self.report)
        if self._departing:
            self._departing[robot].begin(true[robot])
            self._show(robot)
        else:
            self.inputs = true
        self._read_joints()

    def step(self, moves: np.ndarray, ctrl: np.ndarray) -> None:
        """One control step of the robots of the mask `moves` [N], under ctrl [N, A]."""
        batch, before = self._batch, (self._batch.state.copy(), self.report)
        batch.warning[:, _BAD_STATE, 1] = _UNTOUCHED
        failed = np.zeros_like(self.diverged)
        self._advance(moves, ctrl, failed)
        failed |= (batch.warning[:, _BAD_STATE, 1] != _UNTOUCHED).any(-1)
        self._measure()
        self.diverged = failed | ~np.isfinite(batch.state).all(-1)
        if self.diverged.any():
            batch.state[self.diverged] = before[0][self.diverged]
            self._measure()
            for new, old in zip(self.report, before[1], strict=True):
                new[self.diverged] = old[self.diverged]
        self._see(moves)
        self._read_joints()

    def _advance(self, moves: np.ndarray, ctrl: np.ndarray, failed: np.ndarray) -> None:
        """All substeps; under realism commands come into force within them."""
        commands = {}
        for i in np.flatnonzero(moves) if self._departing else ():
            commands[i] = self._departing[i].send(ctrl[i])
            self._qvel[i] = self._departing[i].kick(self._qvel[i])
        held = {i: int(command.substeps) for i, command in commands.items()}
        self._ctrl[:, self._actuators] = ctrl
        for i, command in commands.items():
            self._ctrl[i, self._actuators] = command.held
        done = 0
        for change in (*sorted(set(held.values())), self._substeps):
            if done < change:
                try:
                    self._batch.step(moves, change - done, _VELOCITY_STAGE)
                except SimulationError as error:
                    failed[error.ids] = True
                done = change
            for i in (i for i, substeps in held.items() if substeps == change):
                self._ctrl[i, self._actuators] = commands[i].ctrl

    def _see(self, moves: np.ndarray) -> None:
        true = read_inputs(self._file.layout, self.report)
        if not self._departing:
            self.inputs = true
            return
        for i in np.flatnonzero(moves):
            self._departing[i].see(true[i])
            self._show(int(i))

    def _show(self, robot: int) -> None:
        departure = self._departing[robot]
        self.inputs[robot], self._errors[robot] = departure.shown, departure.error

    def _measure(self) -> None:
        with np.errstate(over="ignore"):
            self._batch.state[:] = self._batch.state.astype(np.float32)
            self.report = Report(
                *(v.astype(np.float32) for v in (self._qpos, self._qvel, self._sensordata))
            )

    def _read_joints(self) -> None:
        """What the guards see: a robot's own instruments, to which no link belongs."""
        self.position = np.where(self._driven, self._qpos[:, self._at_qpos], math.nan)
        self.velocity = np.where(self._driven, self._qvel[:, self._at_qvel], math.nan)
        if self._departing:
            columns = np.maximum((self._encoders, self._speedometers), 0)
            self.position += np.where(self._encoders < 0, 0.0, self._errors[:, columns[0]])
            self.velocity += np.where(self._speedometers < 0, 0.0, self._errors[:, columns[1]])


def _instruments(contract: Contract) -> tuple[np.ndarray, np.ndarray]:
    """Int [A] twice: the inputs that are position and velocity of each actuator's joint, or -1."""
    at = {entry: i for i, entry in enumerate(contract.inputs)}
    joints = [str(joint) for joint in contract.action.joints]
    encoders, speedometers = (
        np.array([at.get((source, joint, 0), -1) for joint in joints])
        for source in ("qpos", "qvel")
    )
    return encoders, speedometers


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
