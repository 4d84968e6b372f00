"""The arm with the fork moves and pushes as its tasks say, in C MuJoCo."""

import itertools

import jax
import mujoco
import numpy as np
import pytest

from robot_gcrl.contract.observe import Report
from robot_gcrl.task.registry import load_task
from tests.task.pushing import LOW, NUM_JOINTS, approach, push, wrist_behind

NAMES = ("pusher", "pusher_hard", "pusher_two")
READY = np.array((0.0, 1.22, 0.0, -1.5, 0.0, -0.06, 0.0))  # [rad]
ROLLED = np.array((-0.7, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0))  # the elbow swings to the right


def episodes(task, count):
    """Starts [count, nq] and goals [count, G]."""
    qpos, qvel = jax.vmap(task.train.start)(jax.random.split(jax.random.key(1), count))
    data, rows = mujoco.MjData(task.model), []
    for position in np.asarray(qpos):
        data.qpos = position
        mujoco.mj_forward(task.model, data)
        rows.append(data.sensordata.astype(np.float32))
    report = Report(np.asarray(qpos), np.asarray(qvel), np.stack(rows))
    goals = jax.vmap(task.train.goal)(jax.random.split(jax.random.key(2), count), report)
    return np.asarray(qpos, float), np.asarray(goals, float)


def follow(task, data, targets):
    data.ctrl[:] = targets
    mujoco.mj_step(task.model, data, task.substeps)


def remaining(task, data, goal):
    return np.linalg.norm((data.qpos[NUM_JOINTS:] - goal).reshape(-1, 2), axis=1)


# Seen to fail: goals of pusher nearer to the arm than starts, where the fork opens the wrong way.
@pytest.mark.parametrize(("name", "order"), [("pusher", (0,)), ("pusher_two", (1, 0))])
def test_a_script_pushes_every_object_to_its_goal(name, order):
    task = load_task(name)
    (radius,) = {group.radius for group in task.contract.success}
    for qpos, goal in zip(*episodes(task, 6), strict=True):
        data = mujoco.MjData(task.model)
        data.qpos = qpos
        mujoco.mj_forward(task.model, data)
        start = remaining(task, data, goal)
        assert (start >= 0.17).all()
        for targets in itertools.islice(push(task, data, goal, order), task.episode_length):
            follow(task, data, targets)
        assert (remaining(task, data, goal) <= radius).all(), (qpos, goal)
        assert not any(warning.number for warning in data.warning)


def test_the_script_solves_most_of_the_hard_ones():
    # The script opens the fork outward; a goal right behind an object wants another grip.
    # Seen to fail: with half of the episode's length, 9 of 12.
    task, solved = load_task("pusher_hard"), 0
    (radius,) = {group.radius for group in task.contract.success}
    for qpos, goal in zip(*episodes(task, 12), strict=True):
        data = mujoco.MjData(task.model)
        data.qpos = qpos
        mujoco.mj_forward(task.model, data)
        for targets in itertools.islice(push(task, data, goal, (0,)), task.episode_length):
            follow(task, data, targets)
        solved += bool((remaining(task, data, goal) <= radius).all())
    assert solved >= 11


# Seen to fail: starts of pusher_hard as near as x = 0.48 m.
@pytest.mark.parametrize("name", NAMES)
def test_the_fork_reaches_around_objects_at_every_start_and_goal(name):
    task = load_task(name)
    starts, goals = (np.array(rows) for rows in episodes(task, 40))
    places = np.concatenate((starts[:, NUM_JOINTS:].reshape(-1, 2), goals.reshape(-1, 2)))
    scratch = mujoco.MjData(task.model)
    corners = np.array(list(itertools.product(*zip(places.min(0), places.max(0), strict=True))))
    for place in np.concatenate((corners, places[:12])):
        distances = []
        for roll in (0.0, 0.8, -0.8):  # the elbow below, to the left and to the right
            targets, distance = READY + roll * ROLLED, np.inf
            for _ in range(120):
                targets, distance = approach(
                    task.model, scratch, targets, *wrist_behind(place, 0.0, LOW)
                )
            distances.append(distance)
        # the prongs leave 3 cm on either side of an object
        assert min(distances) < 0.03, place


# Seen to fail: objects without damping, which leave the table.
@pytest.mark.parametrize("name", NAMES)
def test_random_actions_leave_arm_and_objects_sane(name):
    task, rng = load_task(name), np.random.default_rng(0)
    low, high = task.model.actuator_ctrlrange.T
    lowest, moved = np.inf, []
    for qpos in episodes(task, 8)[0]:
        data = mujoco.MjData(task.model)
        data.qpos = qpos
        targets = qpos[:NUM_JOINTS]
        bias = rng.uniform(-1, 1, NUM_JOINTS)
        for _ in range(task.episode_length):
            action = np.clip(0.5 * bias + rng.uniform(-1, 1, NUM_JOINTS), -1, 1)
            targets = np.clip(targets + 0.05 * action, low, high)
            follow(task, data, targets)
            assert abs(data.qvel).max() < 6.0
            lowest = min(lowest, data.geom("fork").xpos[2], *data.site("tip").xpos[2:])
        moved.append(abs(data.qpos[NUM_JOINTS:] - qpos[NUM_JOINTS:]).max())
        assert not any(warning.number for warning in data.warning)
    assert lowest > 0.3  # the fork stays above the table
    assert max(moved) < 1.5


def test_few_solver_iterations_suffice():
    # seen to fail with iterations="1" in pusher.xml
    task, precise = load_task("pusher_two"), load_task("pusher_two").model
    precise.opt.iterations, precise.opt.ls_iterations = 100, 50
    qpos, goals = episodes(task, 1)
    data, better, differences = mujoco.MjData(task.model), mujoco.MjData(precise), []
    data.qpos = qpos[0]
    mujoco.mj_forward(task.model, data)
    for targets in itertools.islice(push(task, data, goals[0], (1, 0)), task.episode_length):
        for field in ("qpos", "qvel", "qacc_warmstart"):
            getattr(better, field)[:] = getattr(data, field)
        better.ctrl[:] = targets
        mujoco.mj_step(precise, better, task.substeps)
        follow(task, data, targets)
        differences.append(abs(better.qpos - data.qpos).max())
    assert max(differences) < 1e-5


def test_the_arm_follows_its_targets():
    # seen to fail with the damping of the large joints at 100 N m s/rad
    task, rng = load_task("pusher"), np.random.default_rng(0)
    data, (qpos,) = mujoco.MjData(task.model), episodes(task, 1)[0]
    data.qpos = qpos
    targets = qpos[:NUM_JOINTS]
    low, high = task.model.actuator_ctrlrange.T
    for _ in range(10):
        bias = rng.uniform(-1, 1, NUM_JOINTS)
        bias[1] = -0.3  # upward: the table would hold the arm
        for _ in range(20):
            targets = np.clip(targets + 0.05 * bias, low, high)
            follow(task, data, targets)
            assert abs(data.qpos[:NUM_JOINTS] - targets).max() < 0.2
            assert (abs(data.actuator_force) < task.model.actuator_forcerange[:, 1]).all()
    for _ in range(20):  # 1 s
        follow(task, data, targets)
    assert abs(data.qpos[:NUM_JOINTS] - targets).max() < 0.01


def test_the_arm_has_the_published_dimensions():
    # the straight arm: 0.1 + 0.4 + 0.321 + 0.1 m ahead
    model = load_task("pusher").model
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(data.sensor("tip_in_world").data, (0.921, 0.0, 0.78), atol=1e-9)


def test_only_the_fork_touches_and_only_table_and_objects():
    model = load_task("pusher_two").model

    def pairs(geom):
        return {
            model.geom(other).name
            for other in range(model.ngeom)
            if other != geom
            and (
                model.geom_contype[geom] & model.geom_conaffinity[other]
                or model.geom_contype[other] & model.geom_conaffinity[geom]
            )
        }

    touching = {model.geom(i).name: pairs(i) for i in range(model.ngeom) if pairs(i)}
    fork = {"fork", "left_prong", "right_prong"}
    things = {"object_1/body", "object_2/body"}
    assert touching == {
        **dict.fromkeys(fork, {"table"} | things),
        **dict.fromkeys({"table"} | things, fork),
        "object_1/waist": {"object_2/waist"},
        "object_2/waist": {"object_1/waist"},
    }


def test_goals_are_drawn_apart_from_each_object():
    # seen to fail with the first draw taken in every case
    task = load_task("pusher_hard")
    starts, goals = episodes(task, 300)
    distance = np.linalg.norm(starts[:, NUM_JOINTS:] - goals, axis=1)
    assert 0.17 <= distance.min() < 0.2
    np.testing.assert_allclose(goals.min(0), (0.56, -0.3), atol=0.02)
    np.testing.assert_allclose(goals.max(0), (0.7, 0.3), atol=0.02)


def test_two_objects_are_two_groups():
    groups = load_task("pusher_two").contract.success
    assert [group.labels for group in groups] == [
        ("object_1.x", "object_1.y"),
        ("object_2.x", "object_2.y"),
    ]
