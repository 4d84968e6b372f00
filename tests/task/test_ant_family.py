"""The ant with a ball, with a block, from anywhere, and over pairs of cells; in C MuJoCo."""

from dataclasses import replace

import jax
import mujoco
import numpy as np
import pytest
from scipy import stats

from robot_gcrl.contract.observe import Report
from robot_gcrl.errors import TaskError
from robot_gcrl.task.ant import STANDING
from robot_gcrl.task.cells import cell_pairs, neighbor_positions, path_lengths
from robot_gcrl.task.goals import beyond_goals, pair_goals
from robot_gcrl.task.layouts import LAYOUTS
from robot_gcrl.task.registry import load_task, task_names
from tests.task.ant_gait import stand_at, torques

AWAY = (20.0, 0.0, 0.5, 1.0, 0.0, 0.0, 0.0)  # of a ball
BALL = slice(15, 17)
BLOCK = slice(15, 17)
NONE = np.zeros(0, np.float32)
U = LAYOUTS["u"]


def draw(distribution, count=1000):
    """Starts [count, nq] and goals [count, 2]; compiled as one, which is faster than op by op."""

    @jax.jit
    @jax.vmap
    def sample(key):
        start_key, goal_key = jax.random.split(key)
        qpos, qvel = distribution.start(start_key)
        return qpos, distribution.goal(goal_key, Report(qpos, qvel, NONE))

    keys = jax.random.split(jax.random.key(0), count)
    return tuple(np.asarray(value) for value in sample(keys))


def poses(*prop, count=1):
    """Standing ants, and behind each the qpos of a prop; without the compilation of samplers."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield np.concatenate((STANDING, prop)) + np.pad(rng.uniform(-0.1, 0.1, 8), (7, len(prop)))


def simulate(task, qpos, steps, ctrl=None):
    """`steps` control steps from rest; ctrl(step) -> [8], nothing without it."""
    data = mujoco.MjData(task.model)
    data.qpos[:] = qpos
    for step in range(steps):
        data.ctrl[:] = 0.0 if ctrl is None else ctrl(step)
        mujoco.mj_step(task.model, data, task.substeps)
    assert not any(warning.number for warning in data.warning)
    return data


def cell_of(positions):
    return np.linalg.norm(positions[:, None] - U.positions(U.free_cells), axis=-1).argmin(-1)


# Contracts as runs and policy files hold them; the model and samples were compared when they moved.
def test_the_contracts_that_runs_were_made_with():
    # seen to fail with other labels
    for name, start in {"ant": ANT_SHA256, "ant_maze": MAZE_SHA256}.items():
        assert load_task(name).contract.sha256 == start


ANT_SHA256 = "fc8aa7f8e86e80b2fbd12f73bfd2fa986a7dca6daaf0ea06452ed3316e41e021"
MAZE_SHA256 = "115d163af43835d8a8a554a91fe973a154ad785d61ff5d31b004dbb905f712d8"


@pytest.mark.parametrize("name", ["u", "big", "hardest"])
def test_paths_between_any_two_cells(name):
    # seen to fail with `between` over half of the cells; the maze has its own search from the start
    maze = LAYOUTS[name]
    lengths = path_lengths(maze)
    start = maze.free_cells.index(maze.start_cell)
    goals = [maze.free_cells.index(cell) for cell in maze.goal_cells]
    np.testing.assert_array_equal(lengths[start, goals], maze.path_lengths)
    np.testing.assert_array_equal(lengths, lengths.T)
    # an unweighted graph: every step of one cell changes a length by one at most
    steps = np.argwhere(lengths == 1)
    assert (abs(lengths[steps[:, 0]] - lengths[steps[:, 1]]) <= 1).all()


def test_neighbors():
    origins, ends = neighbor_positions(U, U.free_cells)
    assert len(origins) == 2 * (len(U.free_cells) - 1)  # a path, both ways
    np.testing.assert_allclose(np.linalg.norm(ends - origins, axis=-1), 4.0)
    first, second = neighbor_positions(U, (U.start_cell,))
    assert (first.tolist(), second.tolist()) == ([[0.0, 0.0]], [[0.0, 4.0]])


def test_pairs_that_a_maze_does_not_have():
    with pytest.raises(TaskError) as caught:
        cell_pairs(U, 7, 9)
    assert str(caught.value) == (
        "Maze 'u' has no cells 7 to 9 cells apart. Expected some; its longest path has 6. Use a "
        "longer maze."
    )


def test_pair_goals_are_equally_likely():
    # seen to fail with the nearest cell taken by x alone
    centers = U.positions(U.free_cells)
    pairs = cell_pairs(U, 4, 6)
    sample = pair_goals(centers, pairs)
    keys = jax.random.split(jax.random.key(0), 2000)
    many = jax.jit(jax.vmap(lambda k, q: sample(k, Report(q, NONE, NONE)), (0, None)))
    for cell, allowed in enumerate(pairs):
        goals = np.asarray(many(keys, np.append(centers[cell] + 1.0, np.float32(0.5))))
        counts = np.bincount(cell_of(goals), minlength=len(centers))
        expected = allowed if allowed.any() else np.ones(len(centers), bool)  # the middle has none
        assert (counts[~expected] == 0).all()
        assert expected.sum() == 1 or stats.chisquare(counts[expected]).pvalue > 1e-3


def test_stitching_is_trained_on_short_ways_and_evaluated_on_long_ones():
    # seen to fail with STITCH_TRAIN up to 4
    task = load_task("ant_maze_stitch")
    for distribution, lengths in ((task.train, {1, 2, 3}), (task.eval, {4, 5, 6})):
        qpos, goals = draw(distribution)
        apart = path_lengths(U)[cell_of(qpos[:, :2]), cell_of(goals)]
        assert set(apart.astype(int)) == lengths
    assert task.hints.goal_switch_interval is None
    assert task.hints.random_start_share == 0.0
    assert len(task.regions.names) == 6
    assert task.regions.names[0] == "(0, 0) 0 cells"


def test_random_starts_fill_the_square():
    # seen to fail with one heading
    qpos, goals = draw(load_task("ant_random_start").train)
    for values in (qpos[:, 0], qpos[:, 1], goals[:, 0], goals[:, 1]):
        assert stats.kstest(values, "uniform", (-5.0, 10.0)).pvalue > 1e-3
    heading = 2 * np.arctan2(qpos[:, 6], qpos[:, 3])
    assert stats.kstest(heading, "uniform", (-np.pi, 2 * np.pi)).pvalue > 1e-3


def test_the_ball_lies_between_ant_and_goal():
    # seen to fail with the ball's address at 14
    qpos, goals = draw(load_task("ant_ball").train)
    away = np.linalg.norm(qpos[:, BALL] - qpos[:, :2], axis=-1)
    assert away.min() >= 1.7
    assert away.max() <= 2.5001
    np.testing.assert_allclose(np.linalg.norm(goals, axis=-1), 5.0, rtol=1e-5)
    remaining = np.linalg.norm(goals - qpos[:, BALL], axis=-1)
    assert remaining.min() > 2.3
    assert remaining.max() < 3.8
    assert (qpos[:, 17] == 0.5).all()


def test_goals_beyond_a_thing_have_its_direction():
    sample = beyond_goals(5.0, address=1, spread=0.5)
    keys = jax.random.split(jax.random.key(0), 2000)
    report = Report(np.array((9.0, 0.0, -2.0), np.float32), NONE, NONE)
    goals = np.asarray(jax.jit(jax.vmap(lambda key: sample(key, report)))(keys))
    angles = np.arctan2(goals[:, 1], goals[:, 0])
    assert stats.kstest(angles, "uniform", (-np.pi / 2 - 0.5, 1.0)).pvalue > 1e-3


def test_in_mazes_the_ball_lies_on_the_way():
    # seen to fail with origins and ends exchanged
    for name in ("u4", "big"):
        task = load_task(f"ant_ball_maze_{name}")
        _, (second, *_) = neighbor_positions(LAYOUTS[name], (LAYOUTS[name].start_cell,))
        qpos, _ = draw(task.train)
        assert abs(qpos[:, :2]).max() <= 0.1
        assert abs(qpos[:, BALL] - second / 2).max() <= 0.1001
        qpos, _ = draw(replace(task.train, start=task.anywhere))
        apart = np.linalg.norm(qpos[:, BALL] - qpos[:, :2], axis=-1)
        assert apart.min() >= 1.6
        assert apart.max() < 2.5


def test_what_collides_with_what():
    # seen to fail with the block's conaffinity at 2: feet would enter it
    def meets(task, first, second):
        model = load_task(task).model
        a, b = model.geom(first), model.geom(second)
        return bool((a.contype[0] & b.conaffinity[0]) | (b.contype[0] & a.conaffinity[0]))

    for geom in ("floor", "wall_0", "ball/ball"):
        name = f"arena/{geom}" if geom == "floor" else geom
        for other in ("torso", "front_left_foot"):
            assert meets("ant_ball_maze", other, name)
        assert not meets("ant_ball_maze", "front_left_leg", name)
        assert geom == "ball/ball" or meets("ant_ball_maze", "ball/ball", name)
    for other in ("torso", "front_left_foot"):
        assert meets("ant_push", other, "block/block")
        assert not meets("ant_push", other, "block/front_left")
    assert meets("ant_push", "block/front_left", "wall_0")
    assert not meets("ant_push", "block/front_left", "arena/floor")
    assert not meets("ant_push", "block/block", "arena/floor")


@pytest.mark.parametrize("name", ["ant_ball", "ant_ball_maze", "ant_push"])
def test_whole_episodes_of_random_actions_stay_sane(name):
    task, rng = load_task(name), np.random.default_rng(0)
    low, high = task.contract.goal_bounds
    for qpos in draw(task.train, 2)[0]:
        data = simulate(task, qpos, task.episode_length, lambda _: rng.uniform(-60, 60, 8))
        assert np.isfinite(data.qpos).all()
        assert abs(data.qvel).max() < 60.0
        assert 0.1 < data.qpos[2] < 1.2
        if "maze" in name or name == "ant_push":
            assert (data.qpos[:2] > low).all()
            assert (data.qpos[:2] < high).all()


def test_the_ball_rolls_and_comes_to_rest():
    # seen to fail without damping: it rolls at 3 m/s for ever
    task = load_task("ant_ball")
    data = mujoco.MjData(task.model)
    (data.qpos[:],) = poses(*AWAY)
    data.qvel[14] = 3.0  # sliding: friction sets it rolling
    for _ in range(10):
        mujoco.mj_step(task.model, data, task.substeps)
    speed, spin = data.qvel[14], data.qvel[18]
    assert 0.5 < speed < 1.8
    np.testing.assert_allclose(spin * 0.5, speed, rtol=0.02)
    for _ in range(140):
        mujoco.mj_step(task.model, data, task.substeps)
    assert np.linalg.norm(data.qvel[14:20]) < 0.01
    assert 2.0 < data.qpos[15] - 20.0 < 6.0
    np.testing.assert_allclose(data.qpos[17], 0.5, atol=0.005)


def test_walls_hold_the_ball():
    # seen to fail with the ball's contype at 4
    task = load_task("ant_ball_maze")
    data = mujoco.MjData(task.model)
    for direction in np.linspace(0.0, 2 * np.pi, 12, endpoint=False):
        mujoco.mj_resetData(task.model, data)
        (data.qpos[:],) = poses(*AWAY)
        data.qpos[BALL] = 0.0, 8.0  # a corner
        data.qvel[14:16] = 5.0 * np.cos(direction), 5.0 * np.sin(direction)
        for _ in range(50):
            mujoco.mj_step(task.model, data, task.substeps)
            x, y = data.qpos[BALL]
            assert -1.55 < x < 9.55
            assert -1.55 < y < 9.55
            assert abs(data.qpos[17] - 0.5) < 0.2


def test_the_ant_brings_the_ball_to_a_goal():
    # seen to fail with a damping of 10; the gait is blind, so that one of several starts will do
    task = load_task("ant_ball")
    nearest = []
    for qpos in poses(*AWAY, count=8):
        data = mujoco.MjData(task.model)
        data.qpos[:] = qpos
        data.qpos[:] = stand_at(data.qpos, 0.0, 0.0, 0.0)
        data.qpos[BALL] = 1.7, 0.0
        distances = []
        for step in range(task.episode_length):
            data.ctrl[:] = torques(step)
            mujoco.mj_step(task.model, data, task.substeps)
            distances.append(np.hypot(*(data.qpos[BALL] - (5.0, 0.0))))
        nearest.append(min(distances))
    assert min(nearest) < task.contract.success[0].radius
    assert np.median(nearest) < 2.5  # of 3.3 m


def test_the_ant_pushes_the_block_aside():
    # seen to fail with damping 400
    task = load_task("ant_push")
    for qpos in poses(0.0, 0.0, count=3):
        data = mujoco.MjData(task.model)
        data.qpos[:] = qpos
        data.qpos[:] = stand_at(data.qpos, 10.0, -3.2, np.pi / 2)
        for step in range(150):  # 15 s
            data.ctrl[:] = torques(step)
            mujoco.mj_step(task.model, data, task.substeps)
        x, y = data.qpos[BLOCK]
        assert y > 2.0  # the ant, 1.4 m wide, passes
        assert abs(x) < 0.5


def test_the_block_stays_out_of_the_walls_and_closes_the_chamber():
    # seen to fail without the corners: it slides 8.4 m each way
    task = load_task("ant_push")
    data = mujoco.MjData(task.model)
    (start,) = poses(0.0, 0.0)

    def push(*forces):
        mujoco.mj_resetData(task.model, data)
        data.qpos[:] = start
        for force in forces:
            data.qfrc_applied[14:16] = force
            mujoco.mj_step(task.model, data, 1500)  # 30 s
        return data.qpos[BLOCK].tolist()

    ahead, right, aside = (300.0, 0.0), (0.0, 300.0), (300.0, 300.0)
    np.testing.assert_allclose(push(right), (0.0, 8.4), atol=0.03)
    np.testing.assert_allclose(push(right, ahead), (0.4, 8.4), atol=0.05)
    np.testing.assert_allclose(push(ahead), (8.4, 0.0), atol=0.03)  # the classic trap
    np.testing.assert_allclose(push(ahead, right), (8.4, 0.4), atol=0.05)
    assert min(push((30.0, 0.0), aside)) < 0.5 + 0.05


@pytest.mark.parametrize("name", ["ant_ball_maze", "ant_push"])
def test_few_solver_iterations_suffice_with_things(name):
    # seen to fail with iterations="2" ls_iterations="4" in ant.xml
    task, precise = load_task(name), load_task(name).model
    precise.opt.iterations, precise.opt.ls_iterations = 100, 50
    data, better = mujoco.MjData(task.model), mujoco.MjData(precise)
    if name == "ant_push":
        (data.qpos[:],) = poses(0.0, 0.0)
        data.qpos[:] = stand_at(data.qpos, 10.0, -3.2, np.pi / 2)
    else:
        (data.qpos[:],) = poses(0.0, 1.8, *AWAY[2:])
        data.qpos[:] = stand_at(data.qpos, 0.0, 0.0, np.pi / 2)
    differences, start = [], data.qpos[15:17].copy()
    for step in range(200):
        for field in ("qpos", "qvel", "qacc_warmstart"):
            getattr(better, field)[:] = getattr(data, field)
        better.ctrl[:] = data.ctrl[:] = torques(step)
        mujoco.mj_step(task.model, data, task.substeps)
        mujoco.mj_step(precise, better, task.substeps)
        differences.append(abs(better.qpos - data.qpos).max())
    assert np.linalg.norm(data.qpos[15:17] - start) > 0.5  # it was pushed
    assert np.percentile(differences, 95) < 1e-3


def test_observations_and_goals():
    for name, size, goal in (
        ("ant_random_start", 29, ["x", "y"]),
        ("ant_maze_stitch", 29, ["x", "y"]),
        ("ant_ball", 35, ["ball.x", "ball.y"]),
        ("ant_ball_maze", 35, ["ball.x", "ball.y"]),
        ("ant_push", 33, ["x", "y"]),
    ):
        contract = load_task(name).contract
        assert contract.observation_size == size
        assert [field.label for field in contract.goal] == goal
        assert contract.components[-1][0].name.split("/")[0] in (
            "front_right_ankle",
            "ball",
            "block",
        )


def test_episodes_give_time_to_push_the_ball_to_the_farthest_cell():
    names = [name for name in task_names() if name.startswith("ant_ball_maze_")]
    assert {name.removeprefix("ant_ball_maze_") for name in names} == set(LAYOUTS) - {"hardest"}
    for name in names:
        task = load_task(name)
        path = 4.0 * max(LAYOUTS[name.removeprefix("ant_ball_maze_")].path_lengths)  # [m]
        assert task.episode_length * task.contract.control_dt > path / 0.25  # [m/s]


def test_the_ball_in_a_maze_of_ones_own(tmp_path):
    path = tmp_path / "hall.txt"
    path.write_text("######\n#S..G#\n######\n")
    task = load_task("ant_ball_maze", maze=path)
    assert task.name == "ant_ball_maze_hall"
    assert task.episode_length == 600
    assert task.regions.names == ("(0, 12) 3 cells",)
