"""Training with proposed goals: exact resume, overlap changes no bit, settings, metrics."""

import copy
from pathlib import Path

import jax
import numpy as np
import pytest

from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.errors import ConfigError
from robot_gcrl.train.checkpoint import RunFolder
from robot_gcrl.train.config_json import from_content, to_content
from robot_gcrl.train.loop import make_program, mean_metrics, update_counts
from tests.physics.models import box_task
from tests.train.samples import make_config, same_bits

RUN = Path("runs/x")


def _config(run, **values):
    settings = {
        "num_envs": 8,
        "rollout": 40,
        "prefill": 5,
        "replay_capacity": 60,
        "control_steps_per_update": 9.0,
        "goal_switch_probability": 0.05,
        "agent": CrlConfig(width=16, embedding_size=8, batch_size=16),
    }
    return make_config(run, **settings | values)


def _iterate(program, state, config, iterations):
    sums = {}
    for i in iterations:
        state, sums = program.iterate(state, update_counts(config, i))
    return jax.device_get(state), jax.device_get(sums)


@pytest.mark.parametrize(
    "kind",
    ["frontier", *(pytest.param(k, marks=pytest.mark.slow) for k in ("visited", "curriculum"))],
)
def test_resume_is_exact_and_overlap_changes_no_bit(tmp_path, kind):
    task = box_task(episode_length=30, highest=3.0)
    config = _config(tmp_path / "run", goal_proposal=kind)
    program = make_program(task, config)
    state, _ = _iterate(program, program.init(3), config, range(2))
    with RunFolder.create(config.run, config, task.contract.sha256) as folder:
        folder.save_last(state, {"iteration": 2, "control_steps": 640, "seconds": 1.0})
    straight, sums = _iterate(program, state, config, range(2, 4))
    # the program that goes on has no overlap
    other = make_program(task, _config(tmp_path / "run", goal_proposal=kind, overlap=False))
    restored, _ = RunFolder.open(config.run).restore_last(other.init(99))
    resumed, _ = _iterate(other, restored, config, range(2, 4))
    assert same_bits(straight, resumed)
    means = mean_metrics({k: float(np.sum(v)) for k, v in sums.items() if "/" in k})
    assert 0.0 < means["goal_distance"] < 5.0
    assert 0.0 <= means["proposal_reached"] <= 1.0
    assert ("curriculum_radius" in means) == (kind == "curriculum")
    if kind != "curriculum":
        assert int(straight.env.proposing.source.size) > 0
    assert straight.env.proposing.pursuit.proposed.any()


def test_settings_of_a_version_without_proposals_are_read():
    config = make_config(RUN)
    content = to_content(config)
    for name in ("goal_proposal", "goal_proposal_share", "goal_noise", "curriculum_radius"):
        del content[name]
    assert from_content(content) == config
    assert config.goal_proposal == "task"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"goal_noise": 0.5, "goal_proposal": "visited"},
            "goal_noise is 0.5 and goal_proposal is 'visited'. Expected goal_noise with "
            "visited_noise alone, which reads it. Set goal_proposal to visited_noise, or "
            "goal_noise to None.",
        ),
        (
            {"curriculum_radius": 2.0},
            "curriculum_radius is 2.0 and goal_proposal is 'task'. Expected curriculum_radius with "
            "curriculum alone, which reads it. Set goal_proposal to curriculum, or "
            "curriculum_radius to None.",
        ),
        (
            {"goal_proposal": "frontier", "goal_proposal_share": 0.0},
            "goal_proposal is 'frontier' and goal_proposal_share is 0.0. Expected a share above 0 "
            "where goals shall be proposed. Raise goal_proposal_share, or set goal_proposal to "
            "task.",
        ),
        (
            {"goal_noise": float("nan"), "goal_proposal": "visited_noise"},
            "goal_noise is nan. Expected a finite number above 0. Change goal_noise.",
        ),
        (
            {"goal_proposal_share": 1.5},
            "goal_proposal_share is 1.5. Expected a number from 0.0 to 1.0. Change "
            "goal_proposal_share.",
        ),
    ],
)
def test_refuses_what_makes_no_sense(values, text):
    with pytest.raises(ConfigError) as caught:
        make_config(RUN, **values)
    assert str(caught.value) == text


def test_refuses_a_proposal_that_does_not_exist():
    config = copy.copy(make_config(RUN))
    # Past the tests' type checker, which would refuse it by itself
    object.__setattr__(config, "goal_proposal", "far")
    with pytest.raises(ConfigError) as caught:
        config.__post_init__()
    assert str(caught.value) == (
        "goal_proposal is 'far'. Expected one of task, visited, visited_noise, frontier, "
        "curriculum. Set goal_proposal to one of them."
    )
