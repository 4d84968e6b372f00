"""Measures the training program on this machine's accelerator and writes one JSON and one table.

    python tools/gpu_report.py --minutes 8 --out DIR

Needs no network and nothing beyond the project's own dependencies; runs on a CPU too (with
`--tiny` in seconds, to test the script itself). Sections, each within its share of the time, and
each written to the report as soon as it is done, so that a run that is cut short leaves what it
measured: engines agree; control steps/s of the ant by number of worlds; time of an update by depth;
a training of the ant with its curve; peak memory.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from robot_gcrl.train.environment import prepare_environment

prepare_environment()

import jax
import jax.numpy as jnp
import numpy as np

from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.env.goal_env import GoalEnv
from robot_gcrl.physics.engine import Starts
from robot_gcrl.physics.make import make_engine
from robot_gcrl.replay.hindsight import Batch
from robot_gcrl.task.registry import load_task
from robot_gcrl.task.task import Task
from robot_gcrl.train.loop import agent_of
from robot_gcrl.train.metrics import read_metrics
from robot_gcrl.train.presets import make_train_config
from robot_gcrl.train.train import train

Rows = list[dict[str, Any]]


def main() -> None:
    """Runs every section and writes report.json and report.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=8.0, help="time for everything [min]")
    parser.add_argument("--out", type=Path, required=True, help="folder for report.json, report.md")
    parser.add_argument("--tiny", action="store_true", help="smallest sizes: tests the script")
    parser.add_argument("--train-minutes", type=float, default=3.0, help="of the training [min]")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + 60.0 * arguments.minutes
    report: dict[str, Any] = {"machine": machine()}
    training = 60.0 * min(arguments.train_minutes, 0.5 * arguments.minutes)
    sections: dict[str, Callable[[float], Rows]] = {
        "engines agree": lambda _: engines_agree(tiny=arguments.tiny),
        "training": lambda limit: training_curve(min(training, limit), tiny=arguments.tiny),
        "control steps": lambda limit: collecting(limit, tiny=arguments.tiny),
        "update by depth": lambda limit: update_times(limit, tiny=arguments.tiny),
    }
    shares = {"engines agree": 1.0, "training": 1.0, "control steps": 0.5, "update by depth": 1.0}
    for name, section in sections.items():
        left = deadline - time.monotonic()
        if left <= 0.0:
            report[name] = [{"skipped": "no time left"}]
            continue
        report[name] = section(shares[name] * left)
        report["peak memory"] = peak_memory() or {"not counted": "by these devices"}
        write(report, arguments.out)
    write(report, arguments.out)


def machine() -> dict[str, Any]:
    """What is measured on."""
    import platform
    from importlib.metadata import version

    return {
        "devices": [str(device.device_kind) for device in jax.devices()],
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    } | {name: version(name) for name in ("jax", "jaxlib", "flax", "mujoco", "mujoco-mjx")}


def engines_agree(*, tiny: bool) -> Rows:
    """Largest difference of mjx from native over 20 control steps of a task without contact."""
    rows = []
    for name in ("reacher",) if tiny else ("reacher", "arm_reach"):
        task = load_task(name)
        worlds, steps = (2, 5) if tiny else (32, 20)
        mjx, native = (_positions(task, engine, worlds, steps) for engine in ("mjx", "native"))
        rows.append(
            {
                "task": name,
                "worlds": worlds,
                "control steps": steps,
                "max dqpos": float(np.abs(mjx[0] - native[0]).max()),
                "max dqvel": float(np.abs(mjx[1] - native[1]).max()),
            }
        )
    return rows


def _positions(task: Task, name: str, worlds: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    cpu = jax.devices("cpu")[0] if name == "native" else jax.devices()[0]
    with jax.default_device(cpu):
        engine = make_engine(name, task.model, num_worlds=worlds, substeps=task.substeps)
        keys = jax.random.split(jax.random.key(0), worlds)
        qpos, qvel = jax.jit(jax.vmap(task.train.start))(keys)
        nothing = Starts(jnp.zeros(worlds, bool), qpos, qvel, {})
        low, high = task.model.actuator_ctrlrange.T
        span = jax.random.uniform(jax.random.key(1), (steps, worlds, task.model.nu))
        ctrls = jnp.asarray(low + span * (high - low), jnp.float32)

        @jax.jit
        def run(ctrls: jax.Array) -> tuple[jax.Array, jax.Array]:
            state = engine.init(qpos, qvel, {})
            state, _ = jax.lax.scan(
                lambda s, ctrl: (engine.step(s, ctrl, nothing), None), state, ctrls
            )
            return state.qpos, state.qvel

        final = jax.device_get(run(ctrls))
    return np.asarray(final[0]), np.asarray(final[1])


def collecting(limit: float, *, tiny: bool) -> Rows:
    """Control steps per second of the ant with the default policy, by number of worlds."""
    task = load_task("ant")
    started = time.monotonic()
    rows: Rows = []
    for worlds in (2,) if tiny else (256, 1024, 4096, 16384, 32768):
        if rows and time.monotonic() - started > 0.6 * limit:
            rows.append({"worlds": worlds, "skipped": "no time left"})
            continue
        steps = 2 if tiny else 50
        collect, carry = _collector(task, worlds, steps)
        began = time.monotonic()
        carry = jax.block_until_ready(collect(carry))
        compiled = time.monotonic() - began
        seconds = []
        for _ in range(3):
            began = time.monotonic()
            carry = jax.block_until_ready(collect(carry))
            seconds.append(time.monotonic() - began)
        rate = worlds * steps / float(np.median(seconds))
        rows.append(
            {"worlds": worlds, "control steps/s": round(rate), "first call [s]": round(compiled, 1)}
        )
    return rows


def _collector(task: Task, worlds: int, steps: int) -> tuple[Callable[[Any], Any], Any]:
    engine = make_engine("auto", task.model, num_worlds=worlds, substeps=task.substeps)
    env = GoalEnv(task, engine, goals="train")
    agent = agent_of(task, CrlConfig())
    learner = jax.jit(agent.init)(jax.random.key(0))

    @jax.jit
    def collect(carry: Any) -> Any:
        state, key = carry

        def step(state: Any, step_key: jax.Array) -> tuple[Any, None]:
            act_key, env_key = jax.random.split(step_key)
            action = agent.act(learner, env.observation(state), env.goal_input(state), act_key)
            return env.step(state, action, env_key), None

        key, use = jax.random.split(key)
        return jax.lax.scan(step, state, jax.random.split(use, steps))[0], key

    return collect, (jax.jit(env.init)(jax.random.key(1)), jax.random.key(2))


def update_times(limit: float, *, tiny: bool) -> Rows:
    """Time of one gradient step by depth, at the default preset's width and batch size."""
    task = load_task("ant")
    base = make_train_config(task, task_reference="ant", preset="default", engine="auto").agent
    started = time.monotonic()
    rows: Rows = []
    for depth in (4, 8) if tiny else (4, 8, 16, 32, 64, 128, 256, 512, 1024):
        if rows and time.monotonic() - started > 0.8 * limit:
            rows.append({"depth": depth, "skipped": "no time left"})
            continue
        small = {"width": 16, "batch_size": 8} if tiny else {}
        config = dataclasses.replace(base, depth=depth, actor_depth=min(depth, 512), **small)
        rows.append({"depth": depth, "width": config.width, "batch": config.batch_size}
                    | _update_time(task, config))  # fmt: skip
    return rows


def _update_time(task: Task, config: CrlConfig) -> dict[str, Any]:
    agent = agent_of(task, config)
    contract, size = task.contract, config.batch_size
    keys = jax.random.split(jax.random.key(0), 3)
    batch = Batch(
        jax.random.normal(keys[0], (size, contract.observation_size)),
        jax.random.uniform(keys[1], (size, contract.action_size), minval=-1.0),
        jax.random.normal(keys[2], (size, contract.goal_size)),
        offset=jnp.ones(size, jnp.int32),
        remaining=jnp.ones(size, jnp.int32),
    )
    state = jax.jit(agent.init)(jax.random.key(1))
    update = jax.jit(agent.update, donate_argnums=0)
    began = time.monotonic()
    state, metrics = jax.block_until_ready(update(state, batch, jax.random.key(2)))
    compiled = time.monotonic() - began
    seconds = []
    for i in range(5):
        began = time.monotonic()
        state, metrics = jax.block_until_ready(update(state, batch, jax.random.key(3 + i)))
        seconds.append(time.monotonic() - began)
    finite = bool(np.isfinite([float(value) for value in metrics.values()]).all())
    return {
        "update [ms]": round(1000.0 * float(np.median(seconds)), 2),
        "first call [s]": round(compiled, 1),
        "finite": finite,
    }


def training_curve(limit: float, *, tiny: bool) -> Rows:
    """Success of the ant by wall time, with the settings that `robot-gcrl train` takes here."""
    task = load_task("ant")
    with tempfile.TemporaryDirectory() as folder:
        overrides: dict[str, Any] = {"minutes": limit / 60.0, "run": Path(folder) / "ant"}
        if tiny:
            overrides |= {"num_envs": 4, "rollout": 2, "eval_episodes": 2, "evaluations": 1}
        config = make_train_config(
            task,
            task_reference="ant",
            preset="smoke" if tiny else None,
            engine="auto",
            **overrides,
        )
        train(config)
        lines = read_metrics(config.run)
    keys = ("seconds", "control_steps", "gradient_steps", "success_any", "time_at_goal")
    rows = [{k: line[k] for k in keys} for line in lines if "success_any" in line]
    rates = [line for line in lines if "control_steps_per_second" in line]
    if rates:
        last = rates[-1]
        rows.append({k: last[k] for k in ("control_steps_per_second", "gradient_steps_per_second")})
    return rows


def peak_memory() -> dict[str, int]:
    """Bytes that each device held at most, where the device counts them."""
    peaks = {}
    for device in jax.local_devices():
        stats = device.memory_stats() or {}
        if "peak_bytes_in_use" in stats:
            peaks[str(device)] = int(stats["peak_bytes_in_use"])
    return peaks


def write(report: dict[str, Any], out: Path) -> None:
    """Writes report.json and report.md."""
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    text = ["# Report", ""]
    for title, content in report.items():
        text += [f"## {title}", ""]
        rows = content if isinstance(content, list) else [content]
        columns = list(dict.fromkeys(key for row in rows for key in row))
        text += [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
        text += [f"| {' | '.join(str(row.get(c, '')) for c in columns)} |" for row in rows]
        text += [""]
    (out / "report.md").write_text("\n".join(text))


if __name__ == "__main__":
    main()
