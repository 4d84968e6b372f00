"""One simulated robot: its client, its link, and what became of its reports and commands."""

import dataclasses
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from robot_gcrl.bridge.certificates import SECRET_SUFFIX
from robot_gcrl.bridge.client import Answer, RobotClient
from robot_gcrl.bridge.endpoint import Endpoint
from robot_gcrl.bridge.guard import Tick
from robot_gcrl.bridge.profile_file import load_profile
from robot_gcrl.bridge.security import ClientSecurity
from robot_gcrl.policy.runtime import PolicyFile

from .sim_channel import Channel
from .sim_clock import Clock
from .sim_episodes import Episode
from .sim_options import Options

_AGES = 100_000  # the newest, of which quantiles are told


class Robot:
    """A simulated robot.

    Attributes:
      client: of the bridge.
      episode: that it is in, or None.
      state: of the guard, as of the last tick.
      is_done: whether it has said bye.
    """

    def __init__(
        self,
        index: int,
        client: RobotClient,
        clock: Callable[[], int],
        make_channel: Callable[[int], Channel],
    ) -> None:
        """At rest, before its first episode.

        Args:
          index: row of the world.
          client: of the bridge.
          clock: of the client.
          make_channel: its link in an episode of this scenario.
        """
        self.index, self.client = index, client
        self.episode: Episode | None = None
        self.state = "waiting"
        self.is_done = False
        self.ages_ns: deque[int] = deque(maxlen=_AGES)
        self._clock = clock
        self._make_channel = make_channel
        self._channel = make_channel(index)
        self._begins = True
        self._session = self._sessions = self._reports = 0
        self._codes: Counter[str] = Counter()
        self._summary: dict[str, Any] | None = None

    def place(self, position: np.ndarray, velocity: np.ndarray, scenario: int) -> None:
        """The robot was put at a start: what was under way belongs to another episode.

        A stop for a fault of the robot that stood here before ends; an operator's does not.
        """
        latched = self.client.guard.latched
        if latched is not None and latched.cause != "operator":
            self.client.guard.clear(self._clock())
        self.client.place(position, velocity)
        self._channel = self._make_channel(scenario)
        self._begins = True

    def report(self, inputs: np.ndarray, pose: np.ndarray) -> int:
        """Reports, or says hello where there is no session; the stamp [ns]."""
        return self.client.report(inputs, pose=pose, reset=self._begins)

    def hear(self, stamp: int, answers: Sequence[Answer]) -> None:
        """What came in this control step goes through the channel to the guard."""
        self._begins = False
        self._reports += 1
        self._channel.report(stamp)
        for answer in answers:
            self._codes[answer.code.name] += 1
            self._channel.put(answer)
        for answer in self._channel.take():
            self.client.accept(answer)
        session = self.client.link.session
        self._sessions += session not in (0, self._session)
        self._session = session

    def tick(self, position: np.ndarray, velocity: np.ndarray) -> Tick:
        """What to write to the motors now."""
        tick = self.client.tick(position, velocity)
        self.state = tick.state
        if tick.report_ns is not None and tick.state == "run":
            self.ages_ns.append(self._clock() - tick.report_ns)
        if self.episode is not None:
            self.episode.ramped += tick.state == "run" and tick.ramp < 1.0
            if self.episode.first_ctrl is None:
                self.episode.first_ctrl = tick.ctrl.tolist()
        return tick

    def finish(self, reason: str) -> None:
        """Says bye, once."""
        if not self.is_done:
            self._summary, self.is_done = self.to_json(), True
            self.client.close(reason)

    def to_json(self) -> dict[str, Any]:
        """What happened; from before the bye, which is a link stop too."""
        if self._summary is not None:
            return self._summary
        link, guard = self.client.link, self.client.guard
        counters = dataclasses.asdict(guard.counters)
        limits = ("bounds", "velocity", "acceleration", "margin")
        stops = ("holds", "link_stops", "latched_stops")
        return {
            "robot": link.robot,
            "state": self.state,
            "stop": str(guard.latched or guard.link_stop or ""),
            "sessions": self._sessions,
            "reports": self._reports,
            "answers": dict(self._codes),
            "commands": {k: v for k, v in counters.items() if k not in (*limits, *stops)},
            "clips": {k: counters[k] for k in limits},
            **{k: counters[k] for k in stops},
            "unsent": link.unsent,
            "refused": self.client.refused + link.bad + link.fenced,
            "age_ms": quantiles_ms(self.ages_ns),
        }


def make_robots(
    options: Options,
    file: PolicyFile,
    endpoint: Endpoint,
    clock: Clock,
    position: np.ndarray,
    velocity: np.ndarray,
) -> list[Robot]:
    """Robots that are at `position` [N, A], with a client each that connects in the background.

    Raises:
      RobotGcrlError: a profile that does not fit, or a key that is missing.
    """
    profile = load_profile(options.profile or file.contract.robot)

    def make_channel(scenario: int) -> Channel:
        return Channel(
            delay=options.delay,
            jitter=options.jitter,
            drop=options.drop,
            seed=(options.seed, scenario),
        )

    robots = []
    for i in range(options.robots):
        name, keys = f"{options.name or file.contract.robot}{i}", options.keys
        client = RobotClient(
            file.contract,
            profile,
            robot=name,
            endpoint=endpoint,
            position=position[i],
            velocity=velocity[i],
            pose_size=file.simulation.nq,
            security=None if keys is None else ClientSecurity(keys / (name + SECRET_SUFFIX)),
            clock=clock,
        )
        robots.append(Robot(i, client, clock, make_channel))
    return robots


def quantiles_ms(values_ns: Sequence[int]) -> dict[str, float] | None:
    """Median, 99% quantile and greatest [ms], or None of nothing."""
    if not values_ns:
        return None
    median, high = np.percentile(np.array(values_ns), (50, 99)) / 1e6
    return {"median": float(median), "p99": float(high), "max": max(values_ns) / 1e6}
