import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.env.asked_goal import check_goal, goal_option
from robot_gcrl.env.goal_env import GoalEnv
from robot_gcrl.env.practice import check_goals
from robot_gcrl.env.single import SingleWorld
from robot_gcrl.errors import TaskError, UnknownNameError
from robot_gcrl.physics.native import NativeEngine
from robot_gcrl.task.registry import load_task
from tests.physics.models import arm_task, box_task

TASKS = {
    "arm": lambda: arm_task(),
    "box": lambda: box_task(highest=1.2),
    "ant": lambda: load_task("ant"),
}


@pytest.mark.parametrize("name", TASKS)
def test_episodes_are_those_of_the_native_engine(name):
    # Seen to fail: with the previous action kept over a start (arm)
    task = TASKS[name]()
    engine = NativeEngine(task.model, num_worlds=1, substeps=task.substeps, threads=1)
    env, world = GoalEnv(task, engine, goals="train"), SingleWorld(task)
    step = jax.jit(env.step)
    state = jax.jit(env.init)(jax.random.key(0))
    rng = np.random.default_rng(0)
    moment, ends = None, set()
    for i in range(30):
        at = jax.tree.map(lambda leaf: np.asarray(leaf[0]), state)
        if at.step == 0:
            moment = world.begin(at.physics.qpos, at.physics.qvel, at.goal)
        assert moment is not None
        np.testing.assert_array_equal(world.data.qpos, at.physics.qpos)
        np.testing.assert_array_equal(world.data.qvel, at.physics.qvel)
        np.testing.assert_allclose(moment.observation, env.observation(state)[0], atol=1e-6)
        np.testing.assert_array_equal(moment.achieved, env.achieved(state)[0])
        np.testing.assert_allclose(moment.distances, env.distances(state)[0], rtol=1e-6)
        assert moment.success == env.success(state)[0]
        assert (moment.terminated or moment.truncated) == at.ended
        assert moment.terminated == at.terminated
        ends.add((moment.terminated, moment.truncated))
        action = rng.uniform(-1.5, 1.5, task.contract.action_size).astype(np.float32)
        state = step(state, jnp.asarray(action)[None], jax.random.key(i))
        if not at.ended:
            moment = world.step(action)
    # The ant's episodes are longer than this
    assert (
        ends
        == {
            "arm": {(False, False), (False, True)},
            "box": {(False, False), (True, False), (False, True)},
            "ant": {(False, False)},
        }[name]
    )


def test_a_world_that_diverges_stays_as_it_was_and_is_truncated():
    # Seen to fail: without restoring what was held, qpos was MuJoCo's qpos0
    world = SingleWorld(arm_task())
    world.draw(jax.random.key(0))
    world.step(np.ones(2))
    world.data.qvel[:] = 1e12
    before = world.data.qpos.copy()
    moment = world.step(np.ones(2))
    assert moment.truncated
    assert not moment.terminated
    assert not moment.success
    np.testing.assert_array_equal(world.data.qpos, before)
    assert np.isfinite(moment.observation).all()


def test_draws_repeat_by_key_and_differ_between_keys():
    world = SingleWorld(load_task("reacher"))
    first, again, other = (world.draw(jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.observation, again.observation)
    np.testing.assert_array_equal(first.goal, again.goal)
    assert not np.array_equal(first.goal, other.goal)
    assert not np.array_equal(first.observation, other.observation)


def test_a_goal_that_is_asked_for_is_pursued():
    world = SingleWorld(load_task("reacher"))
    moment = world.draw(jax.random.key(0), np.array([0.1, 0.05], np.float32))
    assert moment.goal.tolist() == np.array([0.1, 0.05], np.float32).tolist()
    expected = np.linalg.norm(moment.achieved - moment.goal)
    assert float(moment.distances[0]) == pytest.approx(expected)


@pytest.mark.parametrize("action", [[0.0], [0.0, float("nan")]], ids=["shape", "nan"])
def test_an_impossible_action_is_refused(action):
    world = SingleWorld(load_task("reacher"))
    world.draw(jax.random.key(0))
    with pytest.raises(TaskError) as error:
        world.step(np.array(action))
    assert str(error.value) == (
        f"Task 'reacher' got the action {action}. Expected 2 finite numbers from -1 to 1. Look at "
        "what made it."
    )


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        (
            [0.3, 0.0],
            "Task 'reacher' cannot be asked for the goal [0.30000001192092896, 0.0]. Expected x "
            "[m], y [m] from [-0.20000000298023224, -0.20000000298023224] to [0.20000000298023224, "
            "0.20000000298023224]. Choose one within these bounds.",
        ),
        (
            [0.1],
            "Task 'reacher' got a goal of shape (1,). Expected (2,): x [m], y [m]. Give that many "
            "numbers.",
        ),
        (
            "there",
            "Task 'reacher' got the goal 'there'. Expected the numbers x [m], y [m]. Give an "
            "array.",
        ),
    ],
    ids=["bounds", "shape", "words"],
)
def test_an_impossible_goal_is_refused(goal, said):
    with pytest.raises(TaskError) as error:
        check_goal(load_task("reacher"), goal)
    assert str(error.value) == said


def test_nan_is_no_goal():
    # Seen to fail: with `(wanted < low).any()`, which NaN passes
    with pytest.raises(TaskError, match="cannot be asked for the goal"):
        check_goal(load_task("reacher"), [np.nan, 0.0])


def test_a_goal_in_a_wall_is_refused():
    # Seen to fail: without asking Task.admits
    task = load_task("point_maze")
    low, high = task.contract.goal_bounds
    assert task.admits is not None
    grid = np.random.default_rng(0).uniform(low, high, (200, len(low))).astype(np.float32)
    inside = np.array([bool(task.admits(jnp.asarray(goal))) for goal in grid])
    assert inside.any()
    assert not inside.all()
    np.testing.assert_array_equal(check_goal(task, grid[inside][0]), grid[inside][0])
    with pytest.raises(TaskError, match="where no robot can be, as in a wall"):
        check_goal(task, grid[~inside][0])


def test_goals_of_many_worlds_are_one_or_one_each():
    task = load_task("reacher")
    one = check_goal(task, [0.1, 0.0], num_worlds=3)
    assert one.shape == (3, 2)
    np.testing.assert_array_equal(check_goal(task, one, num_worlds=3), one)
    with pytest.raises(TaskError, match=r"Expected \(2,\) or \(3, 2\)"):
        check_goal(task, one[:2], num_worlds=3)


def test_an_unknown_option_is_refused():
    with pytest.raises(TaskError) as error:
        goal_option(load_task("reacher"), {"gaol": [0.1, 0.0]})
    assert str(error.value) == (
        "The reset of task 'reacher' got the options ['gaol']. It has: goal. Leave the others out."
    )
    assert goal_option(load_task("reacher"), {}) is None


def test_goals_are_of_training_or_of_evaluation():
    check_goals("eval")
    with pytest.raises(UnknownNameError) as error:
        check_goals("training")
    assert str(error.value).startswith("Unknown goals 'training'. Did you mean 'train'?")
