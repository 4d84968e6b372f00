"""Proposed goals in an environment: where they come from, how many, what is counted of them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from robot_gcrl.env.pool import Pool
from robot_gcrl.env.proposal import GoalProposal
from robot_gcrl.env.proposer import Proposing
from robot_gcrl.env.state import EnvState
from robot_gcrl.replay.buffer import add, make_replay
from robot_gcrl.task.goals import in_cells
from robot_gcrl.task.registry import load_task
from tests.env.test_goal_env import T, make_env, rollout
from tests.physics.models import arm_task

# Far outside the task's goals, of +-0.15, and within the contract's bounds of +-0.2
PLACE = np.array([0.18, -0.17], np.float32)
KINDS: tuple[GoalProposal, ...] = ("visited", "visited_noise", "frontier", "curriculum")


def replay_at(env, place, *, spread=0.0, rows=8, worlds=32):
    """A ring whose achieved goals (in observation units) all lie about `place`."""
    contract = env.task.contract
    replay = make_replay(
        capacity=rows,
        num_worlds=worlds,
        observation_size=contract.observation_size,
        action_size=contract.action_size,
    )
    rng = np.random.default_rng(0)
    for _ in range(rows):
        observation = np.full((worlds, contract.observation_size), 77.0, np.float32)
        goals = place + spread * rng.normal(size=(worlds, len(place)))
        observation[:, contract.goal_index] = goals * contract.goal_scale
        replay = add(
            replay,
            jnp.asarray(observation),
            jnp.zeros((worlds, contract.action_size)),
            jnp.zeros(worlds, jnp.int32),
        )
    return replay


@functools.cache
def proposing(kind: GoalProposal, **practice):
    """The environment, its worlds at the start, and its worlds a step after the pool was filled."""
    env = make_env(
        arm_task(episode_length=1), num_worlds=512, goal_proposal=kind, **practice
    )  # fmt: skip
    state = jax.jit(env.init)(jax.random.key(0))
    step = jax.jit(env.step)
    filled = env.refill(state, replay_at(env, PLACE), jax.random.key(1))
    for seed in range(2):  # the second puts every world at a new start, with a new goal
        filled = step(filled, jnp.zeros((512, 2)), jax.random.key(seed))
    return env, state, jax.tree.map(np.asarray, filled)


def pool_of(state: EnvState) -> Pool:
    assert isinstance(state.proposing, Proposing)
    assert isinstance(state.proposing.source, Pool)
    return state.proposing.source


@pytest.mark.parametrize("kind", ["visited", "visited_noise", "frontier"])
def test_before_anything_was_visited_goals_are_the_tasks(kind):
    _, state, _ = proposing(kind, goal_proposal_share=1.0)
    plain = make_env(arm_task(episode_length=1), num_worlds=512)
    np.testing.assert_array_equal(state.goal, jax.jit(plain.init)(jax.random.key(0)).goal)
    assert not np.asarray(state.proposing.pursuit.proposed).any()
    empty = replay_at(plain, PLACE, rows=2)._replace(inserted=jnp.int32(0))
    env, state, _ = proposing(kind, goal_proposal_share=1.0)
    assert int(pool_of(env.refill(state, empty, jax.random.key(0))).size) == 0


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_share_of_the_goals_was_visited(share):
    _, _, state = proposing("visited", goal_proposal_share=share)
    proposed = np.abs(state.goal - PLACE).max(-1) < 1e-6
    np.testing.assert_array_equal(proposed, state.proposing.pursuit.proposed)
    assert stats.binomtest(int(proposed.sum()), 512, share).pvalue > 0.01
    assert np.abs(state.goal[~proposed]).max(initial=0.0) <= 0.15


def test_noise_has_its_size_and_stays_within_the_bounds():
    env, _, state = proposing("visited_noise", goal_proposal_share=1.0, goal_noise=0.05)
    pool = state.proposing.source
    low, high = env.task.contract.goal_bounds
    goals = pool.goals[: pool.size]
    assert ((goals > low) & (goals < high)).all()
    assert 0 < pool.size < len(pool.goals)
    for i in range(2):
        ends = (np.array([low[i], high[i]]) - PLACE[i]) / 0.05
        expected = stats.truncnorm(*ends, loc=PLACE[i], scale=0.05)
        assert stats.kstest(goals[:, i], expected.cdf).pvalue > 0.01
    _, _, state = proposing("visited_noise", goal_proposal_share=1.0)
    pool = state.proposing.source
    ends = (np.array([low[0], high[0]]) - PLACE[0]) / 0.08  # the success radius
    goals = pool.goals[: pool.size, 0]
    expected = stats.truncnorm(*ends, loc=PLACE[0], scale=0.08)
    assert stats.kstest(goals, expected.cdf).pvalue > 0.01


def test_noise_leaves_no_goal_in_a_wall():
    task = load_task("point_maze")
    env = make_env(task, goal_proposal="visited_noise", goal_noise=2.0)
    state = jax.jit(env.init)(jax.random.key(0))
    pool = pool_of(env.refill(state, replay_at(env, np.zeros(2)), jax.random.key(1)))
    goals = np.asarray(pool.goals[: pool.size])
    in_start_cell = np.abs(goals).max(-1) <= 2.0
    in_next_cell = np.abs(goals - [0.0, 4.0]).max(-1) <= 2.0
    assert (in_start_cell | in_next_cell).mean() > 0.95  # nothing else is nearer than 6 m
    assert not (np.abs(goals - [4.0, 0.0]).max(-1) <= 1.99).any()  # a wall
    assert in_next_cell.sum() > 20


def test_cells_are_squares():
    admits = in_cells(np.array([[0.0, 0.0], [4.0, 0.0]]), side=4.0)
    for goal, expected in (((1.9, 1.9), True), ((5.9, -1.9), True), ((0.0, 2.1), False)):
        assert bool(admits(jnp.array(goal))) is expected


def test_a_frontier_lies_where_little_was_visited():
    env, state, _ = proposing("frontier", goal_proposal_share=1.0)
    replay = replay_at(env, np.zeros(2), spread=0.05)
    pool = pool_of(env.refill(state, replay, jax.random.key(1)))
    frontier = np.linalg.norm(pool.goals[: pool.size], axis=-1)
    index = env.task.contract.goal_index
    everything = np.linalg.norm(np.asarray(replay.observation)[..., index] / 2.0, axis=-1)
    assert np.median(frontier) > np.quantile(everything, 0.85)


def test_a_curriculum_draws_the_tasks_goals_within_its_radius():
    env, state, _ = proposing("curriculum", goal_proposal_share=1.0, curriculum_radius=0.12)
    assert np.abs(np.asarray(state.goal)).max() <= 0.151  # the task's, whatever was visited
    apart = np.zeros(0)
    for radius in (0.12, 0.3):
        wider = state.proposing._replace(
            source=state.proposing.source._replace(radius=jnp.float32(radius))
        )
        after = jax.jit(env.step)(
            state._replace(proposing=wider, ended=jnp.ones(512, bool)),
            jnp.zeros((512, 2)),
            jax.random.key(3),
        )
        apart = np.asarray(after.proposing.pursuit.apart)
        near = (apart <= radius).mean()
        assert near > 0.6  # the tip may be further than this from all of the task's goals
    assert np.quantile(apart, 0.75) > 0.12


@functools.cache
def counted():
    env = make_env(
        arm_task(episode_length=T),
        num_worlds=64,
        goal_proposal="curriculum",
        curriculum_radius=0.15,
        goal_switch_probability=0.1,
    )
    return env, rollout(env, 60)[0]


def test_what_is_counted_is_what_a_loop_counts():
    env, states = counted()
    goal, tally = states.goal, states.proposing.tally
    achieved = np.asarray(jax.jit(jax.vmap(env.achieved))(states))
    radius = 0.08
    reached = np.zeros(64, bool)
    proposed = states.proposing.pursuit.proposed
    for t in range(1, len(goal)):
        reset = states.step[t] == 0
        given = (goal[t] != goal[t - 1]).any(-1)
        at_goal = np.linalg.norm(achieved[t] - goal[t - 1], axis=-1) <= radius
        reached |= at_goal & ~reset
        over = proposed[t - 1] & ~reset & (given | states.ended[t])
        assert tally.given[t] == given.sum()
        assert tally.over[t] == over.sum()
        assert tally.reached[t] == (over & reached).sum()
        apart = np.linalg.norm(goal[t] - achieved[t], axis=-1)
        np.testing.assert_allclose(tally.apart[t], apart[given].sum(), rtol=1e-4, atol=1e-5)
        reached &= ~given
    assert 0 < tally.reached.sum() < tally.over.sum()


def test_the_radius_of_training_changes_within_its_bounds():
    env, states = counted()
    radius = states.proposing.source.radius
    low, high = env.task.contract.goal_bounds
    assert radius[0] == np.float32(0.15)
    assert radius.min() >= np.float32(0.15)
    assert radius.max() <= np.linalg.norm(high - low) + 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_no_goal_lies_outside_the_bounds(kind):
    env, _, state = proposing(kind, goal_proposal_share=1.0)
    low, high = env.task.contract.goal_bounds
    assert ((state.goal >= low) & (state.goal <= high)).all()
