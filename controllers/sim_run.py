"""The loop of the simulated robots: episodes, reports, commands, physics, one control step each."""

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from robot_gcrl.bridge.certificates import find_secret
from robot_gcrl.bridge.endpoint import Endpoint
from robot_gcrl.bridge.pacing import Pacer
from robot_gcrl.bridge.rules import deadlines
from robot_gcrl.bridge.security import ClientSecurity
from robot_gcrl.contract.observe import Report
from robot_gcrl.policy.runtime import PolicyFile

from .sim_clock import Clock
from .sim_episodes import Schedule
from .sim_exchange import ask, connect, listen
from .sim_goals import Goals, Order
from .sim_options import Options
from .sim_result import LiveLine
from .sim_robot import Robot, make_robots

GoesOn = Callable[[], bool]


@runtime_checkable
class World(Protocol):
    """What steps the robots; see controllers/sim.py."""

    report: Report
    inputs: np.ndarray
    diverged: np.ndarray
    position: np.ndarray
    velocity: np.ndarray

    def draw(self, robot: int, seed: Sequence[int]) -> None:
        """Draws how the robot departs in its next episode."""
        ...

    def told(self, robot: int, goal: np.ndarray) -> np.ndarray:
        """The goal [G] that the robot is told in that episode."""
        ...

    def place(self, robot: int, qpos: np.ndarray, qvel: np.ndarray) -> None:
        """Puts a robot at a start."""
        ...

    def step(self, moves: np.ndarray, ctrl: np.ndarray) -> None:
        """One control step."""
        ...


def simulate(
    options: Options, file: PolicyFile, world: World, endpoint: Endpoint, goes_on: GoesOn
) -> dict[str, Any]:
    """Plays robots as the options say and returns what happened, ready for JSON.

    Raises:
      RobotGcrlError: a profile or key that does not fit, a robot or goal that the server refuses,
        or in lockstep a server that does not answer.
    """
    goals = None
    if options.episodes:
        keys = options.keys
        own = None if keys is None else ClientSecurity(find_secret(keys, "operator").path)
        goals = Goals(endpoint, file.contract, own)
    run = Run(options, file, world, endpoint, goals)
    try:
        run.loop(goes_on)
    finally:
        run.finish()
    return run.result()


class Run:
    """Robots in a world, until they have done their episodes or shall not go on."""

    def __init__(
        self,
        options: Options,
        file: PolicyFile,
        world: World,
        endpoint: Endpoint,
        goals: Goals | None,
    ) -> None:
        """Places the robots and connects them in the background."""
        self._options, self._file, self._world, self._goals = options, file, world, goals
        self._schedule = Schedule(options, file)
        self._period = deadlines(file.contract.control_dt).period
        self._clock = Clock(math.inf if options.lockstep else options.speed)
        self._steps = self._missed = 0
        for i in range(options.robots):
            self._draw(i, options.first + i)
            world.place(i, *self._schedule.start(options.first + i))
        self._robots = make_robots(
            options, file, endpoint, self._clock, world.position, world.velocity
        )

    def loop(self, goes_on: GoesOn) -> None:
        """Runs."""
        live = LiveLine(self._robots)
        speed, end = self._options.speed, self._options.seconds / self._file.contract.control_dt
        pacer = None if math.isinf(speed) else Pacer(round(self._period / speed))
        while goes_on() and self._steps < end:
            if self._goals is not None:
                begun = len(self._running())
                if not self._begin_episodes(self._goals, goes_on):
                    break
                if pacer is not None and len(self._running()) != begun:
                    pacer.restart()  # what an operator needs for goals is no robot's delay
            if self._steps == self._options.pause:
                _pause(self._steps)
            if pacer is not None:
                self._missed += pacer.wait().missed
            if not self._step(goes_on):
                break
            live.update(self._steps, len(self._schedule.over))
        live.end()

    def finish(self) -> None:
        """Says bye for all robots."""
        for robot in self._robots:
            robot.finish("the simulation ends")

    def result(self) -> dict[str, Any]:
        """What happened, ready for JSON; episodes in the order of their scenarios."""
        options = self._options
        episodes = sorted(self._schedule.over, key=lambda episode: episode.scenario)
        served = {robot.client.policy for robot in self._robots} - {""}
        return {
            "policy": ", ".join(sorted(served)) or "no server",
            "control_dt": self._file.contract.control_dt,
            "lockstep": options.lockstep,
            "delay": options.delay,
            "jitter": options.jitter,
            "drop": options.drop,
            "randomize": options.randomize,
            "seed": options.seed,
            "scenarios": options.scenarios,
            "steps": self._steps,
            "missed_ticks": self._missed,
            "episodes": [episode.to_json() for episode in episodes],
            "robots": [robot.to_json() for robot in self._robots],
        }

    def _running(self) -> list[Robot]:
        return [robot for robot in self._robots if robot.episode is not None]

    def _begin_episodes(self, goals: Goals, goes_on: GoesOn) -> bool:
        """Begins episodes where none runs; whether there is one."""
        reports = self._reports()
        if not self._steps and not connect([r.client for r in self._robots], reports, goes_on):
            return False
        begun, orders = [], []
        for robot, report in zip(self._robots, reports, strict=True):
            if robot.episode is not None or robot.is_done:
                continue
            if self._schedule.is_used_up:
                robot.finish("its episodes are over")
                continue
            scenario, name = self._schedule.next(), robot.client.link.robot
            episode = self._schedule.episode(scenario, robot=name, step=self._steps)
            begun.append((robot, episode))
            self._draw(robot.index, scenario)
            goal = self._world.told(robot.index, episode.goal)
            orders.append(Order(robot.client, report, goal))
        if not goals.set(orders, goes_on):
            return False
        for robot, episode in begun:
            # Placed when the session stands: the ramp of the handshake does not reach the episode
            self._place(robot, episode.scenario)
            robot.episode = episode
        return bool(self._running())

    def _draw(self, index: int, scenario: int) -> None:
        self._world.draw(index, (self._options.seed, scenario))

    def _place(self, robot: Robot, scenario: int) -> None:
        i = robot.index
        self._world.place(i, *self._schedule.start(scenario))
        robot.place(self._world.position[i], self._world.velocity[i], scenario)

    def _reports(self) -> list[Callable[[], int]]:
        """What each robot sends now."""
        report = self._world.report
        inputs = self._world.inputs
        return [
            lambda robot=robot, i=robot.index: robot.report(inputs[i], report.qpos[i])
            for robot in self._robots
        ]

    def _step(self, goes_on: GoesOn) -> bool:
        """One control step; False if it was told not to go on."""
        robots = [robot for robot in self._robots if not robot.is_done]
        if not self._exchange(robots, goes_on):
            return False
        world, moves = self._world, np.zeros(len(self._robots), bool)
        ctrl = np.zeros((len(moves), self._file.contract.action_size))
        for robot in robots:
            i = robot.index
            moves[i], ctrl[i] = True, robot.tick(world.position[i], world.velocity[i]).ctrl
        world.step(moves, ctrl)
        self._clock.advance(self._period)
        self._steps += 1
        episodes = [robot.episode for robot in self._robots]
        ended = self._schedule.account(episodes, world.report, world.diverged)
        for robot in robots:
            if not ended[robot.index]:
                continue
            robot.episode = None
            if self._goals is None:
                scenario = self._schedule.next()
                self._draw(robot.index, scenario)
                self._place(robot, scenario)
        return True

    def _exchange(self, robots: list[Robot], goes_on: GoesOn) -> bool:
        """Reports, and what comes of them by the time of this step; False if told to end."""
        every = self._reports()
        reports = [every[robot.index] for robot in robots]
        if self._options.lockstep:
            # One after the other: how many robots the server computes at once, and so the last bit
            # of what it computes, does not depend on the machine
            for robot, report in zip(robots, reports, strict=True):
                answer = ask(robot.client, report, goes_on)
                if answer is None:
                    return False
                robot.hear(answer.report_ns, [answer])
            return True
        stamps = [report() for report in reports]
        patience = round(self._period / self._options.speed / 2)
        answers = listen([robot.client for robot in robots], stamps, patience)
        for robot, stamp, came in zip(robots, stamps, answers, strict=True):
            robot.hear(stamp, came)
        return True


def _pause(step: int) -> None:
    sys.stderr.write(f"paused before control step {step}; a line on standard input goes on\n")
    sys.stderr.flush()
    sys.stdin.readline()
