import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.env.reward import check_reward, farthest_group, goal_reward
from robot_gcrl.errors import UnknownNameError
from robot_gcrl.task.registry import load_task
from tests.physics.models import arm_task


def naive(contract, achieved, goal, reward):
    """Of one robot, group by group."""
    labels = [field.label for field in contract.goal]
    shares = []
    for group in contract.success:
        apart = [achieved[labels.index(name)] - goal[labels.index(name)] for name in group.labels]
        shares.append(float(np.sqrt(sum(x * x for x in apart))) / group.radius)
    if reward == "dense":
        return -max(shares)
    return 0.0 if all(share <= 1.0 for share in shares) else -1.0


@pytest.mark.parametrize("reward", ["sparse", "dense"])
@pytest.mark.parametrize("name", ["reacher", "arm_grasp"])
def test_rewards_are_those_of_the_naive_version(name, reward):
    # Seen to fail: with the mean instead of the largest of the groups (arm_grasp has several)
    contract = load_task(name).contract
    rng = np.random.default_rng(0)
    goal = rng.normal(size=(50, contract.goal_size)).astype(np.float32)
    radii = np.array([group.radius for group in contract.success])
    achieved = (goal + radii.min() * rng.normal(size=goal.shape)).astype(np.float32)
    rewards = goal_reward(contract, achieved, goal, reward)
    expected = [naive(contract, a, g, reward) for a, g in zip(achieved, goal, strict=True)]
    np.testing.assert_allclose(rewards, expected, rtol=1e-5)
    assert len(set(rewards.tolist())) > 1
    np.testing.assert_allclose(
        goal_reward(contract, jnp.asarray(achieved), jnp.asarray(goal), reward, jnp),
        rewards,
        rtol=1e-6,
    )


def test_a_distance_of_one_radius_is_one():
    contract = arm_task().contract
    assert farthest_group(contract, np.array([[0.08], [0.16]], np.float32)).tolist() == [1.0, 2.0]


def test_an_unknown_reward_is_refused():
    with pytest.raises(UnknownNameError) as error:
        check_reward("spare")
    assert str(error.value) == (
        "Unknown reward 'spare'. Did you mean 'sparse'? See: docs/adapters.md"
    )
