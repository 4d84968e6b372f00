"""A world whose simulation diverges: counted, named, started again; nothing of it is learned."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.task.registry import load_task
from robot_gcrl.train import divergence
from robot_gcrl.train.divergence import DivergenceLog, first_divergence
from robot_gcrl.train.loop import make_program, update_counts
from robot_gcrl.train.metrics import read_metrics
from robot_gcrl.train.presets import make_train_config
from robot_gcrl.train.train import train

# A cart, and a fuse beside it: a mass that in some worlds slides, and pulls a spring once it has
# gone ROPE, so stiff that two substeps bring it beyond float32. Else it stays where it is.
TIMESTEP, SUBSTEPS = 0.01, 4
SPEED, ROPE = 1.0, 0.45  # [m/s], [m]
SHARE = 0.15  # of the starts, in which it slides
ENVS = 16
FATAL_STEP = 12  # the first to end beyond ROPE: 12 * 4 * 0.01 s at 1 m/s are 0.48 m

SOURCE = f'''
import jax
import jax.numpy as jnp
import mujoco

from robot_gcrl.contract import ActionMap, Contract, Field, GoalField, SuccessGroup
from robot_gcrl.task.budgets import budgets
from robot_gcrl.task.goals import box_goals
from robot_gcrl.task.regions import distance_regions
from robot_gcrl.task.task import Budget, Distribution, Hints, Task

XML = """
<mujoco>
  <option timestep="{TIMESTEP}" gravity="0 0 0"><flag contact="disable"/></option>
  <worldbody>
    <camera name="scene" pos="0 -2 1"/>
    <body><joint name="cart" type="slide" axis="1 0 0" damping="1"/>
      <geom size="0.1" mass="1"/></body>
    <body pos="0 1 0"><joint name="fuse" type="slide" axis="1 0 0"/>
      <geom size="0.1" mass="1"/></body>
  </worldbody>
  <tendon>
    <fixed springlength="0 {ROPE}" stiffness="1e30"><joint joint="fuse" coef="1"/></fixed>
  </tendon>
  <actuator><motor name="cart" joint="cart"/></actuator>
</mujoco>
"""


def start(key):
    lit = jax.random.bernoulli(key, {SHARE})
    return jnp.zeros(2), jnp.array([0.0, {SPEED}]) * lit


def fused():
    contract = Contract(
        name="fused",
        robot="cart",
        control_dt={SUBSTEPS} * {TIMESTEP},
        observation=(
            Field(source="qpos", name="cart", unit="m"),
            Field(source="qvel", name="cart", unit="m/s"),
            Field(source="qpos", name="fuse", unit="m"),
            Field(source="qvel", name="fuse", unit="m/s"),
        ),
        goal=(GoalField(label="x", source="qpos", name="cart", unit="m", low=-1.0, high=1.0),),
        success=(SuccessGroup(labels=("x",), radius=0.1),),
        action=ActionMap(
            actuators=("cart",), joints=("cart",), modes=("torque",), scale=(1.0,),
            offset=(0.0,), low=(-1.0,), high=(1.0,),
        ),
    )
    distribution = Distribution(start=start, goal=box_goals((-1.0,), (1.0,)))
    return Task(
        contract=contract,
        scene=mujoco.MjSpec.from_string(XML),
        episode_length=50,
        train=distribution,
        eval=distribution,
        regions=distance_regions((1.0,), origin=(0.0,), unit="m"),
        hints=Hints(horizon=1.0, budgets=budgets(laptop=Budget(control_steps=1, gradient_steps=1))),
        summary="A cart with a fuse.",
    )


TASKS = {{"fused": fused}}
'''


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("fused") / "fused.py"
    file.write_text(SOURCE)
    return f"{file}:fused"


def configure(reference: str, run: Path, **values):
    task = load_task(reference)
    settings = {"preset": "smoke", "engine": "native", "run": run, "num_envs": ENVS} | values
    return task, make_train_config(task, task_reference=reference, **settings)


def first_lit(state) -> int:
    """The first world that starts with a lit fuse; a seed is wrong for the test if all do."""
    lit = np.asarray(state.env.physics.qvel[:, 1]) != 0.0
    assert 0 < lit.sum() < ENVS
    return int(lit.argmax())


# Seen to fail: on MJX with a spring that lets the numbers grow through 1e38 over several control
# steps; they were finite, so they were stored, and the moments of what was observed overflowed.
@pytest.mark.parametrize("engine", ["native", "mjx"])
def test_the_world_that_diverges_is_named_and_nothing_of_it_is_kept(
    reference, tmp_path, engine, capsys
):
    task, config = configure(reference, tmp_path / "run", engine=engine, prefill=16)
    program = make_program(task, config)
    state = program.init(7)
    world = first_lit(state)
    log = DivergenceLog(task.name, num_envs=config.num_envs, rollout=config.rollout)
    for iteration in range(6):
        state, sums = program.iterate(state, update_counts(config, iteration))
        kept = log.take(jax.device_get(sums), iteration=iteration)
        assert all(np.isfinite(value) for value in kept.values())
    told = capsys.readouterr().err
    assert told.startswith(
        f"fused: the simulation of world {world} (of 0 to {ENVS - 1}) diverged in its control "
        f"step {FATAL_STEP}; it starts a new episode."
    )
    assert len(told.splitlines()) == 1
    assert log.close_line()["diverged"] >= 1
    for leaf in jax.tree.leaves((state.replay, state.agent, state.env)):
        assert np.isfinite(leaf).all()
    replay = jax.device_get(state.replay)
    assert ROPE - 2 * SUBSTEPS * TIMESTEP * SPEED < replay.observation[..., 2].max() <= ROPE
    assert (replay.episode >= 0).all(), "a world that diverged was stored as terminated"
    # The numbers that the engine kept follow upon no action: seen to fail with them as a row more
    held = (replay.observation[1:] == replay.observation[:-1]).all(-1) & (
        replay.observation[1:, :, 3] != 0.0
    )
    assert held.any()
    assert (replay.episode[1:] != replay.episode[:-1])[held].all()


@pytest.mark.slow  # half a minute, nearly all of it XLA
def test_a_whole_run_counts_them(reference, tmp_path, capfd):
    _, config = configure(reference, tmp_path / "run", steps=2048, evaluations=1)
    train(config)
    counts = [line["diverged"] for line in read_metrics(config.run) if "diverged" in line]
    assert sum(counts) >= 3
    assert min(counts) > 0
    assert "fused: the simulation of world" in capfd.readouterr().err
    json.dumps(counts)


# Seen to fail: with the world looked for in the first step instead of in the first that has one.
def test_the_first_of_many():
    diverged = np.zeros((5, 4), bool)
    diverged[3, 2] = diverged[3, 3] = diverged[4, 0] = True
    found = {k: float(v) for k, v in first_divergence(jnp.asarray(diverged)).items()}
    assert found == {"divergence/count": 3.0, "divergence/step": 3.0, "divergence/world": 2.0}


# Seen to fail: with what came while nothing was said forgotten; with the iteration for its step.
def test_lines_are_few_and_lose_nobody(monkeypatch, capsys):
    log = DivergenceLog("cart", num_envs=8, rollout=10)
    now = 1000.0
    monkeypatch.setattr(divergence.time, "monotonic", lambda: now)

    def take(iteration, count):
        sums = {"divergence/count": count, "divergence/step": 4.0, "divergence/world": 5.0, "a": 1}
        assert log.take(sums, iteration=iteration) == {"a": 1}

    take(0, 0.0)
    assert log.close_line() == {}
    assert capsys.readouterr().err == ""
    take(1, 1.0)
    take(2, 3.0)
    now += 11.0
    take(3, 2.0)
    assert log.close_line() == {"diverged": 6}
    assert log.close_line() == {}
    first, second = capsys.readouterr().err.splitlines()
    assert first == (
        "cart: the simulation of world 5 (of 0 to 7) diverged in its control step 15; it starts a "
        "new episode. 1 in all. Where many do, lower the timestep of the model."
    )
    assert second == (
        "cart: the simulation of world 5 (of 0 to 7) diverged in its control step 35; it starts a "
        "new episode. 4 more since the last such line, 6 in all. Where many do, lower the timestep "
        "of the model."
    )
