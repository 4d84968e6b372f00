"""How much of C MuJoCo's speed is left inside the compiled program.

Physics steps per second of the native engine called from `lax.scan`, beside a bare loop over
`mujoco.batch.Batch` that does nothing but step the same worlds with the same controls, in the same
run, in turn. Figures are medians over repetitions.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from mujoco.batch import Batch

from robot_gcrl.physics.engine import Starts, State
from robot_gcrl.physics.native import NativeEngine
from robot_gcrl.task.registry import load_task
from robot_gcrl.task.task import Task

CONTROL_STEPS = 50


def main() -> None:
    """Prints a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="ant", help="task whose model is stepped")
    parser.add_argument("--worlds", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    task = load_task(options.task)
    rows = [measure(task, worlds, options.repetitions) for worlds in options.worlds]
    if options.json:
        print(json.dumps({"task": options.task, "unit": "physics steps/s", "rows": rows}))
        return
    print(f"{options.task}: physics steps/s, medians of {options.repetitions}")
    print(f"{'worlds':>8}{'bare Batch':>14}{'in program':>14}{'ratio':>8}")
    for row in rows:
        print(f"{row['worlds']:>8}{row['bare']:>14.0f}{row['program']:>14.0f}{row['ratio']:>8.2f}")


def measure(task: Task, worlds: int, repetitions: int) -> dict[str, float]:
    """Medians of both ways to step `worlds` worlds, each from the same state."""
    engine = NativeEngine(task.model, num_worlds=worlds, substeps=task.substeps, overlap=False)
    qpos, qvel = jax.vmap(task.train.start)(jax.random.split(jax.random.key(0), worlds))
    state = jax.jit(lambda q, v: engine.init(q, v, {}))(qpos, qvel)
    low, high = np.array(task.contract.action.low), np.array(task.contract.action.high)
    shape = (CONTROL_STEPS, worlds, task.model.nu)
    # small enough that the robots keep on their feet
    middle, half = (low + high) / 2, (high - low) / 2
    ctrl = middle + 0.3 * half * np.random.default_rng(0).uniform(-1, 1, shape)
    program = _program(engine, state, jnp.asarray(ctrl, jnp.float32))
    bare = _bare(task, worlds, state, ctrl, engine.threads)
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repetitions + 1):  # the first compiles and is not counted
        for run, seconds in zip((bare, program), times, strict=True):
            begin = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - begin)
    steps = CONTROL_STEPS * worlds * task.substeps
    bare_rate, program_rate = (steps / statistics.median(seconds[1:]) for seconds in times)
    ratios = [b / p for b, p in zip(times[0][1:], times[1][1:], strict=True)]
    print(f"{worlds} worlds done", file=sys.stderr)
    return {
        "worlds": worlds,
        "bare": bare_rate,
        "program": program_rate,
        "ratio": statistics.median(ratios),
    }


def _program(engine: NativeEngine, state: State, ctrl: jax.Array) -> Callable[[], None]:
    starts = Starts(jnp.zeros(engine.num_worlds, bool), state.qpos, state.qvel, {})

    @jax.jit
    def rollout(state: State, ctrl: jax.Array) -> State:
        return jax.lax.scan(lambda s, c: (engine.step(s, c, starts), None), state, ctrl)[0]

    def run() -> None:
        rollout(state, ctrl).qpos.block_until_ready()

    return run


def _bare(
    task: Task, worlds: int, state: State, ctrl: np.ndarray, threads: int
) -> Callable[[], None]:
    batch = Batch(task.model, worlds, threads)
    batch.bind("sensordata")
    velocity_stage = mujoco.mjtStage.mjSTAGE_VEL.value

    def run() -> None:
        batch.reset(stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        batch.qpos, batch.qvel = np.asarray(state.qpos), np.asarray(state.qvel)
        for row in ctrl:
            batch.ctrl = row
            batch.step(nstep=task.substeps, stage=velocity_stage)

    return run


if __name__ == "__main__":
    main()
