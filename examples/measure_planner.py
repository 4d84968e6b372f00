"""Success of a policy in a maze, alone and under the planner of planner.py, by goal cell.

    python examples/measure_planner.py RUN [--episodes 512] [--ahead 5] [--cells 4 7 11]

All episodes run in one compiled program: the planner is a table there, of the waypoint for each
cell that the robot may be in and each goal.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from planner import next_waypoint

from robot_gcrl.policy.maze import maze_map
from robot_gcrl.policy.runtime.maze import MazeMap
from robot_gcrl.train.assess import restore_policy
from robot_gcrl.train.evaluate import evaluation_key, make_worlds, wilson

_WORLDS = 256


def waypoints(maze: MazeMap, goals: np.ndarray, ahead: float) -> np.ndarray:
    """[F, K, 2]: where to go from each of F free cells' centers for each of K goals [m]."""
    return np.array(
        [[next_waypoint(maze, here, goal, ahead) for goal in goals] for here in maze.free_centers]
    )


def together(
    rows: Mapping[str, Sequence[np.ndarray]], ends: Sequence[int]
) -> dict[str, list[np.ndarray]]:
    """The rows "(x, y) N cells" put together by N, up to each end, least first; others stay.

    What is beyond the last end is a group of its own.
    """
    least, found = 1, {}
    for end in sorted({*ends, max(map(_cells_of, rows))}):
        some = [row for name, row in rows.items() if least <= _cells_of(name) <= end]
        if some:
            goals = f"{least} to {end} cells of way, {len(some)} goals"
            found[goals] = [np.concatenate(column) for column in zip(*some, strict=True)]
        least = end + 1
    return found | {name: list(row) for name, row in rows.items() if not _cells_of(name)}


def _cells_of(name: str) -> int:
    """N; 0 of a row that is of no cell."""
    found = re.search(r"(\d+) cells?$", name)
    return int(found[1]) if found else 0


def main() -> int:
    """Prints a table in Markdown."""
    parser = argparse.ArgumentParser(description="Measures a policy under a planner.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--episodes", type=int, default=512)
    parser.add_argument("--ahead", type=float, default=5.0)
    parser.add_argument(
        "--cells", type=int, nargs="+", help="goals together whose way has up to so many cells"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    task, agent, state, _ = restore_policy(options.run, "best", options.seed)
    maze = maze_map(task)
    if maze is None or task.contract.goal_size != 2:
        sys.stderr.write(
            f"{options.run} is a run of {task.name}. Expected a maze whose goals are x, y.\n"
        )
        return 2
    env = make_worlds(task, engine="native", goals="eval", worlds=_WORLDS)
    places = maze.free_centers
    table = waypoints(maze, places, options.ahead)

    def episodes(key: jax.Array, planned: bool) -> tuple[jax.Array, jax.Array]:
        start_key, step_key = jax.random.split(key)
        worlds = env.init(start_key)
        goal = worlds.goal
        cell = jnp.linalg.norm(goal[:, None] - places, axis=-1).argmin(1)

        def step(carry: tuple, i: jax.Array) -> tuple[tuple, None]:
            worlds, queue, reached, over = carry
            here = jnp.linalg.norm(env.achieved(worlds)[:, None] - places, axis=-1).argmin(1)
            told = jnp.asarray(table)[here, cell] if planned else goal
            # Near the last waypoint the goal itself, which need not be the center of its cell
            told = jnp.where((cell == here)[:, None], goal, told)
            observation = env.observation(worlds)
            action, queue = agent.command(
                state, observation, told * task.contract.goal_scale, queue, None
            )
            worlds = env.step(worlds, action, jax.random.fold_in(step_key, i))
            reached |= env.success(worlds) & ~over
            # One episode of each world counts
            return (worlds._replace(goal=goal), queue, reached, over | worlds.ended), None

        never = jnp.zeros(_WORLDS, bool)
        carry = (worlds, agent.served_queue(_WORLDS), never, never)
        (_, _, reached, _), _ = jax.lax.scan(step, carry, jnp.arange(task.episode_length))
        return reached, goal

    run = jax.jit(episodes, static_argnames="planned")
    rows: dict[str, list[np.ndarray]] = {}
    for planned in (False, True):
        found = [
            jax.device_get(run(jax.random.fold_in(evaluation_key(options.seed), i), planned))
            for i in range(-(-options.episodes // _WORLDS))
        ]
        reached, goal = (
            np.concatenate(column)[: options.episodes] for column in zip(*found, strict=True)
        )
        labels = np.asarray(task.regions.label(goal))
        for i, name in enumerate(task.regions.names):
            if (labels == i).any():
                rows.setdefault(name, []).append(reached[labels == i])
        rows.setdefault("all", []).append(reached)
    lines = [f"| goals of `{task.name}` | episodes | alone | waypoints {options.ahead:g} m ahead |"]
    lines += ["|---|---|---|---|"]
    shown = rows if options.cells is None else together(rows, options.cells)
    for name, (alone, led) in shown.items():
        lines.append(f"| {name} | {len(alone)} | {_said(alone)} | {_said(led)} |")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _said(reached: np.ndarray) -> str:
    rate = wilson(float(reached.sum()), len(reached))
    low, high = rate["ci95"]
    return f"{rate['mean']:.1%} ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    sys.exit(main())
