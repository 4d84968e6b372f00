"""What `evaluate --best-of` refuses, and that it picks among more than the mean."""

import jax
import numpy as np
import pytest

from robot_gcrl.agents.crl.agent import make_agent
from robot_gcrl.agents.crl.best import best_action
from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.cli import main
from robot_gcrl.errors import ConfigError
from robot_gcrl.train.assess import evaluate_run
from robot_gcrl.train.evaluate import policy_best


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"best_of": -1},
            "best_of is -1. Expected 0 (the policy's mean) to 1024. Change --best-of.",
        ),
        (
            {"best_of": 8, "spread": 0.0},
            "spread is 0.0. Expected a finite number above 0. Change --spread.",
        ),
        (
            {"best_of": 1, "spread": 2.0},
            "spread is 2.0 and best_of is 1. Expected samples that it spreads. Set --best-of to 2 "
            "or more, or leave --spread out.",
        ),
    ],
)
def test_refuses_what_makes_no_sense(tmp_path, values, text):
    with pytest.raises(ConfigError) as caught:
        evaluate_run(tmp_path, **values)
    assert str(caught.value) == text


def test_a_film_is_of_the_mean(tmp_path, capsys):
    words = f"evaluate {tmp_path} --best-of 4 --video {tmp_path}/a.mp4"
    assert main(words.split()) == 2
    assert (
        "--best-of 4 was given with --video. Expected at most one of them: a film shows the "
        "policy's mean. Leave one out."
    ) in capsys.readouterr().err


def test_it_acts_with_the_best_action():
    agent = make_agent(
        CrlConfig(width=8, embedding_size=4), observation_size=3, action_size=2, goal_index=(0,)
    )
    state, key = agent.init(jax.random.key(0)), jax.random.key(4)
    observation = jax.random.normal(jax.random.key(1), (6, 3))
    goal = jax.random.normal(jax.random.key(2), (6, 1))
    act = policy_best(agent, samples=3, spread=2.0)
    np.testing.assert_array_equal(
        act(state, observation, goal, key),
        best_action(agent, state, observation, goal, key, samples=3, spread=2.0),
    )
