"""A configuration and a training state without physics, for tests of the shell around training."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.train.config import TrainConfig, override

SHA256 = "ab" * 32


def make_config(run: Path, **values: Any) -> TrainConfig:
    config = TrainConfig(
        task="reacher",
        maze=None,
        preset="smoke",
        engine="native",
        seed=0,
        steps=4096,
        minutes=None,
        num_envs=16,
        control_steps_per_update=64.0,
        replay_capacity=96,
        rollout=16,
        prefill=16,
        eval_episodes=16,
        evaluations=2,
        checkpoint_interval=10.0,
        overlap=True,
        physics_threads=1,
        goal_switch_probability=0.0,
        near_goal_radius=None,
        near_goal_share=0.0,
        random_start_share=0.0,
        run=run,
        agent=CrlConfig(),
    )
    return override(config, values)


class FakeState(NamedTuple):
    """The fields of a TrainState, with a leaf of every kind that one may have."""

    agent: dict[str, Any]
    replay: dict[str, Any]
    env: dict[str, Any]
    key: jax.Array
    iteration: jax.Array


def make_state(iteration: int, *, rows: int = 50) -> FakeState:
    """The state after `iteration` updates: a function of it alone."""
    draw = np.random.default_rng(iteration).random((rows, 16, 10), np.float32) - 0.5
    state = FakeState(
        agent={"params": {"w": draw[0], "b": draw[0, 0]}, "count": np.int32(iteration)},
        replay={"observation": draw, "episode": np.arange(rows, dtype=np.int32) - 2**30},
        env={
            "act": np.zeros((16, 0), np.float32),  # no activations: an array without elements
            "fields": {},
            "ended": draw[0, :, 0] > 0,
            "special": np.array([np.nan, np.inf, -0.0, 1e-45], np.float32),
        },
        key=jnp.array([0, 2**32 - 1 - iteration], jnp.uint32),
        iteration=jnp.int32(iteration),
    )
    return jax.tree.map(jnp.asarray, state)


def info(iteration: int, **more: float) -> dict[str, float]:
    return {"iteration": iteration, "control_steps": 256 * iteration, "seconds": 1.5, **more}


def same_bits(a: Any, b: Any) -> bool:
    """Whether two pytrees have the same structure, dtypes and bits (NaN and -0 included)."""
    equal = jax.tree.map(lambda x, y: x.dtype == y.dtype and x.tobytes() == y.tobytes(),
                         jax.device_get(a), jax.device_get(b))  # fmt: skip
    return all(jax.tree.leaves(equal))
