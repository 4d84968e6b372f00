"""How close the training loop comes to the slower of its two halves.

    python tools/bench_train.py [--task ant] [--json]

In one run: control steps/s without a gradient step (physics alone), gradient steps/s without a
control step (learner alone), and the loop at the ratio of control steps per gradient step at which
the two would take equally long, with overlap and without. Medians of several repetitions, taken in
turns, so that other load on the machine meets all of them alike.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from robot_gcrl.train.environment import prepare_environment

prepare_environment(shares_cores=True)

import jax
import jax.numpy as jnp
import numpy as np

from robot_gcrl.task.registry import load_task
from robot_gcrl.train.loop import TrainState, learn, make_program
from robot_gcrl.train.presets import make_train_config


def measure(task_name: str, *, repetitions: int = 7, seconds: float = 2.0) -> dict[str, Any]:
    """Rates of physics alone, learner alone, and the loop at the ratio where both are equal."""
    task = load_task(task_name)
    config = make_train_config(task, task_reference=task_name, preset=None, engine="auto")
    program = make_program(task, config)
    serial = make_program(
        task, make_train_config(task, task_reference=task_name, preset=None, engine="auto",
                                overlap=False, physics_threads=1)
    )  # fmt: skip
    # The states are consumed by the program, so they are kept in one place.
    states: dict[str, TrainState] = {
        "overlapped": program.init(0), "serial": serial.init(0),
    }  # fmt: skip

    def iterate(name: str, counts: np.ndarray) -> None:
        run = program if name == "overlapped" else serial
        states[name], sums = run.iterate(states[name], jnp.asarray(counts))
        jax.block_until_ready(sums)

    def several(name: str, counts: np.ndarray, times: int) -> None:
        for _ in range(times):
            iterate(name, counts)

    @jax.jit
    def updates(state: TrainState, count: jax.Array) -> jax.Array:
        assert state.replay
        learner, sums = learn(
            state.agent, state.replay, jax.random.key(0), count, program.agent,
            goal_index=task.contract.goal_index, max_rows=task.episode_length + 1,
        )  # fmt: skip
        return sums["learner/critic_loss"] + learner.log_temperature

    none = np.zeros(config.rollout, np.int32)
    for name in states:
        iterate(name, none)
        iterate(name, none)
    per_iteration = config.num_envs * config.rollout

    def timed(call: Callable[[], None]) -> float:
        began = time.perf_counter()
        call()
        return time.perf_counter() - began

    def learner_alone(count: int) -> float:
        return timed(lambda: jax.block_until_ready(updates(states["overlapped"], jnp.int32(count))))

    learner_alone(1)
    count = max(1, round(seconds / (learner_alone(20) / 20)))
    repeat = max(1, round(seconds / timed(lambda: iterate("overlapped", none))))
    physics_rate = per_iteration / timed(lambda: iterate("overlapped", none))
    ratio = physics_rate / (count / learner_alone(count))
    ends = np.floor(np.arange(config.rollout + 1) * config.num_envs / ratio)
    counts = np.diff(ends).astype(np.int32)
    samples: dict[str, list[float]] = {"physics": [], "learner": [], "overlapped": [], "serial": []}
    for _ in range(repetitions):
        samples["physics"].append(timed(lambda: several("overlapped", none, repeat)) / repeat)
        samples["learner"].append(learner_alone(count) / count * counts.sum())
        for name in ("overlapped", "serial"):
            samples[name].append(timed(lambda name=name: iterate(name, counts)))
    median = {name: float(np.median(values)) for name, values in samples.items()}
    slower = max(median["physics"], median["learner"])
    return {
        "task": task_name,
        "num_envs": config.num_envs,
        "control_steps_per_update": ratio,
        "physics_alone_control_steps_per_second": per_iteration / median["physics"],
        "learner_alone_updates_per_second": float(counts.sum() / median["learner"]),
        "loop_control_steps_per_second": per_iteration / median["overlapped"],
        "loop_over_slower_half": slower / median["overlapped"],
        "serial_over_slower_half": slower / median["serial"],
        "repetitions": repetitions,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The loop beside its two halves.")
    parser.add_argument("--task", default="ant")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measure(arguments.task)
    if arguments.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:45} {value:.4g}" if isinstance(value, float) else f"{key:45} {value}")
