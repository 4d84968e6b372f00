"""The arm with a gripper pushes, grips and carries a cube, in C MuJoCo."""

import jax
import mujoco
import numpy as np
import pytest

from robot_gcrl.contract.observe import (
    Report,
    achieved_goal,
    goal_distances,
    is_success,
    make_layout,
    read_inputs,
)
from robot_gcrl.task.arm_kinematics import ALONG_Y, reach_down
from robot_gcrl.task.arm_objects import CUBE_SIZE, GRIPPER_READY, LYING, REACH
from robot_gcrl.task.registry import load_task
from tests.task.arm_script import CLOSE, OPEN, ScriptedArm

TASKS = ("arm_push", "arm_push_hard", "arm_binpick", "arm_binpick_hard", "arm_grasp")


def cube_goals(task, count):
    """Cube positions of starts and of goals, each [count, 3]."""
    keys = jax.random.split(jax.random.key(0), count)
    qpos, qvel = jax.vmap(task.train.start)(keys)
    cubes = np.asarray(qpos)[:, 9:12]
    if task.name == "arm_grasp":  # its goals are its starts
        return cubes, cubes
    report = Report(qpos, qvel, np.zeros((count, task.model.nsensordata), np.float32))
    return cubes, np.asarray(jax.vmap(task.train.goal)(keys, report))


def succeeds(arm, goal):
    task, data = arm.task, arm.data
    layout = make_layout(task.contract, task.model)
    report = Report(data.qpos, data.qvel, data.sensordata)
    achieved = achieved_goal(task.contract, read_inputs(layout, report))
    return is_success(task.contract, goal_distances(task.contract, achieved, goal))


def pick(arm, closing=ALONG_Y):
    """The gripper around the cube, closed."""
    x, y, _ = arm.cube
    arm.go(np.array((x, y, 0.12)), OPEN, closing=closing)
    arm.go(np.array((x, y, LYING)), OPEN, closing=closing)
    arm.wait(CLOSE, 10)


def drag(arm, goal):
    """The cube is gripped as it is turned, drawn over the floor and let go."""
    x_axis = arm.data.sensor("cube/x_axis").data
    closing = ALONG_Y + np.arctan2(x_axis[1], x_axis[0])
    pick(arm, closing)
    arm.go(goal + np.array((0.0, 0.0, 0.002)), CLOSE, closing=closing)
    arm.wait(OPEN, 10)


def push(arm, goal):
    """The closed gripper behind the cube, then through it; again while it is beside its way."""
    for _ in range(3):
        cube, way = arm.cube[:2], goal[:2] - arm.cube[:2]
        if np.linalg.norm(way) < 0.07:
            break
        way /= np.linalg.norm(way)
        arm.go(np.array((*(cube - 0.08 * way), 0.1)), CLOSE, speed=1.0)
        arm.go(np.array((*(cube - 0.08 * way), 0.02)), CLOSE, speed=1.0)
        arm.go(np.array((*(goal[:2] - 0.05 * way), 0.02)), CLOSE, speed=0.3)
        arm.go(np.array((*arm.tip[:2], 0.1)), CLOSE, speed=1.0)


# The wide regions hold places behind which the arm does not reach: it must draw the cube there.
@pytest.mark.parametrize(("name", "move"), [("arm_push", push), ("arm_push_hard", drag)])
def test_the_arm_moves_cubes_to_their_goals(name, move):
    # seen to fail with the cube's conaffinity 0: the gripper passes through it
    task, moved = load_task(name), []
    _, goals = cube_goals(task, 4)
    for seed, goal in enumerate(goals):
        arm = ScriptedArm(name, seed=seed)
        start = arm.cube
        move(arm, goal)
        moved.append(np.linalg.norm(arm.cube - start))
        assert succeeds(arm, goal), (seed, arm.cube, goal)
        assert arm.time < task.episode_length
    assert max(moved) > 0.15


def test_the_gripper_lifts_the_cube_and_holds_it():
    # seen to fail with a friction of the pads of 0.02: the cube stays on the mat
    arm = ScriptedArm("arm_push", cube=(0.1, 0.5, LYING))
    pick(arm)
    arm.go(np.array((0.1, 0.5, 0.25)), CLOSE)
    lifted = arm.cube
    assert lifted[2] > LYING + 0.15
    arm.wait(CLOSE, 40)  # 2 s
    assert np.linalg.norm(arm.cube - lifted) < 3e-3
    arm.wait(OPEN, 20)
    np.testing.assert_allclose(arm.cube, (0.1, 0.5, LYING), atol=5e-3)


@pytest.mark.parametrize("name", ["arm_binpick", "arm_binpick_hard"])
def test_the_arm_carries_cubes_over_the_wall(name):
    # seen to fail with a divider of 0.2 m, over which the hand cannot carry
    task = load_task(name)
    _, goals = cube_goals(task, 3)
    for seed, goal in enumerate(goals):
        arm = ScriptedArm(name, seed=seed)
        start = arm.cube
        pick(arm)
        arm.go(np.array((*start[:2], 0.16)), CLOSE)
        arm.go(np.array((*goal[:2], 0.16)), CLOSE, speed=0.5)
        arm.go(goal + np.array((0.0, 0.0, 0.005)), CLOSE)
        arm.wait(OPEN, 10)
        assert start[0] > 0.0 > arm.cube[0]
        assert succeeds(arm, goal), (seed, arm.cube, goal)
        assert arm.time < task.episode_length


def test_no_cube_is_pushed_over_the_wall():
    # seen to fail with a divider of 0.02 m
    arm = ScriptedArm("arm_binpick", cube=(0.08, 0.5, LYING))
    arm.go(np.array((0.17, 0.5, 0.1)), CLOSE)
    arm.go(np.array((0.17, 0.5, 0.02)), CLOSE)
    arm.go(np.array((-0.05, 0.5, 0.04)), CLOSE)
    assert arm.cube[0] > 0.0


def test_a_grasp_is_what_the_task_calls_success():
    # seen to fail with TIP_RADIUS 0.15: a hand above the cube counts
    task = load_task("arm_grasp")
    for seed in range(4):
        arm = ScriptedArm("arm_grasp", seed=seed)
        goal = np.array((*arm.cube, *arm.cube, CUBE_SIZE), np.float32)
        assert not succeeds(arm, goal)
        x, y, _ = arm.cube
        for gripper in (OPEN, CLOSE):  # above the cube, whatever the gap
            arm.go(np.array((x, y, 0.12)), gripper)
            assert not succeeds(arm, goal)
        pick(arm)
        assert succeeds(arm, goal), seed
        assert arm.time < task.episode_length


def test_goals_of_a_grasp_are_where_the_cube_lay():
    # seen to fail with a goal of the right fingertip at the origin
    task = load_task("arm_grasp")
    qpos, qvel = task.train.start(jax.random.key(3))
    data = mujoco.MjData(task.model)
    data.qpos[:] = qpos
    mujoco.mj_forward(task.model, data)
    goal = task.train.goal(jax.random.key(0), Report(qpos, qvel, np.float32(data.sensordata)))
    np.testing.assert_allclose(goal, (*qpos[9:12], *qpos[9:12], CUBE_SIZE), atol=1e-6)


@pytest.mark.parametrize("name", TASKS)
def test_every_place_is_within_reach(name):
    # seen to fail with REACH from 0.2 to 0.85 m
    task = load_task(name)
    for places in cube_goals(task, 12):
        radii = np.linalg.norm(places[:, :2], axis=-1)
        assert radii.min() > REACH[0] - 1e-6
        assert radii.max() < REACH[1] + 1e-6
        for place in places:
            for height in (LYING, 0.16):
                tip = np.array((*place[:2], height))
                assert reach_down(task.model, np.array(GRIPPER_READY), tip)[1] < 1e-3, tip


@pytest.mark.parametrize("name", TASKS)
def test_random_actions_leave_sane_states(name):
    # seen to fail with ls_iterations="8", with which squeezed cubes leave at over 20 m/s
    task, rng = load_task(name), np.random.default_rng(0)
    assert task.anywhere is not None
    for key in jax.random.split(jax.random.key(1), 4):
        arm = ScriptedArm(name)
        arm.data.qpos[:] = task.anywhere(key)[0]
        mujoco.mj_forward(arm.model, arm.data)
        arm.ctrl = arm.data.qpos[:8].astype(np.float32)
        bias = np.zeros(8)
        for i in range(task.episode_length):
            if i % 20 == 0:
                bias = rng.uniform(-1, 1, 8)
            arm.act(np.clip(bias + rng.normal(0, 0.5, 8), -1, 1))
            assert np.isfinite(arm.data.qpos).all()
            # An arm that presses a cube against the wall between the bins goes 3.7 cm into it
            assert arm.data.contact.dist.min(initial=0.0) > -0.04
            assert abs(arm.data.qvel[9:12]).max() < 5.0
            assert abs(arm.data.qpos[7] - arm.data.qpos[8]) < 6e-3


def test_a_cube_between_the_fingers_stays_there():
    # seen to fail with fingers that start 6 mm off the cube
    task, held = load_task("arm_binpick"), 0
    assert task.anywhere is not None
    for key in jax.random.split(jax.random.key(2), 10):
        arm = ScriptedArm("arm_binpick")
        arm.data.qpos[:] = task.anywhere(key)[0]
        mujoco.mj_forward(arm.model, arm.data)
        arm.ctrl = arm.data.qpos[:8].astype(np.float32)
        if np.linalg.norm(arm.cube - arm.tip) < 1e-3:
            held += 1
            arm.wait(CLOSE, 20)
            assert np.linalg.norm(arm.cube - arm.tip) < 0.01
    assert 1 < held < 10


def test_a_cube_between_open_fingers_can_be_taken_by_sinking_and_closing():
    # seen to fail with cubes that lie 3 cm off in y: the fingers come down on them
    task, taken = load_task("arm_binpick"), 0
    assert task.anywhere is not None
    for key in jax.random.split(jax.random.key(3), 20):
        arm = ScriptedArm("arm_binpick")
        arm.data.qpos[:] = task.anywhere(key)[0]
        mujoco.mj_forward(arm.model, arm.data)
        arm.ctrl = arm.data.qpos[:8].astype(np.float32)
        x, y, _ = abs(arm.cube - arm.tip)
        holds = np.linalg.norm(arm.cube - arm.tip) < 1e-3
        if arm.cube[2] < LYING + 1e-3 and not holds and x < 0.015 and y < arm.data.qpos[7] - 0.03:
            taken += 1
            arm.go(np.array((*arm.tip[:2], LYING)), OPEN)
            arm.wait(CLOSE, 15)
            arm.go(np.array((*arm.tip[:2], 0.15)), CLOSE)
            assert arm.cube[2] > 0.12
    assert 2 < taken < 12


def test_few_solver_iterations_suffice():
    # seen to fail with iterations="1" ls_iterations="2"
    arm = ScriptedArm("arm_binpick", cube=(0.12, 0.5, LYING))
    precise = load_task("arm_binpick").model
    precise.opt.iterations, precise.opt.ls_iterations = 100, 50
    better, differences, act = mujoco.MjData(precise), [], arm.act

    def compare(action):
        for field in ("qpos", "qvel", "qacc_warmstart"):
            getattr(better, field)[:] = getattr(arm.data, field)
        act(action)
        better.ctrl[:] = arm.ctrl
        mujoco.mj_step(precise, better, arm.task.substeps)
        differences.append(abs(better.qpos - arm.data.qpos).max())

    arm.act = compare
    pick(arm)
    arm.go(np.array((0.12, 0.5, 0.05)), CLOSE)
    arm.go(np.array((0.03, 0.5, 0.05)), CLOSE)  # against the wall
    assert np.percentile(differences, 95) < 1e-4


def test_the_gripper_is_as_quick_and_strong_as_its_model():
    # 0.05 m/s for each finger, under 70 N between them; seen to fail with a motor of 90 N
    arm = ScriptedArm("arm_push")
    arm.wait(CLOSE, 20)
    speeds = []
    for _ in range(20):
        arm.wait(OPEN, 1)
        speeds.append(arm.data.qvel[7])
    assert 0.045 < max(speeds) < 0.055
    assert abs(arm.data.qpos[7:9] - 0.04).max() < 2e-3
    arm = ScriptedArm("arm_push", cube=(0.1, 0.5, LYING))
    pick(arm)
    force, normal = np.zeros(6), {"left": 0.0, "right": 0.0}
    for i, contact in enumerate(arm.data.contact):
        side = arm.model.geom(contact.geom1).name.split("_")[0]
        if side in normal:
            mujoco.mj_contactForce(arm.model, arm.data, i, force)
            normal[side] += force[0]
    np.testing.assert_allclose(list(normal.values()), 30.0, rtol=0.05)


def test_the_links_are_those_of_the_arm():
    # seen to fail with a mass of link3 of 3.2 kg
    arm, gripper = load_task("arm_reach").model, load_task("arm_push").model
    bodies = ["base", *(f"link{i}" for i in range(1, 8)), "hand"]
    for part in ("body_pos", "body_quat", "body_mass", "body_ipos", "body_inertia"):
        # the hand's fingers are bodies of their own
        same = bodies if part in ("body_pos", "body_quat") else bodies[:-1]
        ids = [[model.body(name).id for name in same] for model in (arm, gripper)]
        np.testing.assert_array_equal(getattr(arm, part)[ids[0]], getattr(gripper, part)[ids[1]])
    hands = (gripper.body(name).mass[0] for name in ("hand", "left_finger", "right_finger"))
    np.testing.assert_allclose(sum(hands), arm.body("hand").mass[0])
    for part in ("jnt_range", "dof_armature", "dof_damping"):
        np.testing.assert_array_equal(getattr(arm, part), getattr(gripper, part)[:7])
    for part in ("gainprm", "biasprm", "ctrlrange", "forcerange"):
        name = f"actuator_{part}"
        np.testing.assert_array_equal(getattr(arm, name), getattr(gripper, name)[:7])


def test_what_collides():
    # seen to fail with the pads' contype at 4, which floor and walls miss
    model = load_task("arm_binpick").model

    def meet(first, second):
        a, b = model.geom(first), model.geom(second)
        return bool(a.contype[0] & b.conaffinity[0] or b.contype[0] & a.conaffinity[0])

    for limb in ("left_pad_front", "right_pad_back", "hand_center"):
        assert [meet(limb, other) for other in ("arena/floor", "wall_0", "cube/cube")] == [True] * 3
    corners = [f"cube/corner_{i}" for i in range(8)]
    assert all(meet(corner, other) for corner in corners for other in ("arena/floor", "wall_0"))
    assert meet("cube/middle", "wall_0")
    # what MJX and C MuJoCo do not agree on: boxes with a plane and with each other
    assert not any(meet("cube/cube", other) for other in ("arena/floor", "wall_0"))
    assert not any(meet("cube/cube", f"link{i}") for i in range(1, 8))
    assert not meet("left_pad_front", "right_pad_front")
    assert not any(meet("mat/mat", other) for other in ("cube/cube", "left_pad_front"))
