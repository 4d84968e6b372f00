"""Realism over many worlds: episodes against one world that is stepped by hand."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from robot_gcrl.contract.realism import (
    Delay,
    GoalBias,
    Noise,
    Pose,
    Push,
    Realism,
    Variation,
    softened,
)
from robot_gcrl.env.goal_env import GoalEnv, Goals
from robot_gcrl.errors import TaskError
from robot_gcrl.physics.mjx import MjxEngine
from robot_gcrl.physics.native import NativeEngine
from tests.physics.models import arm_task, box_task

N, T = 6, 30
ENGINES = {"native": NativeEngine, "mjx": MjxEngine}


def make_env(task, level, engine="native", goals: Goals = "train"):
    stepper = ENGINES[engine](task.model, num_worlds=N, substeps=task.substeps)
    return GoalEnv(task, stepper, goals=goals, randomize=level)


def with_realism(task, realism):
    return replace(task, realism={"low": softened(realism, 0.3), "full": realism})


@functools.cache
def actions(size):
    return np.random.default_rng(0).uniform(-1, 1, (T, N, size)).astype(np.float32)


def rollout(env, size):
    """The states [T + 1, ...] after init and after each of T random actions."""

    @jax.jit
    def run(key):
        first = env.init(key)

        def step(state, given):
            action, step_key = given
            state = env.step(state, action, step_key)
            return state, state

        keys = jax.random.split(jax.random.fold_in(key, 1), T)
        _, states = jax.lax.scan(step, first, (jnp.asarray(actions(size)), keys))
        return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, states)

    return jax.device_get(run(jax.random.key(3)))


PHYSICAL = Realism(
    variations=(
        Variation(quantity="mass", low=0.5, high=2.0),
        Variation(quantity="damping", low=0.5, high=2.0),
    ),
    poses=(Pose(joint="shoulder", low=-0.4, high=0.4),),
)
SENSED = Realism(
    noises=(Noise(source="sensor", names=("tip_position",), std=0.1, bias=0.05),),
    goal_bias=(GoalBias(labels=("x",), bias=0.05),),
)


# Seen to fail: fields of the episode before kept over a reset; starts without the pose.
@pytest.mark.parametrize("engine", list(ENGINES))
def test_worlds_are_models_of_their_own(engine):
    task = with_realism(arm_task(), PHYSICAL)
    env = make_env(task, "full", engine)
    states = rollout(env, 2)
    assert len(np.unique(states.physics.fields["body_mass"][0, :, 1])) == N
    for world in range(N):
        model, begun = None, False
        data = mujoco.MjData(task.model)
        for t in range(T):
            if t == 0 or states.ended[t - 1, world]:
                model = task.scene.compile()
                for name in ("body_mass", "body_inertia", "dof_damping"):
                    value = states.physics.fields[name][t, world]
                    getattr(model, name)[:] = value
                mujoco.mj_setConst(model, mujoco.MjData(model))
                data, begun = mujoco.MjData(model), True
                data.qpos = states.physics.qpos[t, world]
                continue
            assert begun
            assert model is not None
            # arm_task's order of actuators is not the model's
            data.ctrl = states.previous_ctrl[t, world][::-1]
            mujoco.mj_step(model, data, task.substeps)
            np.testing.assert_allclose(states.physics.qpos[t, world], data.qpos, atol=2e-3)
    changed = np.diff(states.physics.fields["body_mass"][:, :, 1], axis=0) != 0.0
    np.testing.assert_array_equal(changed, states.ended[:-1])


def test_the_policy_is_shown_noise_and_memory_holds_the_truth():
    # seen to fail with the goal bias in the goal that success is measured by
    task = with_realism(arm_task(), SENSED)
    env = make_env(task, "full")
    states = rollout(env, 2)

    def views(state):
        observation = env.observation(state)
        return observation, env.memory(state, observation), env.goal_input(state)

    observation, memory, goal = jax.vmap(views)(states)
    tip = jax.vmap(env.achieved)(states)
    shown = np.asarray(observation)[..., task.contract.goal_index] / 2.0
    error = shown - np.asarray(tip)
    assert error.std() == pytest.approx(0.1, rel=0.25)
    np.testing.assert_allclose(memory[..., env.memory_goal_index], 2.0 * tip, atol=1e-6)
    assert memory.shape[-1] == env.memory_size == task.contract.observation_size + 2
    off = np.asarray(goal) / 2.0 - states.goal
    assert 0.0 < np.abs(off[..., 0]).max() <= 0.0501
    np.testing.assert_allclose(off[..., 1], 0.0, atol=1e-7)
    # the same over an episode, another in the next
    changed = np.abs(np.diff(off[..., 0], axis=0))
    assert changed[~states.ended[:-1]].max() < 1e-6
    assert (changed[states.ended[:-1]] > 1e-4).all()


def test_without_realism_the_block_changes_no_bit():
    plain, declared = arm_task(), with_realism(arm_task(), PHYSICAL)
    for a, b in zip(
        jax.tree.leaves(rollout(make_env(plain, "off"), 2)),
        jax.tree.leaves(rollout(make_env(declared, "off"), 2)),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_a_level_of_no_departure_is_the_task():
    # seen to fail with the commands one control step late
    task = with_realism(arm_task(), Realism())
    plain, level = rollout(make_env(task, "off"), 2), rollout(make_env(task, "full"), 2)
    for name in ("qpos", "qvel", "sensordata"):
        np.testing.assert_array_equal(getattr(plain.physics, name), getattr(level.physics, name))
    np.testing.assert_array_equal(plain.goal, level.goal)


def test_overlapped_steps_are_the_same_bits():
    realism = replace(
        PHYSICAL, action_delay=Delay(high=0.04, jitter=0.01, hold=0.1),
        observation_delay=Delay(high=0.03),
    )  # fmt: skip
    contract = arm_task().contract
    every = tuple(
        replace(field, name=name, components=(0, 1))
        for field in contract.observation
        if field.source == "previous_action"
        for name in contract.action.actuators
    )
    task = replace(
        arm_task(), contract=replace(contract, observation=(*contract.observation, *every))
    )
    env = make_env(with_realism(task, realism), "full")
    action = jnp.asarray(actions(2)[0])

    @jax.jit
    def overlapped(state, key):
        ticket = env.start(state, action, key)
        return env.wait(ticket, jnp.sin(ticket.token.astype(jnp.float32)))

    step = jax.jit(lambda state, key: env.step(state, action, key))
    a = b = jax.jit(env.init)(jax.random.key(0))
    for i in range(4):
        a, b = step(a, jax.random.key(i)), overlapped(b, jax.random.key(i))
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_pushes_move_a_body_and_leave_resets_alone():
    realism = Realism(push=Push(joint="root", interval=0.01, velocity=1.0))
    task = with_realism(box_task(), realism)
    still, pushed = (rollout(make_env(task, level), 2) for level in ("off", "full"))
    moved = np.abs(still.physics.qvel[1] - pushed.physics.qvel[1]).max(-1)
    assert (moved > 1e-3).sum() >= N - 1


def test_evaluation_draws_other_variants_than_training():
    task = with_realism(arm_task(), PHYSICAL)
    sets: tuple[Goals, Goals] = ("train", "eval")
    masses = [
        rollout(make_env(task, "full", goals=goals), 2).physics.fields["body_mass"][0]
        for goals in sets
    ]
    assert not np.isin(masses[0][:, 1], masses[1][:, 1]).any()


def test_levels_that_a_task_does_not_have():
    with pytest.raises(TaskError) as caught:
        make_env(arm_task(), "full")
    assert str(caught.value) == (
        "Task 'arm' has no realism of the level 'full'. It has: off. Choose one of these, or "
        "declare it in the task."
    )
    with pytest.raises(TaskError) as caught:
        replace(arm_task(), realism={"ful": Realism()})
    assert str(caught.value) == (
        "Task 'arm' has realism for the levels ['ful']. Expected some of low, full: off is to have "
        "none. Rename them."
    )
