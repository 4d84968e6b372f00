"""The arm with a cube on MJX and C MuJoCo (design: tasks.md). XLA takes minutes for it on a CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.physics.engine import Starts
from robot_gcrl.task.arm import READY
from tests.physics.pairs import N, assert_agree_without_contact, pair
from tests.task.arm_script import CLOSE, OPEN, ScriptedArm

pytestmark = pytest.mark.slow

HEIGHT = 0.03  # of the cube's center and of the fingertips [m]


def moments(arm, script):
    """States while `script` runs, one a control step: qpos, qvel, ctrl."""
    found, act = [], arm.act

    def record(action):
        qpos, qvel = arm.data.qpos.copy(), arm.data.qvel.copy()
        act(action)
        found.append((qpos, qvel, arm.ctrl))

    arm.act = record
    script(arm)
    return [np.array(part, np.float32) for part in zip(*found, strict=True)]


def grasp_and_carry(arm):
    x, y, _ = arm.cube
    for z, gripper in ((0.12, OPEN), (HEIGHT, OPEN)):
        arm.go(np.array((x, y, z)), gripper)
    arm.wait(CLOSE, 12)
    arm.go(np.array((x, y, 0.12)), CLOSE)
    arm.go(np.array((0.06, y, 0.06)), CLOSE)  # against the wall


def push(arm):
    x, y, _ = arm.cube
    arm.go(np.array((x + 0.07, y, 0.1)), CLOSE, speed=0.5)
    arm.go(np.array((x + 0.07, y, HEIGHT)), CLOSE)
    arm.go(np.array((x - 0.1, y, HEIGHT)), CLOSE)


def step_both(arms, qpos, qvel, ctrl):
    """The states of both engines after one control step from the same state [N, ..]."""
    state = arms.start()._replace(qpos=jnp.asarray(qpos), qvel=jnp.asarray(qvel))
    starts = Starts(jnp.zeros(N, bool), state.qpos, state.qvel, {})
    return [step(state, jnp.asarray(ctrl), starts) for step in arms.steps.values()]


def test_without_contact():
    arms = pair("arm_binpick")
    state = arms.start()
    # the hand high above the walls; the cube in the air, where it falls as long as the test lasts
    height = arms.task.model.joint("cube/joint").qposadr[0] + 2
    qpos = state.qpos.at[:, : len(READY)].set(jnp.array(READY)).at[:, height].add(10.0)
    assert_agree_without_contact(arms, state._replace(qpos=qpos))


def test_first_control_step_in_contact():
    arms = pair("arm_binpick")
    arm = ScriptedArm("arm_binpick", cube=(0.14, 0.47, HEIGHT), turn=0.05)
    qpos, qvel, ctrl = moments(arm, grasp_and_carry)
    count = len(qpos) // N * N
    worst = []
    for i in range(0, count, N):
        part = slice(i, i + N)
        native, mjx = step_both(arms, qpos[part], qvel[part], ctrl[part])
        worst.extend(np.abs(native.qpos - mjx.qpos).max(1).tolist())
    print(np.round(np.array(worst) * 1e6))
    assert max(worst) <= 1e-4


def test_a_push_moves_the_cube_equally_far():
    arms = pair("arm_binpick")
    places = ((0.14, 0.5, 0.0), (0.12, 0.55, 0.3), (0.2, 0.45, 0.7), (0.16, 0.52, -0.4))
    scripted = [ScriptedArm("arm_binpick", cube=(x, y, HEIGHT), turn=turn) for x, y, turn in places]
    for arm in scripted:
        push(arm)
    steps = max(arm.time for arm in scripted)
    for arm in scripted:
        arm.wait(CLOSE, steps + 10 - arm.time)
    state = arms.start()._replace(
        qpos=jnp.asarray(np.array([arm.start for arm in scripted]), jnp.float32),
        qvel=jnp.zeros((N, arms.task.model.nv)),
    )
    starts = Starts(jnp.zeros(N, bool), state.qpos, state.qvel, {})
    step = arms.steps["mjx"]
    for ctrl in np.stack([arm.ctrls for arm in scripted], axis=1):
        state = step(state, jnp.asarray(ctrl), starts)
    cube = arms.task.model.joint("cube/joint").qposadr[0]
    on_mjx = np.asarray(jax.device_get(state.qpos))[:, cube : cube + 2]
    on_c = np.array([arm.cube[:2] for arm in scripted])
    moved = np.linalg.norm(on_c - np.array(places)[:, :2], axis=-1)
    print(moved, on_mjx - on_c)
    assert moved.min() > 0.05
    assert np.linalg.norm(on_mjx - on_c, axis=-1).max() < 0.02
