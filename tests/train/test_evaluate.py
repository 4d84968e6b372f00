"""Intervals, rows by region, and whole episodes beside a plain loop over the same worlds."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.agents.crl.agent import make_agent
from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.errors import ConfigError
from robot_gcrl.train.evaluate import (
    Outcome,
    by_region,
    evaluation_key,
    make_evaluator,
    make_worlds,
    policy_mean,
    score,
    selection_key,
    summary,
    wilson,
)
from tests.physics.models import box_task


# Reference values: the closed form, evaluated by hand with z = 1.96.
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(0.0, 10, 0.0, 0.2775), (8.0, 10, 0.4902, 0.9433), (5.0, 5, 0.5655, 1.0)],
)
def test_wilson_intervals(successes, n, low, high):
    result = wilson(successes, n)
    assert result["mean"] == successes / n
    np.testing.assert_allclose(result["ci95"], [low, high], atol=1e-4)
    assert result["n"] == n


def _push(state, observation, goal, key):
    """Towards the goal: a policy that succeeds sometimes."""
    return jnp.clip(4.0 * (goal - observation[:, :2]), -1.0, 1.0)


# Seen to fail: with the outcome taken one step after the end (the next episode's first state).
def test_episodes_agree_with_a_plain_loop():
    task = box_task(episode_length=12, highest=1.5)
    evaluator = make_evaluator(task, _push, engine="native", goals="eval", episodes=20)
    key = evaluation_key(7)
    outcome = evaluator.episodes(None, key=key, episodes=20)
    env = make_worlds(task, engine="native", goals="eval", worlds=20)
    start_key, run_key = jax.random.split(jax.random.fold_in(key, 0))
    worlds = jax.jit(env.init)(start_key)
    step, success = jax.jit(env.step), jax.jit(env.success)
    goals, over = np.asarray(worlds.goal), np.zeros(20, bool)
    count, final, distance = np.zeros(20), np.zeros(20, bool), np.zeros(20)
    for i in range(12):
        env_key = jax.random.split(jax.random.fold_in(run_key, i))[1]
        action = _push(None, env.observation(worlds), env.goal_input(worlds), None)
        worlds = step(worlds, action, env_key)
        now, gap = np.asarray(success(worlds)), np.asarray(env.distances(worlds))[:, 0]
        count += now & ~over
        final = np.where(over, final, now)
        distance = np.where(over, distance, gap)
        over |= np.asarray(worlds.ended)
    assert 0 < np.asarray(worlds.episode).sum() < 20  # some terminated, so it matters
    np.testing.assert_array_equal(outcome.goal, goals)
    np.testing.assert_array_equal(outcome.reached, count > 0)
    np.testing.assert_array_equal(outcome.final, final)
    np.testing.assert_allclose(outcome.time_at_goal, count / 12, rtol=1e-6)
    np.testing.assert_allclose(outcome.distance, distance, rtol=1e-5)
    assert 0 < outcome.reached.sum() < 20


# Seen to fail: with the queue of training.
def test_a_policy_with_chunks_is_measured_as_it_is_served():
    agent = functools.partial(make_agent, observation_size=3, action_size=2, goal_index=(0,))
    open_loop = policy_mean(agent(CrlConfig(chunk=3)))
    queue = open_loop.begin(4)
    assert isinstance(queue, jax.Array)
    assert queue.shape == (4, 1 + 1 + 2 * 2)
    assert policy_mean(agent(CrlConfig(chunk=3, replan=True))).begin(4) == ()


def test_keys_of_training_choice_and_measure_are_apart():
    keys = [jax.random.key(3), evaluation_key(3), selection_key(3), evaluation_key(4)]
    data = {tuple(np.asarray(jax.random.key_data(key)).tolist()) for key in keys}
    assert len(data) == len(keys)


def test_rows_by_region_and_score():
    task = box_task()
    outcome = Outcome(
        reached=np.array([True, True, False, False]),
        final=np.array([True, False, False, False]),
        time_at_goal=np.array([0.5, 0.25, 0.0, 0.0]),
        distance=np.array([0.1, 0.4, 1.0, 2.0]),
        goal=np.zeros((4, 2)),
    )
    rows = by_region(task, outcome)
    assert list(rows) == ["all"]
    assert rows["all"] == summary(outcome)
    assert rows["all"]["success_any"]["mean"] == 0.5
    assert rows["all"]["distance"]["mean"] == pytest.approx(0.875)
    assert score(outcome) == pytest.approx((0.5 + 0.25 + 0.1875) / 3)


def test_no_episodes_are_refused():
    with pytest.raises(ConfigError) as caught:
        make_evaluator(box_task(), _push, engine="native", goals="eval", episodes=0)
    assert str(caught.value) == "Cannot evaluate 0 episodes. Expected at least 1."
