"""`robot-gcrl gate`: the exported file in a simulation over real sockets, against one program.

Every row runs the same episodes, the first of the file's eval scenarios, so that differences are
paired. In lockstep simulated time waits for commands: what a row comes to follows from file and
seed, not from the machine; the last row runs in real time.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from robot_gcrl.bridge.children import ending_on_signals
from robot_gcrl.bridge.profile_file import load_profile
from robot_gcrl.contract.realism import LEVELS, Level
from robot_gcrl.errors import ConfigError
from robot_gcrl.gate.episodes import Episodes, summary
from robot_gcrl.gate.paired import rate_difference
from robot_gcrl.gate.reference import run_in_process
from robot_gcrl.gate.rows import Bridge, Crossing, Row, make_rows
from robot_gcrl.gate.verdict import judge, remarks
from robot_gcrl.physics.make import make_engine
from robot_gcrl.policy.runtime import PolicyFile, make_runtime, read_policy
from robot_gcrl.policy.runtime.file import NUM_SCENARIOS
from robot_gcrl.policy.runtime.make import RuntimeName
from robot_gcrl.policy.scene import load_scene
from robot_gcrl.train.evaluate import mean_interval


def run_gate(
    policy: Path,
    *,
    episodes: int = 512,
    robots: int = 64,
    delays: tuple[int, ...] = (0, 1, 2, 4),
    jitters: tuple[int, ...] = (2,),
    drops: tuple[float, ...] = (0.01, 0.05, 0.2),
    restart: bool = True,
    realtime_episodes: int = 20,
    engine: str = "auto",
    runtime: RuntimeName = "auto",
    randomize: Level = "off",
    profile: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Runs the episodes in one program and over the bridge, row by row.

    Args:
      policy: file that `robot-gcrl export` wrote.
      episodes: of each row in lockstep.
      robots: in the simulation, which take turns at the episodes.
      delays: a row each: control steps by which commands come later. Zero is always there.
      jitters: a row each: greatest number of further steps, at random.
      drops: a row each: share of commands that are lost.
      restart: whether there is a row in which the server is killed and started anew.
      realtime_episodes: with one robot and time that passes by itself; 0 leaves the row out.
      engine: what steps the worlds of the one program.
      runtime: that computes the policy on both sides.
      randomize: level of realism up to which each has a row; the reference is without.
      profile: of the simulated robots, a name or a file; None is the contract's robot.
      seed: of jitter, drops and realism.

    Returns:
      "reference", "rows" (each with its rates, its paired differences from the reference and its
      counts), "verdict" and "remarks", ready for JSON.

    Raises:
      RobotGcrlError: a file that cannot be read, a number out of range, a profile that does not
        exist, or a process that fails.
    """
    _check(episodes, robots, realtime_episodes)
    file = read_policy(policy)
    levels = _levels(file, randomize)
    load_profile(profile or file.contract.robot)  # what the robots would refuse, before minutes
    computes = make_runtime(file, runtime)
    robots = min(robots, episodes)
    stepper = make_engine(
        engine,
        load_scene(file),
        num_worlds=robots,
        substeps=file.simulation.substeps,
        overlap=False,
    )
    _say(f"in process: {episodes} episodes")
    reference = run_in_process(file, computes, stepper, episodes=episodes)
    result = {
        "policy": str(policy),
        "sha256": file.sha256,
        "task": file.contract.name,
        "engine": stepper.name,
        "runtime": computes.name,
        "episodes": episodes,
        "robots": robots,
        "seed": seed,
        "reference": summary(reference),
    }
    rows = make_rows(
        delays=delays,
        jitters=jitters,
        drops=drops,
        restart=restart,
        real_time=bool(realtime_episodes),
        levels=levels,
    )
    with (
        ending_on_signals(),
        tempfile.TemporaryDirectory(prefix="gate-") as folder,
    ):
        bridge = Bridge(policy, Path(folder), runtime=computes.name, seed=seed, profile=profile)
        try:
            result["rows"] = [
                _row(file, bridge, row, reference, robots, realtime_episodes) for row in rows
            ]
        finally:
            bridge.close()
    result["verdict"] = judge(result["reference"]["success_any"], result["rows"][0])
    result["remarks"] = remarks(result["rows"])
    return result


def compare(file: PolicyFile, row: Row, reference: Episodes, crossing: Crossing) -> dict[str, Any]:
    """A row as JSON: its rates, and its differences from the same episodes of the reference."""
    episodes = crossing.episodes
    same = reference.first(len(episodes.reached))
    at_once = not (row.delay or row.jitter or row.drop or row.randomize != "off")
    scale = np.abs(np.array(file.contract.action.scale))
    first = np.abs(episodes.first_ctrl - same.first_ctrl) / scale
    return {
        "name": row.name,
        "delay": row.delay,
        "jitter": row.jitter,
        "drop": row.drop,
        "restarts": row.restarts,
        "is_real_time": row.is_real_time,
        "randomize": row.randomize,
        "is_clean": row.is_clean,
        **summary(episodes),
        "difference_any": rate_difference(same.reached, episodes.reached),
        "difference_final": rate_difference(same.final, episodes.final),
        "difference_time_at_goal": mean_interval(episodes.time_at_goal - same.time_at_goal),
        # Where commands come later, the first step has none
        "first_action_difference": float(first.max()) if at_once else None,
        "counts": crossing.counts,
    }


def _row(
    file: PolicyFile,
    bridge: Bridge,
    row: Row,
    reference: Episodes,
    robots: int,
    realtime_episodes: int,
) -> dict[str, Any]:
    count = len(reference.reached)
    length = file.simulation.episode_length
    if row.is_real_time:
        count, robots = min(count, realtime_episodes), 1
    robots = min(robots, count)
    _say(f"{row.name}: {count} episodes")
    rounds = -(-count // robots)
    # Half-way through the episodes that run at half-time
    middle = rounds // 2 * length + length // 2
    crossing = bridge.run(row, episodes=count, robots=robots, restart_at=middle)
    return compare(file, row, reference, crossing)


def _levels(file: PolicyFile, randomize: Level) -> list[Level]:
    if randomize != "off" and randomize not in file.realism:
        known = ", ".join(("off", *file.realism))
        raise ConfigError(
            f"The policy file {file.path} has no realism of the level {randomize!r}. It has: "
            f"{known}. Choose one of these for --randomize."
        )
    wanted: tuple[Level, ...] = LEVELS[1 : LEVELS.index(randomize) + 1]
    return [level for level in wanted if file.realism.get(level)]


def _check(episodes: int, robots: int, realtime_episodes: int) -> None:
    if not 1 <= episodes <= NUM_SCENARIOS or robots < 1 or realtime_episodes < 0:
        raise ConfigError(
            f"The gate was given {episodes} episodes, {robots} robots and {realtime_episodes} "
            f"episodes in real time. Expected 1 to {NUM_SCENARIOS}, at least 1, and at least 0. "
            "Change --episodes, --robots or --realtime-episodes."
        )


def _say(text: str) -> None:
    sys.stderr.write(f"gate, {text}\n")
    sys.stderr.flush()
