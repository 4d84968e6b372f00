"""What the operators' commands print, and the same as data."""

import dataclasses
import itertools

import numpy as np
import pytest

from robot_gcrl.bridge.feed import RobotState
from robot_gcrl.bridge.messages import Flag
from robot_gcrl.bridge.operate import (
    choose_robot,
    clear,
    condition,
    ping,
    random_goal,
    set_goal,
    state_data,
    stop,
    table,
    watch,
)
from robot_gcrl.bridge.operator import OperatorClient
from robot_gcrl.errors import BridgeError
from tests.bridge.loopback import PATIENCE, endpoint_in, goal, serving, wait_until
from tests.bridge.robots import Robot, operating

NOTHING = goal()
COUNTERS = {
    "reports": 100,
    "commands": 90,
    "superseded": 3,
    "stale": 2,
    "bad": 1,
    "fenced": 0,
    "clipped": 7,
    "unsent": 1,
}
STATE = RobotState(
    robot="cart0",
    lost=False,
    stamp_ns=1,
    flags=0,
    inputs=goal(1, 2, 3, 4),
    pose=NOTHING,
    ctrl=NOTHING,
    achieved=goal(1, 2),
    goal=goal(1, 2.5),
    distances=(0.5,),
    age_ns=12_300_000,
    round_trip_ns=250_000,
    counters=COUNTERS,
    heard_ns=0,
)


@pytest.fixture
def endpoint(tmp_path):
    with serving(tmp_path):
        yield endpoint_in(tmp_path)


def test_a_goal_is_set_or_refused_in_words(endpoint):
    with operating(endpoint) as client, Robot(endpoint):
        done = set_goal(client, "cart0", (1.0, -0.5), PATIENCE)
        bounds = {"x": [-2.0, 2.0], "y": [-2.0, 2.0]}
        assert done == (
            True,
            "cart0 goes to x 1, y -0.5",
            {
                "robot": "cart0",
                "goal": [1.0, -0.5],
                "accepted": True,
                "code": "OK",
                "bounds": bounds,
            },
        )
        refused = set_goal(client, "*", (9.0, 0.0), PATIENCE)
        assert (refused.ok, refused.data["code"]) == (False, "GOAL_OUT_OF_RANGE")
        assert refused.text == (
            "the goal x 9, y 0 of every robot was refused: outside of the bounds (accepted: x in "
            "[-2, 2] m, y in [-2, 2] m)"
        )
        with pytest.raises(BridgeError) as caught:
            set_goal(client, "cart0", (1.0,), PATIENCE)
        assert str(caught.value) == (
            "The goal has 1 numbers. Expected 2: x [m], y [m]. Give one for each."
        )


def test_a_random_goal_is_one_of_those_given_and_the_same_for_a_seed(endpoint):
    goals = np.random.default_rng(0).uniform(-2, 2, (100, 2)).astype(np.float32)
    with operating(endpoint) as client, Robot(endpoint):
        chosen = [
            random_goal(client, "cart0", goals, PATIENCE, seed=seed).data["goal"]
            for seed in (3, 3, 4)
        ]
    assert chosen[0] == chosen[1] != chosen[2]
    assert all(np.array(one, np.float32) in goals for one in chosen)


def test_the_robot_need_not_be_named_where_there_is_one(endpoint):
    with operating(endpoint) as client:
        with pytest.raises(BridgeError) as caught:
            choose_robot(client, None)
        assert str(caught.value) == (
            "No robot was named, and 0 are connected. Expected one. Name it with --robot ('*' is "
            "every robot)."
        )
        with Robot(endpoint), Robot(endpoint, "cart1"):
            wait_until(lambda: len(client.states()) == 2)
            with pytest.raises(BridgeError, match="and 2 are connected: cart0, cart1"):
                choose_robot(client, None)
            assert choose_robot(client, "cart7") == "cart7"
        with operating(endpoint, name="eve") as other, Robot(endpoint, "cart2"):
            wait_until(lambda: set(other.states()) == {"cart2"})
            assert choose_robot(other, None) == "cart2"


def test_stop_and_clear_in_words(endpoint):
    with operating(endpoint) as client:
        with Robot(endpoint):
            assert stop(client, "cart0", "smoke", PATIENCE) == (
                True,
                "cart0 is stopped: smoke",
                {"robot": "cart0", "stopped": True, "code": "STOPPED", "text": "smoke"},
            )
            assert clear(client, "cart0", PATIENCE).text == "cart0 is cleared: cleared"
        done = stop(client, "nobody", "smoke", PATIENCE)
        assert not done.ok
        assert done.text.startswith(
            "nobody has not confirmed to be stopped: 'nobody' is not connected: it hears of this"
        )


def test_ping_in_words(endpoint):
    with operating(endpoint) as client:
        found = ping(client, 10)
    assert found.text.startswith("10 round trips: median ")
    assert set(found.data) == {"count", "median_ms", "p99_ms", "max_ms"}
    assert 0 < found.data["median_ms"] <= found.data["p99_ms"] <= found.data["max_ms"]


def test_the_table_of_robots():
    other = dataclasses.replace(STATE, robot="a", goal=NOTHING, distances=(), flags=0)
    assert table({"cart0": STATE, "a": other}) == [
        "robot  state    goal       distance  age ms  trip ms  reports  dropped  clip",
        "cart0  runs     1.00 2.50  0.500     12.3    0.25     100      7        7",
        "a      no goal  -          -         12.3    0.25     100      7        7",
    ]
    assert table({}) == ["no robot is connected"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "runs"),
        ({"flags": int(Flag.RAMP)}, "ramp"),
        ({"flags": int(Flag.HOLD | Flag.RAMP)}, "hold"),
        ({"flags": int(Flag.HOLD), "goal": NOTHING}, "no goal"),
        ({"flags": int(Flag.LINK_STOP)}, "link stop"),
        ({"flags": int(Flag.LATCHED_STOP | Flag.LINK_STOP), "goal": NOTHING}, "stopped"),
        ({"stamp_ns": 0}, "no report"),
        ({"lost": True, "flags": int(Flag.LATCHED_STOP)}, "lost"),
    ],
)
def test_what_a_robot_does_in_a_word(changes, word):
    assert condition(dataclasses.replace(STATE, **changes)) == word


def test_a_state_as_data():
    assert state_data(STATE) == {
        "robot": "cart0",
        "state": "runs",
        "goal": [1.0, 2.5],
        "achieved": [1.0, 2.0],
        "distances": [0.5],
        "age_s": 0.0123,
        "round_trip_s": 0.00025,
        "counters": COUNTERS,
    }


def test_watching_says_what_happens_and_how_the_robots_are(endpoint):
    said: list[str] = []
    turns = itertools.count()
    with operating(endpoint) as client, Robot(endpoint):
        wait_until(client.states)
        watch(client, said.append, lambda: next(turns) < 10, interval=0.05)
    assert "connection: connected to cart 123" in said
    assert "cart0: connected" in said
    assert sum(line.startswith("robot  state") for line in said) >= 2
    assert any(line.startswith("cart0  no goal") for line in said)


def test_without_a_connection_there_is_no_goal_to_set(tmp_path):
    with OperatorClient(endpoint_in(tmp_path), None, "ada") as client:
        with pytest.raises(BridgeError) as caught:
            set_goal(client, "cart0", (1.0, 1.0), 0.1)
        assert str(caught.value) == (
            "The contract of the server is not known yet. Expected a connection. Connect first."
        )
