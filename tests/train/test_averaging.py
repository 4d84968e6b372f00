"""A run whose actor is averaged: what it evaluates, keeps and gives away is the average."""

from pathlib import Path

import jax
import numpy as np
import pytest

from robot_gcrl.agents.crl.agent import AgentState
from robot_gcrl.policy.actor import named_arrays
from robot_gcrl.policy.runtime.file import read_policy
from robot_gcrl.task.registry import load_task
from robot_gcrl.train import train as training
from robot_gcrl.train.assess import restore_policy
from robot_gcrl.train.checkpoint import RunFolder
from robot_gcrl.train.config import override
from robot_gcrl.train.evaluate import Evaluator
from robot_gcrl.train.export import export_run
from robot_gcrl.train.loop import learner_of
from robot_gcrl.train.settings import make_train_config
from tests.train.samples import same_bits


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, list[AgentState]]:
    """A short run, and the states that it evaluated."""
    config = make_train_config(
        "reacher", preset="smoke", engine="native", run=tmp_path_factory.mktemp("averaged") / "run"
    )
    evaluated: list[AgentState] = []
    episodes = Evaluator.episodes

    def watch(self, policy, **words):
        evaluated.append(jax.device_get(policy))
        return episodes(self, policy, **words)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Evaluator, "episodes", watch)
        training.train(override(config, {"steps": 1024, "evaluations": 1}))
    return config.run, evaluated


def stored(run: Path, checkpoint) -> AgentState:
    """A checkpoint as it was saved."""
    config = RunFolder.open(run).config
    agent = learner_of(load_task(config.task), config)
    return RunFolder.open(run).restore_agent(
        checkpoint, jax.eval_shape(agent.init, jax.random.key(0))
    )[0]


def test_the_average_is_evaluated(run):
    path, (evaluated,) = run
    last = stored(path, "last")
    assert same_bits(evaluated.actor, last.averaged)
    assert not same_bits(last.actor, last.averaged)


@pytest.mark.parametrize("checkpoint", ["best", "last"])
def test_what_a_run_gives_is_the_average(run, checkpoint):
    path, _ = run
    _, agent, served, _ = restore_policy(path, checkpoint, seed=0)
    assert agent.config.ema_decay > 0.0
    assert same_bits(served.actor, stored(path, checkpoint).averaged)
    assert served.averaged == ()


def test_a_policy_file_holds_the_average(run, tmp_path):
    path, _ = run
    weights = read_policy(export_run(path, out=tmp_path / "averaged.policy")).weights
    averaged = stored(path, "best").averaged
    assert isinstance(averaged, dict)
    arrays = {k: v for k, v in named_arrays(averaged).items() if not k.startswith("head/")}
    assert len(arrays) > 10
    for name, array in arrays.items():
        np.testing.assert_array_equal(weights[name], array)


def test_a_run_that_did_not_average_is_evaluated_as_it_was(run, tmp_path):
    config = make_train_config("reacher", preset="smoke", engine="native", run=tmp_path / "run")
    plain = training.train(
        override(config, {"steps": 1024, "evaluations": 1, "agent.ema_decay": 0.0})
    )
    assert stored(plain, "last").averaged == ()
    assert same_bits(stored(plain, "last").actor, stored(run[0], "last").actor)
    _, _, served, _ = restore_policy(plain, "last", seed=0)
    assert same_bits(served, stored(plain, "last"))
