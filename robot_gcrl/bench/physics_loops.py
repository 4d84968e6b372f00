"""Three ways to take the same control steps: bare MuJoCo, the engine, the environment around it.

A short rollout of the environment on C MuJoCo with random actions is recorded first; then all three
take the same control steps from the same states, in turn, so that their ratios mean something on a
busy machine too. How many control steps one call takes is an argument of the compiled loops, so
that slow robots are not measured for longer than quick ones.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Bool, Float
from mujoco.batch import Batch

from robot_gcrl.contract.observe import make_layout
from robot_gcrl.env.goal_env import EnvState, GoalEnv
from robot_gcrl.env.practice import Practice
from robot_gcrl.physics.engine import Engine, Starts, State
from robot_gcrl.physics.make import make_engine
from robot_gcrl.task.task import Task

# Control steps that are recorded and repeated: more would be others of the same kind
MOST_STEPS = 50
LEAST_REPETITIONS = 3
_VELOCITY_STAGE = mujoco.mjtStage.mjSTAGE_VEL.value
_NO_STAGE = mujoco.mjtStage.mjSTAGE_NONE.value


class Recording(NamedTuple):
    """What the worlds did, K control steps of it.

    Attributes:
      actions: [K, N, A].
      ctrl: [K, N, nu], in the model's order.
      starts: worlds that were put at a start instead of being stepped, and where: [K, N, ...].
    """

    actions: Float[Array, "K N A"]
    ctrl: Float[Array, "K N nu"]
    starts: Starts


def make_env(task: Task, engine: str, num_envs: int) -> tuple[Engine, GoalEnv]:
    """The engine on all cores, and worlds of which some end at every time, as in training."""
    stepper = make_engine(
        engine, task.model, num_worlds=num_envs, substeps=task.substeps, overlap=False
    )
    return stepper, GoalEnv(task, stepper, goals="train", practice=Practice(stagger=True))


def record(task: Task, num_envs: int) -> tuple[EnvState, Recording]:
    """Worlds at their starts, and MOST_STEPS control steps of them with random actions."""
    _, env = make_env(task, "native", num_envs)
    key = jax.random.key(0)
    size, actuators = task.contract.action_size, make_layout(task.contract, task.model).actuators

    def step(state: EnvState, i: Array) -> tuple[EnvState, Recording]:
        action = jax.random.uniform(jax.random.fold_in(key, i), (num_envs, size), minval=-1.0)
        after = env.step(state, action, jax.random.fold_in(_steps_key(), i))
        ctrl = jnp.zeros_like(after.previous_ctrl).at[:, actuators].set(after.previous_ctrl)
        starts = Starts(state.ended, after.physics.qpos, after.physics.qvel, {})
        return after, Recording(action, ctrl, starts)

    @jax.jit
    def run() -> tuple[EnvState, Recording]:
        start = env.init(key)
        return start, jax.lax.scan(step, start, jnp.arange(MOST_STEPS))[1]

    return run()


def _steps_key() -> Array:
    """By which starts and goals are drawn, when it is recorded and when it is repeated."""
    return jax.random.key(1)


Loop = Callable[[int], None]


def bare_loop(task: Task, threads: int, start: State, recording: Recording) -> Loop:
    """A Python loop over `mujoco.batch` that does nothing but step."""
    batch = Batch(task.model, len(start.qpos), threads)
    batch.bind("sensordata")
    qpos, qvel, ctrl = map(np.asarray, (start.qpos, start.qvel, recording.ctrl))

    def run(steps: int) -> None:
        batch.reset(stage=_NO_STAGE)
        batch.qpos, batch.qvel = qpos, qvel
        for row in ctrl[:steps]:
            batch.ctrl = row
            batch.step(nstep=task.substeps, stage=_VELOCITY_STAGE)

    return run


def engine_loop(engine: Engine, start: State, recording: Recording) -> Loop:
    """The engine inside a compiled program."""

    @jax.jit
    def rollout(state: State, recording: Recording, steps: Array) -> Float[Array, "N nq"]:
        def body(i: Array, state: State) -> State:
            starts = jax.tree.map(lambda rows: rows[i], recording.starts)
            return engine.step(state, recording.ctrl[i], starts)

        return jax.lax.fori_loop(0, steps, body, state).qpos

    return lambda steps: jax.block_until_ready(rollout(start, recording, jnp.int32(steps)))


def environment_loop(env: GoalEnv, start: EnvState, recording: Recording) -> Loop:
    """The environment around it: resets, observations, goals, success."""

    @jax.jit
    def rollout(state: EnvState, actions: Array, steps: Array) -> tuple[Array, Bool[Array, " N"]]:
        def body(i: Array, carry: tuple[EnvState, Array]) -> tuple[EnvState, Array]:
            state, seen = carry
            state = env.step(state, actions[i], jax.random.fold_in(_steps_key(), i))
            # What a policy would be given must be computed, or XLA leaves it out
            return state, seen + env.observation(state).sum() + env.goal_input(state).sum()

        state, seen = jax.lax.fori_loop(0, steps, body, (state, jnp.float32(0.0)))
        return seen, state.reached

    return lambda steps: jax.block_until_ready(rollout(start, recording.actions, jnp.int32(steps)))


def in_turns(loops: Mapping[str, Loop], *, seconds: float) -> dict[str, Any]:
    """Median times of a control step [s], of loops that take turns for about `seconds` in all.

    Returns:
      "control_steps": of one call; "repetitions": calls of each that count; "medians": seconds per
      control step by name; "of": medians of the ratios within a repetition, by (name, name).
    """
    for run in loops.values():
        run(1)  # compiles
    probe = {name: _timed(run, 2) / 2 for name, run in loops.items()}
    together = sum(probe.values())
    steps = min(max(round(seconds / LEAST_REPETITIONS / together), 2), MOST_STEPS)
    repetitions = max(round(seconds / (steps * together)), LEAST_REPETITIONS)
    times: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(repetitions):
        for name, run in loops.items():
            times[name].append(_timed(run, steps) / steps)
    ratios = {
        (a, b): statistics.median(x / y for x, y in zip(times[a], times[b], strict=True))
        for a in loops
        for b in loops
    }
    return {
        "control_steps": steps,
        "repetitions": repetitions,
        "medians": {name: statistics.median(values) for name, values in times.items()},
        "of": ratios,
    }


def _timed(run: Loop, steps: int) -> float:
    began = time.perf_counter()
    run(steps)
    return time.perf_counter() - began
