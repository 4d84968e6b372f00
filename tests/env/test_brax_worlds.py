"""N worlds of ours as one brax environment, and brax's trainers with our actor on them."""

# brax is an extra, which CI does not install
# pyright: reportMissingImports=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.agents.baselines.agent import BaselineAgent
from robot_gcrl.contract.observe import goal_distances
from robot_gcrl.env.goal_env import GoalEnv
from robot_gcrl.errors import EngineError
from robot_gcrl.nets.tanh_normal import TanhNormal
from robot_gcrl.physics.make import make_engine
from robot_gcrl.policy.verify import verify_policy
from robot_gcrl.task.registry import load_task
from robot_gcrl.train.assess import evaluate_run, restore_policy
from robot_gcrl.train.checkpoint import RunFolder
from robot_gcrl.train.export import export_run
from robot_gcrl.train.loop import learner_of
from robot_gcrl.train.metrics import read_metrics
from robot_gcrl.train.settings import make_train_config
from robot_gcrl.train.train import train
from tests.physics.models import box_task

pytest.importorskip("brax.envs.base", reason="needs the extra: pip install '.[brax]'")

from brax.training.acme import running_statistics, specs  # after importorskip
from brax.training.distribution import NormalTanhDistribution

from robot_gcrl.agents.baselines import brax_networks
from robot_gcrl.env.brax_worlds import RobotWorlds, unwrapped

N, T = 6, 12


@pytest.fixture(scope="module")
def states():
    """The worlds of a box that falls, some of them too fast; and every state of two episodes."""
    task = box_task(episode_length=T, highest=1.5)
    engine = make_engine(
        "native", task.model, num_worlds=N, substeps=task.substeps, threads=1, overlap=False
    )
    env = RobotWorlds(GoalEnv(task, engine, goals="train"), reward="dense", reward_scale=0.5)

    @jax.pmap  # as brax's trainers call it
    def run(keys):
        first = env.reset(keys)

        def step(state, _):
            following = env.step(state, jnp.zeros((N, env.action_size)))
            return following, following

        _, rest = jax.lax.scan(step, first, length=60)
        return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, rest)

    found = run(jax.random.split(jax.random.PRNGKey(0), N)[None])
    return env, jax.tree.map(lambda leaf: np.asarray(leaf)[0], found)


def test_an_episode_ends_where_the_robot_is_and_begins_anew_in_a_row_apart(states):
    _, found = states
    ended, terminated = found.pipeline_state.ended, found.pipeline_state.terminated
    assert terminated.any()
    assert (ended & ~terminated).any()
    begins = np.concatenate([np.zeros((1, N), bool), ended[:-1]])
    np.testing.assert_array_equal(found.info["truncation"], begins)
    np.testing.assert_array_equal(found.done, begins | terminated)
    assert (found.reward[begins] == 0.0).all()
    assert (found.pipeline_state.step[begins] == 0).all()


def test_rewards_are_of_the_goal_that_was_pursued(states):
    env, found = states
    contract = env.worlds.task.contract
    goals = np.concatenate([found.pipeline_state.goal[:1], found.pipeline_state.goal[:-1]])
    achieved = found.obs[..., contract.goal_index] / contract.goal_scale
    distance = goal_distances(contract, achieved, goals)[..., 0] / contract.success[0].radius
    going = found.info["truncation"][1:] == 0
    np.testing.assert_allclose(found.reward[1:][going], -0.5 * distance[1:][going], rtol=1e-4)
    shown = found.obs[..., -contract.goal_size :]
    np.testing.assert_allclose(shown, found.pipeline_state.goal * contract.goal_scale, rtol=1e-6)


# Seen to fail: the frozen state of a diverged step as a transition to learn from.
def test_what_a_diverged_step_holds_is_left_out_of_the_losses(states):
    env, _ = states
    state = jax.jit(env.reset)(jax.random.split(jax.random.PRNGKey(0), N))
    physics = state.pipeline_state.physics
    broken = physics._replace(qvel=physics.qvel.at[3, 0].set(jnp.nan))
    state = state.replace(pipeline_state=state.pipeline_state._replace(physics=broken))
    after = jax.jit(env.step)(state, jnp.zeros((N, env.action_size)))
    np.testing.assert_array_equal(after.info["truncation"], np.arange(N) == 3)
    assert not np.asarray(after.done).any()
    assert np.isfinite(after.obs).all()


def test_another_number_of_worlds_is_refused(states):
    env, _ = states
    with pytest.raises(EngineError, match=r"2 keys were given to a brax environment of 6 worlds"):
        env.reset(jax.random.split(jax.random.PRNGKey(0), 2))


def test_what_no_wrapper_does_is_refused(states):
    # Seen to fail: both were dropped without a word
    env, _ = states
    assert unwrapped(env, episode_length=1, action_repeat=1, randomization_fn=None) is env
    with pytest.raises(EngineError) as error:
        unwrapped(env, randomization_fn=lambda system, rng: (system, system))
    assert str(error.value) == (
        "RobotWorlds got brax's randomization_fn, which varies a brax System that it does not "
        "have. Expected None. Give RobotWorlds a GoalEnv with randomize='low' or 'full' instead."
    )
    with pytest.raises(EngineError) as error:
        unwrapped(env, episode_length=100, action_repeat=2)
    assert str(error.value) == (
        "RobotWorlds got brax's action_repeat 2, which a wrapper of brax does, and it is not "
        "wrapped. Expected 1. Set the task's control_dt instead."
    )


def test_brax_draws_from_the_distribution_that_is_ours():
    log_std = jnp.linspace(-5.0, 2.0, 50)
    ours = TanhNormal(jnp.linspace(-3.0, 3.0, 50), log_std)
    parameters = brax_networks.distribution_parameters(ours)
    theirs = NormalTanhDistribution(event_size=50).create_dist(parameters)
    np.testing.assert_array_equal(theirs.loc, ours.mean)
    np.testing.assert_allclose(theirs.scale, jnp.exp(log_std), rtol=2e-5)


def test_what_brax_learned_acts_as_brax_acts():
    task = load_task("reacher")
    agent = learner_of(task, make_train_config("reacher", preset="smoke", algorithm="ppo"))
    assert isinstance(agent, BaselineAgent)
    both = 3.0 + 2.0 * jax.random.normal(jax.random.key(0), (500, 10))
    statistics = running_statistics.init_state(specs.Array((10,), jnp.dtype("float32")))
    statistics = running_statistics.update(statistics, both)
    networks = brax_networks.ppo_networks(agent)(10, 2)
    params = networks.policy_network.init(jax.random.PRNGKey(1))
    logits = networks.policy_network.apply(statistics, params, both)
    expected = networks.parametric_action_distribution.mode(logits)
    state = brax_networks.agent_state(agent, statistics, params)
    np.testing.assert_allclose(
        agent.act(state, both[:, :8], both[:, 8:], None), expected, rtol=1e-6
    )
    assert float(state.moments.seen) == 500.0


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_a_run_of_brax_is_a_run_like_any_other(tmp_path, algorithm):
    config = make_train_config(
        "reacher", preset="smoke", algorithm=algorithm, run=tmp_path / "run", evaluations=2
    )
    run = train(config)
    lines = read_metrics(run)
    assert [line["iteration"] for line in lines if "success_any" in line] == [1, 2]
    assert lines[-1]["control_steps"] >= config.steps
    assert any(np.isfinite(line.get("critic_loss", np.nan)) for line in lines)
    _, agent, last, where = restore_policy(run, "last", 0)
    assert where.control_steps == lines[-1]["control_steps"]
    assert RunFolder.open(run).has_best
    assert evaluate_run(run, episodes=4)["episodes"] == 4
    assert verify_policy(export_run(run, out=None))["ok"]
    assert float(last.moments.seen) == where.control_steps
    assert agent.observation_size == len(last.moments.mean)
