"""One cell of `robot-gcrl bench physics`, in a process of its own.

    python -m robot_gcrl.bench.physics_cell rates|compile TASK ENGINE NUM_ENVS SECONDS

prints one JSON object. A fresh process for each, because resident memory and compilation can be
measured only where nothing was computed before.
"""

import contextlib
import json
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp

from robot_gcrl.bench.physics_loops import (
    bare_loop,
    engine_loop,
    environment_loop,
    in_turns,
    make_env,
    record,
)
from robot_gcrl.errors import EngineError
from robot_gcrl.physics.engine import Starts
from robot_gcrl.physics.make import make_engine
from robot_gcrl.physics.native import NativeEngine
from robot_gcrl.task.registry import load_task
from robot_gcrl.task.task import Task
from robot_gcrl.train.memory import resident_bytes, worlds_bytes

# What compiling start and step of an environment leaves behind [bytes]
_PROGRAM = {"native": 160 * 2**20, "mjx": 400 * 2**20}


def measure_rates(task: Task, engine: str, num_envs: int, seconds: float) -> dict[str, Any]:
    """Rates of the three loops, their ratios, and resident memory that the worlds took."""
    jnp.zeros(1).block_until_ready()  # starts JAX's backend, which is not the worlds' memory
    stepper, env = make_env(task, engine, num_envs)
    before = resident_bytes()
    expected = _expected_bytes(task, engine, num_envs, before)
    start = jax.block_until_ready(jax.jit(env.init)(jax.random.key(0)))
    step = jax.jit(lambda s: env.step(s, jnp.zeros_like(s.previous_ctrl), jax.random.key(0)))
    jax.block_until_ready(step(step(start)))
    resident = resident_bytes()
    start, recording = record(task, num_envs)
    loops = {"engine": engine_loop(stepper, start.physics, recording)}
    loops["environment"] = environment_loop(env, start, recording)
    if isinstance(stepper, NativeEngine):
        loops["bare"] = bare_loop(task, stepper.threads, start.physics, recording)
    found = in_turns(loops, seconds=seconds)
    rates = {name: num_envs / median for name, median in found["medians"].items()}
    over = found["of"]
    return {
        "control_steps": found["control_steps"],
        "repetitions": found["repetitions"],
        "control_steps_per_second": rates,
        "physics_steps_per_second": {n: rate * task.substeps for n, rate in rates.items()},
        "engine_over_bare": over["bare", "engine"] if "bare" in loops else None,
        "environment_cost": over["environment", "engine"] - 1.0,
        "memory": {"before": before, "expected": expected, "resident": resident},
    }


def _expected_bytes(task: Task, engine: str, num_envs: int, before: int | None) -> int | None:
    """What will be resident once the worlds run, told before they do [bytes]."""
    if before is None:
        return None
    worlds = worlds_bytes(task.contract, task.model, engine, num_envs)
    expected = before + _PROGRAM[engine] + worlds
    sys.stderr.write(
        f"  memory {expected / 2**20:,.0f} MiB, of which {worlds / 2**20:,.1f} are the worlds\n"
    )
    return expected


def measure_compilation(task: Task, engine: str, num_envs: int) -> dict[str, Any]:
    """Seconds from the Python function of a control step to lowered code, and to an executable."""
    jax.config.update("jax_enable_compilation_cache", False)
    stepper = make_engine(engine, task.model, num_worlds=num_envs, substeps=task.substeps)
    keys = jax.random.split(jax.random.key(0), num_envs)
    qpos, qvel = jax.eval_shape(jax.vmap(task.train.start), keys)
    state = jax.eval_shape(lambda q, v: stepper.init(q, v, {}), qpos, qvel)
    ctrl = jax.ShapeDtypeStruct((num_envs, task.model.nu), jnp.float32)
    starts = jax.eval_shape(lambda q, v: Starts(jnp.zeros(num_envs, bool), q, v, {}), qpos, qvel)
    began = time.perf_counter()
    lowered = jax.jit(stepper.step).lower(state, ctrl, starts)
    between = time.perf_counter()
    lowered.compile()
    return {
        "lowering_seconds": between - began,
        "compiling_seconds": time.perf_counter() - between,
        "seconds": time.perf_counter() - began,
    }


def main(what: str, reference: str, engine: str, num_envs: int, seconds: float) -> None:
    """Prints the cell; {"refused": reason} where the engine cannot run the task's model."""
    with contextlib.redirect_stdout(sys.stderr):  # libraries print while they are imported
        task = load_task(reference)
        try:
            if what == "compile":
                cell = measure_compilation(task, engine, num_envs)
            else:
                cell = measure_rates(task, engine, num_envs, seconds)
        except EngineError as error:
            cell = {"refused": str(error)}
    sys.stdout.write(json.dumps(cell) + "\n")


if __name__ == "__main__":
    _, what, reference, engine, num_envs, seconds = sys.argv
    main(what, reference, engine, int(num_envs), float(seconds))
