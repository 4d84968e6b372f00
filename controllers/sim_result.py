"""What a person sees of simulated robots: a line while they run, a table at the end."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from .sim_robot import Robot, quantiles_ms

_INTERVAL = 1.0  # [s]
_PLAIN_INTERVAL = 10.0  # where stderr is no terminal [s]
_ROWS = 64  # robots that the table lists


class LiveLine:
    """Control steps per second, age, states and distance, renewed on stderr."""

    def __init__(self, robots: Sequence[Robot]) -> None:
        """Shows nothing yet."""
        self._robots = robots
        self._tty = sys.stderr.isatty()
        self._interval = _INTERVAL if self._tty else _PLAIN_INTERVAL
        self._shown, self._steps = time.monotonic(), 0

    def update(self, steps: int, episodes: int) -> None:
        """Shows the line when it is time to.

        Args:
          steps: control steps that are over.
          episodes: likewise.
        """
        now = time.monotonic()
        if now - self._shown < self._interval:
            return
        rate = (steps - self._steps) / (now - self._shown)
        self._shown, self._steps = now, steps
        text = f"step {steps}, {rate:.0f} steps/s, {self._states()}"
        text += f", {episodes} episodes" if episodes else ""
        # \x1b[K: what is left of a longer line before
        sys.stderr.write(f"\r{text}\x1b[K" if self._tty else f"{text}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """Leaves the last line standing."""
        sys.stderr.write("\n" if self._tty else "")

    def _states(self) -> str:
        robots = [robot for robot in self._robots if not robot.is_done]
        counts = Counter(robot.state for robot in robots)
        parts = [f"{count} {state}" for state, count in sorted(counts.items())]
        age = quantiles_ms([a for robot in robots for a in list(robot.ages_ns)[-20:]])
        parts += [] if age is None else [f"age {age['median']:.1f} ms"]
        distances = [r.client.distance for r in robots if r.client.goal is not None]
        parts += [f"distance {np.mean(distances):.3f}"] if distances else []
        refused = {r.client.link.rejected_by for r in robots} - {None}
        return ", ".join(parts + [f"refused: {reject.text}" for reject in refused if reject])


def format_result(result: dict[str, Any]) -> str:
    """The result of a simulation as lines for a terminal."""
    lines = [
        f"{result['policy']}, {len(result['robots'])} robots, {result['steps']} control steps of "
        f"{result['control_dt']:g} s" + (", in lockstep" if result["lockstep"] else "")
    ]
    if result["episodes"]:
        lines.append(_successes(result["episodes"]))
    lines.append(
        f"{'robot':16} {'state':8} {'reports':>8} {'commands':>8} {'old':>6} {'holds':>6} "
        f"{'stops':>6} {'clips: bounds':>14} {'velocity':>8} {'accel.':>8} {'margin':>8} "
        f"{'age':>9} {'p99':>9}"
    )
    lines += [_row(robot) for robot in result["robots"][:_ROWS]]
    rest = len(result["robots"]) - _ROWS
    lines += [f"... and {rest} more"] * (rest > 0)
    if result["missed_ticks"]:
        lines.append(f"{result['missed_ticks']} control steps came too late and were left out")
    return "\n".join(lines)


def _successes(episodes: Sequence[dict[str, Any]]) -> str:
    count = len(episodes)
    reached = sum(episode["success_any"] for episode in episodes)
    final = sum(episode["success_final"] for episode in episodes)
    at_goal = sum(episode["time_at_goal"] for episode in episodes) / count
    return (
        f"{count} episodes: goal reached in {reached}, at the end in {final}, "
        f"{at_goal:.1%} of the time at the goal"
    )


def _row(robot: dict[str, Any]) -> str:
    age = robot["age_ms"]
    ages = f"{'-':>9} {'-':>9}"
    if age is not None:
        ages = f"{age['median']:6.1f} ms {age['p99']:6.1f} ms"
    clips, stops = robot["clips"], robot["link_stops"] + robot["latched_stops"]
    line = (
        f"{robot['robot']:16} {robot['state']:8} {robot['reports']:8} "
        f"{robot['commands']['accepted']:8} {robot['commands']['old']:6} {robot['holds']:6} "
        f"{stops:6} {clips['bounds']:14} {clips['velocity']:8} {clips['acceleration']:8} "
        f"{clips['margin']:8} {ages}"
    )
    return line + (f"  {robot['stop']}" if robot["stop"] else "")
