"""Headings as angles: of unit length whatever a person does, and told in degrees."""

import math

import numpy as np
import pytest

from robot_gcrl.contract import Contract, Field, GoalField, SuccessGroup
from robot_gcrl.viewer.goal_text import distance_text, goal_text
from robot_gcrl.viewer.goals import GoalDesk
from robot_gcrl.viewer.headings import (
    Heading,
    degrees_apart,
    heading_arrow,
    make_headings,
    middle_goal,
    unit_headings,
)
from tests.bridge.fakes import cart_contract

HEADING = Heading("heading", 2, 3)
PAIR = ("heading.cos", "heading.sin")


def heading_contract(pair: tuple[str, str] = PAIR) -> Contract:
    """A cart whose goal is a place and a heading; the sensors need not exist."""
    fields = [("x", "m", -2.0), ("y", "m", -1.0), *((label, "1", -1.0) for label in pair)]
    return cart_contract(
        observation=(
            Field(source="qpos", name="x", unit="m"),
            Field(source="qpos", name="y", unit="m"),
            *(Field(source="sensor", name=label, unit=unit) for label, unit, _ in fields),
        ),
        goal=tuple(
            GoalField(label=label, source="sensor", name=label, unit=unit, low=low, high=1.0)
            for label, unit, low in fields
        ),
        success=(
            SuccessGroup(labels=("x", "y"), radius=0.25),
            SuccessGroup(labels=pair, radius=0.35),
        ),
    )


@pytest.mark.parametrize(
    ("pair", "headings"),
    [
        (PAIR, (HEADING,)),
        (("yaw_sin", "yaw_cos"), (Heading("yaw", 3, 2),)),
        (("cos", "sin"), (HEADING,)),
        (("a.cos", "b.sin"), ()),
    ],
)
def test_a_heading_is_a_pair_of_fields(pair: tuple[str, str], headings) -> None:
    # Seen to fail: with the pair in the order of its fields instead of by name
    assert make_headings(heading_contract(pair)) == headings


def test_a_goal_without_headings() -> None:
    assert make_headings(cart_contract()) == ()


@pytest.mark.parametrize("angle", [0.0, 0.3, -2.0, math.pi, 4.0, -100.0])
def test_turned_pairs_have_length_one(angle: float) -> None:
    goal = np.array([0.5, -0.5, 0.2, 0.1], np.float32)
    turned = HEADING.turned(goal, angle)
    assert np.hypot(*turned[2:]) == pytest.approx(1.0, abs=1e-6)
    assert math.remainder(HEADING.angle(turned) - angle, 2 * math.pi) == pytest.approx(0, abs=1e-6)
    np.testing.assert_array_equal(turned[:2], goal[:2])
    np.testing.assert_array_equal(goal, np.array([0.5, -0.5, 0.2, 0.1], np.float32))


def test_whatever_was_in_a_pair_becomes_a_direction() -> None:
    for pair, expected in (((0.3, 0.4), (0.6, 0.8)), ((0.0, 0.0), (1.0, 0.0))):
        goal = unit_headings((HEADING,), np.array([1.0, 2.0, *pair]))
        np.testing.assert_allclose(goal, [1.0, 2.0, *expected], atol=1e-6)
        assert goal.dtype == np.float32


def test_before_the_first_goal_a_heading_points_somewhere() -> None:
    # Seen to fail: the middle of the bounds is a pair of length 0, which a moved slider asked for
    contract = heading_contract()
    np.testing.assert_allclose(middle_goal(contract), [-0.5, 0.0, 1.0, 0.0])
    np.testing.assert_allclose(GoalDesk(contract).wanted, [-0.5, 0.0, 1.0, 0.0])


def test_an_arrow_is_as_long_as_it_shall_be_whatever_the_pair() -> None:
    arrow = heading_arrow(HEADING, np.array([9.0, 9.0, 0.0, 0.5]), np.array([1.0, 2.0, 3.0]), 0.5)
    np.testing.assert_allclose(arrow.tail, [1.0, 2.0, 3.05])
    np.testing.assert_allclose(arrow.head, [1.0, 2.5, 3.05], atol=1e-12)
    assert arrow.radius == pytest.approx(0.04)


def test_headings_are_told_in_degrees() -> None:
    # Seen to fail: with the chord told as if it were the angle
    contract = heading_contract()
    place, heading = contract.success
    assert distance_text(contract, place, 0.125) == ("distance (x, y)", "0.125 m, needs 0.25")
    told = distance_text(contract, heading, math.sqrt(2.0))
    assert told == ("distance (heading)", "90 deg, needs 20")
    goal = np.array([0.5, -1.0, 0.0, -1.0])
    assert goal_text(contract, goal) == "x 0.50 m, y -1.00 m, heading -90 deg"
    assert degrees_apart(2.1) == pytest.approx(180.0)
