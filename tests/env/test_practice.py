import pytest

from robot_gcrl.env.practice import Practice
from robot_gcrl.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"goal_switch_probability": 1.5},
            "Practice.goal_switch_probability is 1.5. Expected a number from 0 to 1. Choose one.",
        ),
        (
            {"near_goal_radius": 0.0},
            "Practice.near_goal_radius is 0.0. Expected a distance above 0, or None for no near "
            "goals.",
        ),
        (
            {"near_goal_share": 0.5},
            "Practice.near_goal_share is 0.5 without near_goal_radius. Expected both or neither. "
            "Set near_goal_radius.",
        ),
        (
            {"random_start_share": float("nan")},
            "Practice.random_start_share is nan. Expected a number from 0 to 1. Choose one.",
        ),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError) as caught:
        Practice(**settings)
    assert str(caught.value) == message
