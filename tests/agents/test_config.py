"""Settings that are refused, word for word, and what the module does not import."""

import copy
import subprocess
import sys
from typing import Any

import pytest

from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.errors import ConfigError

REFUSED = [
    ("depth", 6, "a multiple of 4 from 4 to 1024: a residual block has 4 layers"),
    ("depth", 0, "a multiple of 4 from 4 to 1024: a residual block has 4 layers"),
    ("actor_depth", 1028, "a multiple of 4 from 4 to 1024: a residual block has 4 layers"),
    ("width", 0, "a whole number of 1 or more"),
    ("embedding_size", 0, "a whole number of 1 or more"),
    ("batch_size", 1, "a whole number of 2 or more"),
    ("learning_rate", 0.0, "a number above 0"),
    ("temperature_learning_rate", float("nan"), "a number above 0"),
    ("target_entropy_scale", -0.5, "a number of 0 or more"),
    ("logsumexp_penalty", float("inf"), "a number of 0 or more"),
    ("initial_log_temperature", float("inf"), "a finite number"),
    ("gamma", 1.0, "a number between 0 and 1, both excluded"),
    ("head_init", "large", "one of published, small"),
    ("block_init", "one", "one of published, zero"),
    ("chunk", 0, "a whole number from 1 to 32"),
    ("chunk", 33, "a whole number from 1 to 32"),
    ("loss", "nce", "one of infonce, backward_infonce, symmetric_infonce"),
    ("critic", "quasi", "one of contrastive, survival, temporal_distance"),
    ("time_bins", 1, "a whole number of 2 or more"),
    ("energy", "norm", "one of l2, squared_l2, dot, cosine"),
    ("cosine_scale", 0.0, "a number above 0"),
    ("num_critics", 3, "1 or 2"),
    ("random_goals", 1.5, "a share from 0 to 1"),
    ("horizon_spread", 0.5, "a finite number of 1 or more"),
    ("input_bias", -1.0, "a number of 0 or more"),
    ("rows_per_episode", 3, "a divisor of batch_size 512"),
    ("ema_decay", 1.0, "a number from 0 to below 1"),
    ("moving_share", -0.1, "a share from 0 to 1"),
    ("eval_action", "median", "one of mode, mean"),
    ("norm", "batch", "one of layer, rms, hyperspherical"),
]


def refuse_or_accept(name: str, value: object) -> None:
    """Past the tests' type checker, which would refuse some of the values by itself."""
    config = copy.copy(CrlConfig())
    object.__setattr__(config, name, value)
    config.__post_init__()


@pytest.mark.parametrize(("name", "value", "expected"), REFUSED)
def test_a_setting_out_of_range_is_refused(name: str, value: object, expected: str):
    with pytest.raises(ConfigError) as error:
        refuse_or_accept(name, value)
    assert str(error.value) == (
        f"Agent setting {name} is {value!r}. Expected {expected}. Change {name}."
    )


@pytest.mark.parametrize(("name", "value"), [("cosine_scale", 5.0), ("learn_cosine_scale", False)])
def test_a_scale_without_a_cosine_is_refused(name: str, value: Any):
    # Seen to fail: with the value compared with that of the config itself
    CrlConfig(energy="cosine", **{name: value})
    with pytest.raises(ConfigError) as error:
        CrlConfig(energy="dot", **{name: value})
    assert str(error.value) == (
        f"Agent setting {name} is {value!r} and energy is 'dot', which does not read it. Expected "
        f"energy 'cosine'. Change energy, or leave {name} out."
    )


def test_bins_of_time_without_a_survival_critic_are_refused():
    # Seen to fail: nothing read them, and nothing said so.
    with pytest.raises(ConfigError) as error:
        CrlConfig(time_bins=4)
    assert str(error.value) == (
        "Agent setting time_bins is 4 and critic is 'contrastive', which does not read it. "
        "Expected critic 'survival'. Change critic, or leave time_bins out."
    )


def test_a_penalty_of_infonce_with_a_survival_critic_is_refused():
    # Seen to fail: nothing read it, and nothing said so.
    with pytest.raises(ConfigError) as error:
        CrlConfig(critic="survival", logsumexp_penalty=0.2)
    assert str(error.value) == (
        "Agent setting logsumexp_penalty is 0.2 with critic 'survival', which has no InfoNCE to "
        "add it to. Expected the default. Leave logsumexp_penalty out."
    )


@pytest.mark.parametrize(
    ("settings", "parts"),
    [({"critic": "survival", "time_bins": 5}, 5), ({"critic": "temporal_distance"}, 2)],
)
def test_an_embedding_that_a_critic_cannot_divide(settings: dict, parts: int):
    with pytest.raises(ConfigError) as error:
        CrlConfig(embedding_size=9, **settings)
    assert str(error.value) == (
        f"Agent setting embedding_size is 9. Expected a multiple of {parts}: the critic "
        f"{settings['critic']!r} divides the embedding into {parts} equal parts. "
        "Change embedding_size."
    )


def test_the_survival_critic_has_one_horizon():
    with pytest.raises(ConfigError) as error:
        CrlConfig(critic="survival", horizon_spread=4.0)
    assert str(error.value) == (
        "Agent setting horizon_spread is 4.0 with critic 'survival', whose bins of time undo one "
        "discount. Expected 1. Leave horizon_spread out."
    )


def test_the_survival_critic_has_rows_of_any_episode():
    # Seen to fail: goals of the same episode were taken for draws of what is censored.
    with pytest.raises(ConfigError) as error:
        CrlConfig(critic="survival", rows_per_episode=4)
    assert str(error.value) == (
        "Agent setting rows_per_episode is 4 with critic 'survival', to which the goals of the "
        "other rows are draws of any episode. Expected 1. Leave rows_per_episode out."
    )


def test_nothing_is_cloned_where_no_row_keeps_its_goal():
    CrlConfig(cloning=0.1, random_goals=0.9)
    with pytest.raises(ConfigError) as error:
        CrlConfig(cloning=0.1, random_goals=1.0)
    assert str(error.value) == (
        "Agent settings cloning is above 0 and random_goals is 1.0: actions are cloned for the "
        "goals that they led to, and no row has that. Expected a share below 1. Lower "
        "random_goals, or leave cloning out."
    )


def test_single_actions_are_not_replanned():
    CrlConfig(chunk=3, replan=True)
    with pytest.raises(ConfigError) as error:
        CrlConfig(replan=True)
    assert str(error.value) == (
        "Agent setting replan is True and chunk is 1: every action is decided on anew anyhow. "
        "Expected replan with chunks. Raise chunk, or leave replan out."
    )


@pytest.mark.parametrize("depth", [4, 64, 1024])
def test_depths_of_whole_blocks_are_accepted(depth: int):
    assert CrlConfig(depth=depth, actor_depth=depth).depth == depth


def test_the_module_imports_neither_jax_nor_mujoco():
    program = (
        "import sys, robot_gcrl.agents.crl.config\n"
        "print([name for name in ('jax', 'flax', 'optax', 'mujoco') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
