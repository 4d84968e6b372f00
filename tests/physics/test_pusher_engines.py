"""The arm with the fork on MJX and C MuJoCo."""

import itertools

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from robot_gcrl.physics.engine import Starts
from tests.physics.pairs import N, assert_agree_without_contact, pair
from tests.task.pushing import NUM_JOINTS, push

GOAL = np.array((0.64, 0.2))  # [m]
PUSH_STEPS = 90


def script(task, qpos):
    """Targets [PUSH_STEPS, 7] that push the object from this start to GOAL, in C MuJoCo."""
    data, rows = mujoco.MjData(task.model), []
    data.qpos = qpos
    mujoco.mj_forward(task.model, data)
    for targets in itertools.islice(push(task, data, GOAL, (0,)), PUSH_STEPS):
        rows.append(targets)
        data.ctrl[:] = targets
        mujoco.mj_step(task.model, data, task.substeps)
    return np.array(rows + rows[-1:] * (PUSH_STEPS - len(rows)), np.float32)


@pytest.fixture(scope="module")
def pusher():
    return pair("pusher")


# Seen to fail: one substep fewer on MJX.
@pytest.mark.slow  # XLA takes a minute for it on a CPU
def test_it_is_the_same_in_the_air(pusher):
    assert_agree_without_contact(pusher, pusher.start())


# Seen to fail: the object's collision shape a cylinder, whose contacts MJX searches.
@pytest.mark.slow
def test_pushes_agree_step_by_step_and_in_what_they_move(pusher):
    task, state = pusher.task, pusher.start()
    ctrl = np.stack([script(task, qpos) for qpos in np.asarray(state.qpos, float)], 1)
    starts = Starts(jnp.zeros(N, bool), state.qpos, state.qvel, {})
    first, contacts = state.qpos[:, NUM_JOINTS:], 0
    states = {"native": state, "mjx": state}
    for targets in ctrl:
        # one step of both from the state of C MuJoCo
        native, mjx = (step(states["native"], targets, starts) for step in pusher.steps.values())
        contacts += sum(pusher.contacts(qpos) for qpos in native.qpos)
        assert np.abs(native.qpos - mjx.qpos).max() <= 1e-4
        states = {"native": native, "mjx": pusher.steps["mjx"](states["mjx"], targets, starts)}
    assert contacts > 0
    moved = {name: np.asarray(s.qpos[:, NUM_JOINTS:] - first) for name, s in states.items()}
    assert np.linalg.norm(moved["native"], axis=1).min() > 0.25
    # a script without feedback, to the end: within a fifth of the radius of success
    np.testing.assert_allclose(moved["mjx"], moved["native"], atol=0.02)
