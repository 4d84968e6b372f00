"""The robots move as their tasks say, in C MuJoCo."""

import jax
import mujoco
import numpy as np
import pytest

from robot_gcrl.errors import TaskError
from robot_gcrl.rooms import room
from robot_gcrl.task.registry import load_task, task_names
from robot_gcrl.task.scene import Camera, make_scene


def starts(task, count):
    qpos, qvel = jax.vmap(task.train.start)(jax.random.split(jax.random.key(0), count))
    return np.asarray(qpos, float), np.asarray(qvel, float)


def control_step(task, data, ctrl):
    data.ctrl[:] = ctrl
    for _ in range(task.substeps):
        mujoco.mj_step(task.model, data)


def test_random_actions_leave_ants_upright():
    # seen to fail with the ant's density at 5 kg/m^3, as in gym's ant: 54% upright
    task = load_task("ant")
    data, rng, upright = mujoco.MjData(task.model), np.random.default_rng(0), []
    for qpos, qvel in zip(*starts(task, 60), strict=True):
        mujoco.mj_resetData(task.model, data)
        data.qpos[:], data.qvel[:] = qpos, qvel
        for _ in range(100):  # 10 s
            control_step(task, data, rng.uniform(-60, 60, 8))
        upright.append(data.body("torso").xmat[8] > 0.0)
        assert not any(warning.number for warning in data.warning)
    assert np.mean(upright) > 0.95


def test_only_feet_and_torso_of_the_ant_collide():
    model = load_task("ant_maze").model
    bits = {model.geom(i).name: model.geom_contype[i] for i in range(model.ngeom)}
    colliding = {name for name, bit in bits.items() if bit & 1}
    assert colliding == {"torso"} | {name for name in bits if name.endswith("_foot")}
    assert not any(
        model.geom_contype[i] & model.geom_conaffinity[j]
        for i in range(model.ngeom)
        for j in range(model.ngeom)
        if model.geom_bodyid[i] and model.geom_bodyid[j]
    )


def test_few_solver_iterations_suffice():
    # seen to fail with iterations="2" ls_iterations="4" in ant.xml
    task, precise = load_task("ant"), load_task("ant").model
    precise.opt.iterations, precise.opt.ls_iterations = 100, 50
    data, better = mujoco.MjData(task.model), mujoco.MjData(precise)
    data.qpos[:] = starts(task, 1)[0][0]
    rng, differences = np.random.default_rng(0), []
    for _ in range(300):
        for field in ("qpos", "qvel", "qacc_warmstart"):
            getattr(better, field)[:] = getattr(data, field)
        better.ctrl[:] = rng.uniform(-60, 60, 8)
        control_step(task, data, better.ctrl)
        mujoco.mj_step(precise, better, task.substeps)
        differences.append(abs(better.qpos - data.qpos).max())
    assert np.percentile(differences, 95) < 1e-3


def tip(model, data):
    return data.sensor("tip_in_world").data.copy()


def reach(model, data, goal):
    """Damped least squares from where the arm is; the distance that remains [m]."""
    jacobian, error = np.zeros((3, model.nv)), np.full(3, np.inf)
    low, high = model.jnt_range.T
    for _ in range(200):
        mujoco.mj_forward(model, data)
        error = goal - tip(model, data)
        if np.linalg.norm(error) < 1e-3:
            break
        mujoco.mj_jacSite(model, data, jacobian, None, model.site("tip").id)
        step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-3 * np.eye(3), error)
        data.qpos[:] = np.clip(data.qpos + step.clip(-0.1, 0.1), low, high)
    return float(np.linalg.norm(error))


def test_the_arm_reaches_every_goal():
    # seen to fail with GOAL_CENTER at y = 0.75 m
    task = load_task("arm_reach")
    low, high = task.contract.goal_bounds
    corners = np.stack(np.meshgrid(*zip(low, high, strict=True)), -1).reshape(-1, 3)
    data, (ready,) = mujoco.MjData(task.model), starts(task, 1)[0]
    for goal in (*corners, *np.random.default_rng(0).uniform(low, high, (20, 3))):
        data.qpos[:] = ready
        assert reach(task.model, data, goal) < 2e-3, goal


def test_the_arm_follows_its_targets_within_its_limits():
    # seen to fail with kp 3000 and kv 150, which pull joints at 6 rad/s
    task = load_task("arm_reach")
    limits = np.array(task.contract.action.velocity_limit)
    data, rng = mujoco.MjData(task.model), np.random.default_rng(0)
    data.qpos[:] = target = starts(task, 1)[0][0]
    low, high = task.model.actuator_ctrlrange.T
    for _ in range(10):
        bias = rng.uniform(-1, 1, 7)
        for _ in range(100):
            target = np.clip(
                target + 0.05 * np.clip(bias + rng.normal(0, 0.3, 7), -1, 1), low, high
            )
            control_step(task, data, target)
            assert (abs(data.qvel) < limits).all()
            assert (abs(data.actuator_force) < task.model.actuator_forcerange[:, 1]).all()
            assert abs(data.qpos - target).max() < 0.08
    for _ in range(10):  # 0.5 s
        control_step(task, data, target)
    assert abs(data.qpos - target).max() < 1e-3


def test_the_arm_has_the_published_dimensions():
    # the straight arm: 0.333 + 0.316 + 0.384 m up, 0.088 m forward, hand and flange down
    model = load_task("arm_reach").model
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(
        tip(model, data), (0.0, 0.088, 0.333 + 0.316 + 0.384 - 0.107 - 0.1034), atol=1e-9
    )


def test_the_reacher_has_its_dimensions_and_top_speed():
    task = load_task("reacher")
    data = mujoco.MjData(task.model)
    mujoco.mj_forward(task.model, data)
    np.testing.assert_allclose(tip(task.model, data)[:2], (0.21, 0.0), atol=1e-9)
    for _ in range(60):
        control_step(task, data, (0.15, 0.0))
    assert 7.0 < data.qvel[0] < 8.0


def test_the_ball_reaches_its_speed_and_stays_inside():
    # seen to fail with the walls' conaffinity at 1, which the ball's contype 2 misses
    task = load_task("point_maze")
    data = mujoco.MjData(task.model)
    for _ in range(120):
        control_step(task, data, (0.0, 6.25))
    np.testing.assert_allclose(data.qpos, (0.0, 8.0 + 2.0 - 0.38), atol=0.05)  # at the wall
    open_floor = load_task("point")
    data = mujoco.MjData(open_floor.model)
    for _ in range(60):
        control_step(open_floor, data, (6.25, 0.0))
    np.testing.assert_allclose(data.qvel, (2.5, 0.0), atol=0.01)
    assert data.ncon == 0


@pytest.mark.parametrize("robot", ["ant", "point"])
def test_mazes_give_time_for_the_farthest_cell(robot):
    speed = {"ant": 0.5, "point": 2.0}[robot]  # [m/s]
    for name in task_names():
        if name.startswith(f"{robot}_maze_"):
            task = load_task(name)
            path = int(task.regions.names[-1].split()[-2]) * 4.0  # [m]
            assert task.episode_length * task.contract.control_dt > path / speed


def test_unknown_robots():
    camera = Camera(position=(1.0, 0.0, 1.0), target=(0.0, 0.0, 0.0))
    with pytest.raises(TaskError) as caught:
        make_scene("dog", camera=camera)
    known = ", ".join(sorted(path.stem for path in room("assets").glob("*.xml")))
    assert "quadruped" in known
    assert str(caught.value) == (
        f"The scene needs 'dog.xml', which the assets do not have. They have: {known}. Name one "
        "of these, or build the scene with mujoco.MjSpec yourself."
    )


def test_the_camera_sees_its_target_upright():
    camera = Camera(position=(3.0, 1.0, 2.0), target=(0.5, 0.0, 0.2))
    model = make_scene("point", camera=camera).compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    right, up, back = data.camera("scene").xmat.reshape(3, 3).T
    to_target = np.subtract(camera.target, camera.position)
    np.testing.assert_allclose(-back, to_target / np.linalg.norm(to_target), atol=1e-9)
    assert abs(right[2]) < 1e-9
    assert up[2] > 0.0
