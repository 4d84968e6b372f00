"""Runs of algorithms other than crl: refusals, plans, folders, and bit for bit resumed."""

import json
import sys

import jax
import numpy as np
import pytest

from robot_gcrl.agents.baselines.config import BaselineConfig
from robot_gcrl.errors import ConfigError
from robot_gcrl.policy.verify import verify_policy
from robot_gcrl.study.cells import cells_of
from robot_gcrl.study.study import Study
from robot_gcrl.task.registry import load_task
from robot_gcrl.train import brax_run
from robot_gcrl.train.assess import evaluate_run
from robot_gcrl.train.brax_plan import brax_plan
from robot_gcrl.train.checkpoint import RunFolder
from robot_gcrl.train.config import override, resumed
from robot_gcrl.train.config_json import from_content, to_content
from robot_gcrl.train.distill import Course, distill
from robot_gcrl.train.export import export_run
from robot_gcrl.train.loop import gradient_steps, learner_of, make_program, update_counts
from robot_gcrl.train.memory import check_memory, estimate
from robot_gcrl.train.options import parse_train
from robot_gcrl.train.settings import make_train_config
from tests.physics.models import box_task
from tests.train.samples import info, make_config, same_bits

ALL = ("sac", "sac_her", "td3_her", "ppo", "gcbc")
TINY = {"agent.width": 8, "agent.batch_size": 8, "prefill": 8, "rollout": 8}


def words(*more: str) -> list[str]:
    return ["--task", "reacher", "--preset", "smoke", *more]


def test_the_default_is_crl_and_what_it_was():
    config, _ = parse_train(words())
    assert config.algorithm == "crl"
    content = to_content(config)
    del content["algorithm"], content["baseline"]  # as an older version wrote it
    assert from_content(json.loads(json.dumps(content))) == config
    # No row of its replay holds a goal
    task = box_task()
    shape = jax.eval_shape(make_program(task, make_config(config.run)).init, 0).replay.observation
    assert shape.shape[-1] == task.contract.observation_size


def test_an_algorithm_is_chosen_with_its_reward_and_survives_the_json():
    for algorithm in ALL:
        config, _ = parse_train(words("--algorithm", algorithm))
        assert config.algorithm == algorithm
        expected = "dense" if algorithm in ("ppo", "sac") else "sparse"
        assert config.baseline.reward == expected
        assert from_content(json.loads(json.dumps(to_content(config)))) == config
    config, _ = parse_train(words("--algorithm", "td3_her", "--baseline.exploration-noise", "0.3"))
    assert config.baseline == BaselineConfig(exploration_noise=0.3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ("--algorithm", "sac_her", "--agent.loss", "symmetric_infonce"),
            "--agent.loss was given with --algorithm sac_her, which does not read it. Expected "
            "settings that it reads. Leave it out, or choose another algorithm: docs/baselines.md "
            "says which reads what.",
        ),
        (
            ("--baseline.hindsight", "final", "--baseline.reward", "dense"),
            "--baseline.reward, --baseline.hindsight was given with --algorithm crl, which does "
            "not read them. Expected settings that it reads. Leave them out, or choose another "
            "algorithm: docs/baselines.md says which reads what.",
        ),
        (
            ("--algorithm", "gcbc", "--agent.gamma", "0.9"),
            "--agent.gamma was given, which is read with baseline.hindsight geometric alone. "
            "Expected settings that the run reads. Leave it out, or take baseline.hindsight "
            "geometric.",
        ),
        (
            ("--near-goal-radius", "0.1"),
            "--near-goal-radius was given, which is read with a near_goal_share above 0 alone. "
            "Expected settings that the run reads. Leave it out, or take a near_goal_share above "
            "0.",
        ),
        (
            ("--random-start-share", "0.5"),
            "--random-start-share was given, which is read with a task that has starts anywhere "
            "alone. Expected settings that the run reads. Leave it out, or take a task that has "
            "starts anywhere.",
        ),
        (
            ("--goal-proposal-share", "0.2"),
            "--goal-proposal-share was given, which is read with a goal_proposal beside task "
            "alone. Expected settings that the run reads. Leave it out, or take a goal_proposal "
            "beside task.",
        ),
        (
            ("--agent.critic", "survival", "--agent.loss", "symmetric_infonce"),
            "--agent.loss was given, which is read with another agent.critic alone. Expected "
            "settings that the run reads. Leave it out, or take another agent.critic.",
        ),
        (
            ("--agent.critic", "survival", "--agent.moving-share", "0.5"),
            "--agent.moving-share was given, which is read with another agent.critic alone. "
            "Expected settings that the run reads. Leave it out, or take another agent.critic.",
        ),
        (
            ("--agent.norm", "hyperspherical", "--agent.input-bias", "0.5"),
            "--agent.input-bias was given, which is read with another agent.norm alone. Expected "
            "settings that the run reads. Leave it out, or take another agent.norm.",
        ),
        (
            ("--algorithm", "gcbc", "--agent.actor-width", "64", "--agent.width", "99"),
            "--agent.width was given, which is read with no agent.actor_width alone. Expected "
            "settings that the run reads. Leave it out, or take no agent.actor_width.",
        ),
        (
            ("--engine", "mjx", "--physics-threads", "1"),
            "--physics-threads was given, which is read with the engine native alone. Expected "
            "settings that the run reads. Leave it out, or take the engine native.",
        ),
    ],
)
def test_what_a_run_does_not_read_is_refused(given, message):
    with pytest.raises(ConfigError) as caught:
        parse_train(words(*given))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "given",
    [
        ("gcbc", {"baseline.reward": "dense"}),
        ("ppo", {"agent.batch_size": 64}),
        ("sac", {"rollout": 64}),
        ("td3_her", {"agent.target_entropy_scale": 1.0}),
        ("sac_her", {"start_from": "runs/other"}),
    ],
)
def test_settings_of_others_are_refused_from_python_and_in_studies(given):
    algorithm, options = given
    with pytest.raises(ConfigError, match=f"was given with --algorithm {algorithm}, which does no"):
        make_train_config("reacher", preset="smoke", algorithm=algorithm, **options)
    study = Study(name="x", tasks=["reacher"], seeds=[0],
                  options={"preset": "smoke", "algorithm": algorithm, **options})  # fmt: skip
    with pytest.raises(ConfigError, match=f"was given with --algorithm {algorithm}, which does no"):
        cells_of(study)


def test_algorithms_are_variants_of_a_study():
    study = Study(name="x", tasks=["reacher"], seeds=[0], options={"preset": "smoke"},
                  variants={"default": {}, "ppo": {"algorithm": "ppo"}})  # fmt: skip
    crl, ppo = cells_of(study)
    assert (crl.config.algorithm, ppo.config.algorithm) == ("crl", "ppo")
    config, _ = parse_train([*ppo.words, "--run", str(ppo.config.run)])
    assert config == ppo.config


def test_what_a_task_hints_is_set_only_where_it_is_read():
    # Seen to fail: with the hint in every algorithm's settings, of which none reads it
    for algorithm in ("crl", *ALL):
        config = make_train_config("arm_push", preset="smoke", algorithm=algorithm)
        assert config.agent.moving_share == (0.9 if algorithm == "crl" else 0.0)


def test_an_unknown_algorithm_is_named():
    with pytest.raises(Exception, match=r"Unknown algorithm 'sac_hr'. Did you mean 'sac_her'"):
        make_train_config("reacher", algorithm="sac_hr")


def test_a_resumed_run_keeps_its_algorithm(tmp_path):
    stored = make_config(tmp_path, algorithm="gcbc")
    with pytest.raises(ConfigError, match="--algorithm crl contradicts the run"):
        resumed(stored, {"algorithm": "crl"})


@pytest.mark.parametrize("algorithm", ["td3_her"])
def test_a_resumed_run_is_the_run_that_was_not_stopped(tmp_path, algorithm):
    task = box_task(episode_length=6, highest=3.0)
    config = make_config(tmp_path / "run", algorithm=algorithm, num_envs=4, **TINY)
    program = make_program(task, config)

    def go_on(state, first: int, last: int):
        sums = {}
        for iteration in range(first, last):
            counts = update_counts(config, iteration) + np.int32(1)
            state, sums = program.iterate(state, counts)
        return state, sums

    with RunFolder.create(config.run, config, task.contract.sha256) as folder:
        state, _ = go_on(program.init(3), 0, 2)
        folder.save_last(state, info(2))
        whole, sums = go_on(state, 2, 3)
        again, _ = folder.restore_last(program.init(5))
        resumed_state, _ = go_on(again, 2, 3)
    assert same_bits(whole, resumed_state)
    assert float(sums["learner/count"]) > 0
    assert whole.replay
    size = task.contract.observation_size + task.contract.goal_size
    assert whole.replay.observation.shape[-1] == size
    # A goal that was commanded is in the replay, in observation units
    goal = whole.replay.observation[7, :, -task.contract.goal_size :]
    assert np.isfinite(goal).all()
    assert (np.abs(goal) > 0).any()


@pytest.mark.parametrize("algorithm", ALL)
def test_from_a_run_folder_to_a_verified_policy(tmp_path, algorithm):
    # The networks of a run as it would leave them, without the minute that training compiles for
    task = load_task("reacher")
    config = make_train_config(
        "reacher", preset="smoke", algorithm=algorithm, run=tmp_path / "run", engine="native"
    )
    agent = learner_of(task, config)
    state = jax.jit(agent.init)(jax.random.key(4))
    with RunFolder.create(config.run, config, task.contract.sha256) as folder:
        folder.save_best(state, info(1))
    result = evaluate_run(config.run, episodes=4)
    assert 0.0 <= result["success_any"]["mean"] <= 1.0
    policy = export_run(config.run, out=None)
    assert verify_policy(policy)["ok"]
    with pytest.raises(ConfigError, match=f"is of algorithm '{algorithm}', whose critic no policy"):
        export_run(config.run, out=None, with_critic=True)
    with pytest.raises(ConfigError, match=f"is of algorithm '{algorithm}'. Expected a teacher of"):
        distill(config.run, depth=4, width=8, run=tmp_path / "student", course=Course())
    if algorithm in ("gcbc", "ppo", "sac"):
        with pytest.raises(ConfigError, match="is of an algorithm without a critic of actions"):
            evaluate_run(config.run, episodes=4, best_of=4)


@pytest.mark.parametrize("algorithm", ["sac_her", "td3_her", "gcbc"])
def test_the_estimate_of_memory_against_what_is_made(algorithm):
    task = load_task("reacher")
    config = make_train_config("reacher", preset="smoke", algorithm=algorithm)
    config = override(config, {"agent.batch_size": 2})
    needs = estimate(task.contract, task.model, config)
    state = jax.eval_shape(make_program(task, config).init, 0)
    size = sum(leaf.size * 4 for leaf in jax.tree.leaves(state.replay))
    assert needs.replay == size - 4
    parameters = sum(leaf.size * 4 for leaf in jax.tree.leaves((state.agent.actor,)))
    networks = 1 if algorithm == "gcbc" else 3
    kept = networks * 4 * 2 * config.agent.width * (config.agent.depth // 4 + 12)
    made = sum(leaf.size * 4 for leaf in jax.tree.leaves(state.agent))
    gradients = parameters
    if algorithm != "gcbc":
        online = state.agent.critic["online"]
        gradients += sum(leaf.size * 4 for leaf in jax.tree.leaves(online))
    assert needs.networks - kept == pytest.approx(made + gradients, rel=0.01)


def test_the_memory_of_ppo_is_lowered_by_what_ppo_reads():
    # Seen to fail: with --replay-capacity and --agent.batch-size, which ppo refuses
    task = load_task("reacher")
    config = make_train_config("reacher", preset="smoke", algorithm="ppo")
    for changes, lower in (
        (
            {"num_envs": 64, "baseline.minibatches": 64, "baseline.unroll": 10**5},
            "--num-envs (64) or --baseline.unroll (100000).",
        ),
        ({"agent.width": 4096}, "--agent.width (4096), --agent.depth (4) or --baseline.unroll "),
    ):
        with pytest.raises(ConfigError) as caught:
            check_memory(task.contract, task.model, override(config, changes), available=10**6)
        assert f"are free. Lower {lower}" in str(caught.value)
    # 16 worlds in 8 minibatches of 16 steps: 32 rows, whatever the batch of the others
    needs = estimate(task.contract, task.model, config)
    other = override(config, {"agent.batch_size": 10**6})
    assert estimate(task.contract, task.model, other) == needs


def test_a_plan_of_brax_is_the_budget_in_whole_steps(tmp_path):
    ppo = make_config(tmp_path, algorithm="ppo", steps=5000, num_envs=16, evaluations=3)
    plan = brax_plan(ppo)
    assert plan.control_steps % (16 * 16) == 0
    assert 5000 <= plan.epochs * plan.control_steps < 5000 + 3 * 256
    assert plan.gradient_steps == plan.control_steps // 256 * 8 * 4
    assert gradient_steps(ppo, 2) == 2 * plan.gradient_steps
    # Of 25 training steps in at most 16 epochs: 13 of 2, and not 16 of 2
    laptop = make_train_config("reacher", preset="laptop", algorithm="ppo")
    assert brax_plan(laptop).epochs == 13
    assert 13 * brax_plan(laptop).control_steps == 106_496
    sac = make_config(tmp_path, algorithm="sac", steps=5000, num_envs=16, evaluations=3,
                      control_steps_per_update=6.0)  # fmt: skip
    plan = brax_plan(sac)
    assert plan.prefill == 16 * 16
    assert 5000 <= plan.prefill + plan.epochs * plan.control_steps < 5000 + 3 * 16
    assert plan.gradient_steps == plan.control_steps // 16 * 3  # of 16 / 6
    with pytest.raises(ConfigError, match=r"baseline.minibatches is 5 and num_envs is 16. Expecte"):
        brax_plan(override(ppo, {"baseline.minibatches": 5}))
    with pytest.raises(ConfigError, match=r"prefill is 16 control steps of each of 16 worlds and"):
        brax_plan(override(sac, {"steps": 256}))
    with pytest.raises(ConfigError, match=r"agent.norm is 'hyperspherical' and algorithm is 'ppo'"):
        brax_plan(override(ppo, {"agent.norm": "hyperspherical"}))


def test_what_brax_cannot_do_is_refused(tmp_path, monkeypatch):
    config = make_config(tmp_path, algorithm="ppo")
    with pytest.raises(ConfigError) as caught:
        brax_run.require_brax(config, resume=True)
    assert str(caught.value) == (
        f"The run {tmp_path} is of algorithm 'ppo', which cannot be resumed: brax's trainers do "
        "not give out their replay, optimizers and worlds. Expected a run of crl, sac_her, td3_her "
        "or gcbc. Start a new run with more --steps."
    )
    monkeypatch.setitem(sys.modules, "brax", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        brax_run.require_brax(config, resume=False)
    assert str(caught.value) == (
        "Algorithm 'ppo' needs brax, which is not installed. Expected the extra. Install it from "
        "the checkout: python -m pip install '.[brax]'"
    )
