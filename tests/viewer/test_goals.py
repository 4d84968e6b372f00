"""What a goal looks like in the scene, and what becomes of one that is asked for."""

import numpy as np
import pytest

from robot_gcrl.contract import Contract, Field, GoalField, SuccessGroup
from robot_gcrl.viewer.goals import (
    GoalDesk,
    Handle,
    Marker,
    Verdict,
    make_handles,
    make_markers,
)
from tests.bridge.fakes import cart_contract
from tests.contract.contracts import CONTRACT
from tests.viewer.worlds import CART, chain_contract, make_show


def contract_of(
    *groups: tuple[str, ...], unit: str = "m", radii: tuple[float, ...] = (0.1, 0.2, 0.3)
) -> Contract:
    """The goal fields of a contract in the order of their names, in these success groups."""
    labels = sorted(label for group in groups for label in group)
    return cart_contract(
        observation=(
            Field(source="qpos", name="x", unit="m"),
            Field(source="qpos", name="y", unit="m"),
            *(Field(source="sensor", name=label, unit=unit) for label in labels),
        ),
        goal=tuple(
            GoalField(label=label, source="sensor", name=label, unit=unit, low=-1.0, high=2.0)
            for label in labels
        ),
        success=tuple(
            SuccessGroup(labels=group, radius=radius)
            for group, radius in zip(groups, radii, strict=False)
        ),
    )


def with_sensors(contract: Contract) -> str:
    """The cart with a sensor for every number of the goal."""
    sensors = "".join(f'<clock name="{field.label}"/>' for field in contract.goal)
    return CART.replace("</mujoco>", f"<sensor>{sensors}</sensor></mujoco>")


def test_a_place_in_the_plane() -> None:
    assert make_markers(cart_contract()) == (Marker(name="goal", axes=(0, 1, None), radius=0.1),)


def test_a_place_in_space_whatever_the_order_of_its_fields() -> None:
    # Seen to fail: with the axes counted in the order of the group instead of by name
    (marker,) = make_markers(contract_of(("z", "y", "x")))
    assert marker == Marker(name="goal", axes=(0, 1, 2), radius=0.1)
    assert not marker.is_planar


def test_the_height_may_be_a_success_group_of_its_own() -> None:
    assert make_markers(CONTRACT) == (Marker(name="goal", axes=(1, 2, None), radius=0.5),)


@pytest.mark.parametrize("joint", [".", "_", " "])
def test_two_objects_have_a_marker_each(joint: str) -> None:
    # Seen to fail: with the first group's radius for both
    groups = tuple(
        tuple(f"{name}{joint}{a}" for a in "xyz"[:n]) for name, n in (("b", 2), ("a", 3))
    )
    first, second = make_markers(contract_of(*groups))
    assert first == Marker(name="b", axes=(3, 4, None), radius=0.1)
    assert second == Marker(name="a", axes=(0, 1, 2), radius=0.2)


def test_two_things_never_have_one_name() -> None:
    # Seen to fail: "cube.x" and "cube_x" gave two bodies of one name, which MuJoCo refuses
    groups = (("cube.x", "cube.y"), ("cube_x", "cube_y"), ("x", "y"), ("goal x", "goal y"))
    contract = contract_of(*groups, radii=(0.1,) * 4)
    markers = make_markers(contract)
    assert [marker.name for marker in markers] == ["cube", "cube 2", "goal", "goal 2"]
    make_show(contract=contract, xml=with_sensors(contract)).compile()


def test_fingertips_of_one_group_have_a_marker_each_and_are_moved_together_or_alone() -> None:
    # Seen to fail: such a group had no marker
    contract = contract_of(("l.x", "l.y", "l.z", "r.x", "r.y", "r.z"), ("x", "y"))
    left, right, place = make_markers(contract)
    assert (left.name, right.name, place.name) == ("l", "r", "goal")
    assert (left.radius, right.radius, place.radius) == (0.1, 0.1, 0.2)
    both, *alone = make_handles(contract)
    assert both == Handle(markers=(left, right))
    assert alone == [Handle(markers=(marker,)) for marker in (left, right, place)]
    assert [handle.name for handle in (both, *alone)] == ["l + r", "l", "r", "goal"]
    assert (both.radius, both.is_planar, alone[2].is_planar) == (0.1, False, True)


def test_what_is_moved_together_stays_as_far_apart() -> None:
    contract = contract_of(("l.x", "l.y", "l.z", "r.x", "r.y", "r.z"))
    both, left, _ = make_handles(contract)
    goal = np.array([0.0, 0.0, 0.5, 1.0, 0.5, 0.5], np.float32)
    np.testing.assert_allclose(both.position(goal, 0.0), [0.5, 0.25, 0.5])
    moved = both.moved(goal, [1.5, 0.25, 1.0])
    np.testing.assert_allclose(moved, [1.0, 0.0, 1.0, 2.0, 0.5, 1.0])
    np.testing.assert_allclose(left.moved(goal, [1.0, 1.0, 1.0]), [1, 1, 1, 1.0, 0.5, 0.5])
    np.testing.assert_array_equal(goal, [0.0, 0.0, 0.5, 1.0, 0.5, 0.5])


@pytest.mark.parametrize(
    "contract",
    [
        contract_of(("x", "y"), unit="rad"),
        contract_of(("x", "z")),
        contract_of(("x",), ("y",)),
        contract_of(("a.x", "b.y")),
        contract_of(("a.x", "a_x", "a.y")),
        contract_of(("x", "y", "yaw")),
        chain_contract(),
    ],
    ids=["angles", "no y", "apart", "two names", "x twice", "and more", "five angles"],
)
def test_what_is_no_place_has_no_marker(contract: Contract) -> None:
    # Seen to fail, each by leaving out its own condition
    assert make_markers(contract) == ()


def test_a_marker_turns_goals_into_places_and_back() -> None:
    marker = Marker(name="a", axes=(2, 0, None), radius=0.1)
    goal = np.array([1.0, 2.0, 3.0], np.float32)
    np.testing.assert_array_equal(marker.position(goal, 0.7), [3.0, 1.0, 0.7])
    moved = marker.moved(goal, [5.0, 6.0, 7.0])
    np.testing.assert_array_equal(moved, [6.0, 2.0, 5.0])
    np.testing.assert_array_equal(goal, [1.0, 2.0, 3.0])
    assert moved.dtype == np.float32
    spatial = Marker(name="a", axes=(0, 1, 2), radius=0.1)
    np.testing.assert_array_equal(spatial.position(goal, 0.7), goal)


@pytest.fixture
def desk() -> GoalDesk:
    return GoalDesk(cart_contract())


def test_before_the_first_goal_there_is_none(desk: GoalDesk) -> None:
    assert (desk.verdict, desk.active, desk.asked) == (Verdict("none"), None, 0)
    np.testing.assert_array_equal(desk.wanted, [0.0, 0.0])
    np.testing.assert_array_equal(desk.pursued, [0.0, 0.0])


def test_a_goal_is_pending_until_it_is_confirmed(desk: GoalDesk) -> None:
    goal = np.array([0.5, 1.0], np.float32)
    assert desk.ask(goal)
    goal[0] = 9.0  # the caller's array stays the caller's
    assert desk.verdict == Verdict("pending")
    assert desk.active is None
    desk.confirm(np.array([0.5, 1.0], np.float32))
    assert desk.verdict == Verdict("active")
    np.testing.assert_array_equal(desk.active, [0.5, 1.0])


def test_the_bounds_themselves_are_goals(desk: GoalDesk) -> None:
    low, high = desk.bounds
    assert desk.ask(low)
    assert desk.ask(high)
    assert desk.asked == 2


@pytest.mark.parametrize(
    ("goal", "text"),
    [
        ((0.0, 2.25), "y = 2.25 is outside of [-2, 2]"),
        ((-2.0625, 0.0), "x = -2.0625 is outside of [-2, 2]"),
        ((2.001, 3.0), "x = 2.001 is outside of [-2, 2]"),
    ],
)
def test_a_goal_out_of_bounds_is_refused_and_shown(desk: GoalDesk, goal, text: str) -> None:
    # Seen to fail: with the active goal replaced, and with the wanted one left as it was
    desk.ask((1.0, 1.0))
    desk.confirm(desk.wanted)
    assert not desk.ask(goal)
    assert desk.verdict == Verdict("refused", text)
    np.testing.assert_array_equal(desk.wanted, np.array(goal, np.float32))
    np.testing.assert_array_equal(desk.active, [1.0, 1.0])
    np.testing.assert_array_equal(desk.pursued, [1.0, 1.0])


@pytest.mark.parametrize("goal", [(np.nan, 0.0), (0.0, np.inf), (1.0,), (1.0, 1.0, 1.0), ()])
def test_what_is_no_goal_is_not_even_wanted(desk: GoalDesk, goal) -> None:
    # Seen to fail: without isfinite a NaN is neither below nor above a bound, and was accepted
    desk.ask((1.0, 1.0))
    assert not desk.ask(goal)
    assert desk.verdict == Verdict("refused", "not a goal of finite numbers")
    np.testing.assert_array_equal(desk.wanted, [1.0, 1.0])
    assert desk.asked == 1


def test_a_refused_goal_is_followed_by_a_good_one(desk: GoalDesk) -> None:
    desk.ask((3.0, 0.0))
    assert desk.ask((1.0, 0.0))
    assert desk.verdict == Verdict("pending")


def test_another_operators_goal_is_taken_over_when_nothing_is_wanted_here(desk: GoalDesk) -> None:
    desk.confirm(np.array([0.25, 0.5]))
    assert desk.verdict == Verdict("active")
    np.testing.assert_array_equal(desk.wanted, [0.25, 0.5])
    desk.confirm(np.array([-0.25, 0.5]))
    np.testing.assert_array_equal(desk.wanted, [-0.25, 0.5])
    np.testing.assert_array_equal(desk.active, [-0.25, 0.5])
    assert desk.asked == 0


def test_another_operators_goal_does_not_hide_what_is_asked_for_here(desk: GoalDesk) -> None:
    # Seen to fail: with `wanted` taken from every confirmed goal
    desk.ask((1.0, 1.0))
    desk.confirm(np.array([0.0, 0.5]))
    assert desk.verdict == Verdict("pending")
    np.testing.assert_array_equal(desk.wanted, [1.0, 1.0])
    np.testing.assert_array_equal(desk.active, [0.0, 0.5])
    desk.confirm(np.array([1.0, 1.0]))
    assert desk.verdict == Verdict("active")


def test_a_goal_that_the_server_refuses_leaves_the_one_before(desk: GoalDesk) -> None:
    desk.ask((1.0, 1.0))
    desk.confirm(desk.wanted)
    desk.ask((1.5, 1.0))
    desk.refuse("the robot is stopped")
    assert desk.verdict == Verdict("refused", "the robot is stopped")
    # A server tells the goal again and again
    desk.confirm(np.array([1.0, 1.0]))
    assert desk.verdict.state == "refused"
    np.testing.assert_array_equal(desk.active, [1.0, 1.0])
    np.testing.assert_array_equal(desk.wanted, [1.5, 1.0])
