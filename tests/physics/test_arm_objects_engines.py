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
    """States while `script` runs, one a control step: qpos, qvel, qacc_warmstart, ctrl."""
    found, act = [], arm.act

    def record(action):
        data = arm.data
        state = [part.copy() for part in (data.qpos, data.qvel, data.qacc_warmstart)]
        act(action)
        found.append((*state, arm.ctrl))

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
    arm.wait(OPEN, 6)  # it falls


def reach_behind(arm):
    x, y, _ = arm.cube
    arm.go(np.array((x + 0.07, y, 0.1)), CLOSE, speed=0.5)
    arm.go(np.array((x + 0.07, y, HEIGHT)), CLOSE)


def push(arm):
    x, y, _ = arm.cube
    arm.go(np.array((x - 0.02, y, HEIGHT)), CLOSE)


def reach_and_push(arm):
    reach_behind(arm)
    push(arm)


def in_batches(rows):
    """Of arrays [count, ..] N rows at a time; the last is repeated to fill the last batch."""
    count = len(rows[0])
    for first in range(0, count, N):
        index = np.minimum(np.arange(first, first + N), count - 1)
        yield [jnp.asarray(part[index]) for part in rows]


def step_both(arms, qpos, qvel, warmstart, ctrl):
    """The states of both engines after one control step from the same state [N, ..]."""
    state = arms.start()._replace(qpos=qpos, qvel=qvel, qacc_warmstart=warmstart)
    starts = Starts(jnp.zeros(N, bool), state.qpos, state.qvel, {})
    return [step(state, ctrl, starts) for step in arms.steps.values()]


def test_without_contact():
    # seen to fail from a start at which the cube was touched
    arms = pair("arm_binpick")
    state = arms.start()
    # the hand high above the walls; the cube in the air, where it falls as long as the test lasts
    height = arms.task.model.joint("cube/joint").qposadr[0] + 2
    qpos = state.qpos.at[:, : len(READY)].set(jnp.array(READY)).at[:, height].add(10.0)
    assert_agree_without_contact(arms, state._replace(qpos=qpos))


def test_first_control_step_in_contact():
    # seen to fail with the cube's box on the floor instead of its corners: at the start
    arms, worst = pair("arm_binpick"), []
    for script in (grasp_and_carry, reach_and_push):
        arm = ScriptedArm("arm_binpick", cube=(0.14, 0.47, HEIGHT), turn=0.05)
        for batch in in_batches(moments(arm, script)):
            native, mjx = step_both(arms, *batch)
            worst.extend(np.abs(native.qpos - mjx.qpos).max(1).tolist())
    print(np.round(np.array(worst) * 1e6))
    assert max(worst) <= 1e-4


def pushes(count):
    """Moments of pushes of cubes in different places and directions, each [steps, count, ..]."""
    rng, done = np.random.default_rng(0), []
    for place in rng.uniform((0.1, 0.44), (0.2, 0.56), (count, 2)):
        arm = ScriptedArm("arm_binpick", cube=(*place, HEIGHT), turn=rng.uniform(-0.8, 0.8))
        reach_behind(arm)
        done.append(moments(arm, push))
    steps = min(len(ctrl) for *_, ctrl in done)  # the last ones are of rest
    return [np.stack([part[:steps] for part in parts], 1) for parts in zip(*done, strict=True)]


def test_a_push_moves_the_cube_equally_far():
    # seen to fail with a friction of the cube of 0.1 in C MuJoCo alone
    engines = pair("arm_binpick")
    parts = pushes(16)
    cube = engines.task.model.joint("cube/joint").qposadr[0]
    on_mjx = []
    for first in range(0, parts[0].shape[1], N):
        qpos, qvel, warmstart, ctrls = (part[:, first : first + N] for part in parts)
        state = engines.start()._replace(
            qpos=jnp.asarray(qpos[0]),
            qvel=jnp.asarray(qvel[0]),
            qacc_warmstart=jnp.asarray(warmstart[0]),
        )
        starts = Starts(jnp.zeros(N, bool), state.qpos, state.qvel, {})
        for ctrl in ctrls[:-1]:
            state = engines.steps["mjx"](state, jnp.asarray(ctrl), starts)
        on_mjx.extend(np.asarray(jax.device_get(state.qpos))[:, cube : cube + 2])
    started, ended = parts[0][0, :, cube : cube + 2], parts[0][-1, :, cube : cube + 2]
    in_c = np.linalg.norm(ended - started, axis=-1)
    difference = np.linalg.norm(np.array(on_mjx) - started, axis=-1) - in_c
    half = 1.96 * difference.std(ddof=1) / np.sqrt(len(difference))
    print(in_c.mean(), difference.mean(), half, np.sort(abs(difference))[-4:])
    assert in_c.min() > 0.03
    assert abs(difference.mean()) + half < 0.01
