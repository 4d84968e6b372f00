"""The episodes of a policy file in one program: engine, runtime, nothing in between."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from robot_gcrl.contract.actuate import initial_ctrl
from robot_gcrl.contract.observe import (
    Report,
    achieved_goal,
    goal_distances,
    is_healthy,
    is_success,
    read_inputs,
    remembered,
)
from robot_gcrl.gate.episodes import Episodes
from robot_gcrl.physics.engine import Engine, Starts, State, report
from robot_gcrl.policy.runtime import PolicyFile, PolicyOutput, Runtime
from robot_gcrl.policy.runtime.file import NUM_SCENARIOS, Scenarios


def run_in_process(
    file: PolicyFile, runtime: Runtime, engine: Engine, *, episodes: int
) -> Episodes:
    """Runs the first `episodes` of the file's eval scenarios, as many at once as the engine steps.

    Args:
      file: scenarios, contract.
      runtime: computes the policy, one robot at a time as for a robot on the bridge: a library may
        round differently for several.
      engine: made for the file's scene.
      episodes: E.
    """
    step = jax.jit(functools.partial(_step, engine))
    chunks = []
    for first in range(0, episodes, engine.num_worlds):
        # The last worlds may have no episode of their own
        rows = np.arange(first, first + engine.num_worlds) % NUM_SCENARIOS
        scenarios = Scenarios(*(column[rows] for column in file.scenarios["eval"]))
        begun = engine.init(jnp.asarray(scenarios.qpos), jnp.asarray(scenarios.qvel), {})
        chunks.append(_run(file, runtime, step, begun, scenarios.goal))
    return Episodes(*map(np.concatenate, zip(*chunks, strict=True))).first(episodes)


def _step(engine: Engine, state: State, ctrl: jax.Array) -> State:
    starts = Starts(jnp.zeros(engine.num_worlds, bool), state.qpos, state.qvel, {})
    return engine.step(state, ctrl, starts)


def _run(
    file: PolicyFile, runtime: Runtime, step: jax.stages.Wrapped, state: State, goal: np.ndarray
) -> Episodes:
    contract, layout, length = file.contract, file.layout, file.simulation.episode_length
    measured = _report(state)
    inputs = read_inputs(layout, measured)
    ctrl = initial_ctrl(contract, inputs)
    previous = np.zeros((len(ctrl), contract.previous_action_size), np.float32)
    queue: tuple[np.ndarray, ...] = ()
    over, final = np.zeros(len(goal), bool), np.zeros(len(goal), bool)
    steps_at_goal, distance, first = np.zeros(len(goal), int), np.zeros(len(goal)), None
    for _ in range(length):
        output = _act(runtime, inputs, goal, previous, ctrl, *queue)
        ctrl, queue = output.ctrl, () if output.queue is None else (output.queue,)
        previous = remembered(contract, output.action, previous)
        first = ctrl if first is None else first
        ordered = np.empty_like(ctrl)
        ordered[:, layout.actuators] = ctrl
        state = step(state, jnp.asarray(ordered))
        measured, diverged = _report(state), np.asarray(state.diverged)
        inputs = read_inputs(layout, measured)
        distances = goal_distances(contract, achieved_goal(contract, inputs), goal)
        success = is_success(contract, distances)
        steps_at_goal += success & ~diverged & ~over
        final = np.where(over, final, success)
        distance = np.where(over, distance, distances.sum(-1))
        over |= diverged | ~is_healthy(contract, layout, measured)
    assert first is not None, "a task has at least one step"
    return Episodes(steps_at_goal > 0, final, steps_at_goal / length, distance, first)


def _act(runtime: Runtime, *given: np.ndarray) -> PolicyOutput:
    outputs = [runtime(*(column[i : i + 1] for column in given)) for i in range(len(given[0]))]
    fields = (output if output.queue is not None else output[:2] for output in outputs)
    return PolicyOutput(*map(np.concatenate, zip(*fields, strict=True)))


def _report(state: State) -> Report:
    return Report(*map(np.asarray, report(state)))
