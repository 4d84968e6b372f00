"""A policy with chunks of actions, served: whose chunk it is, and what ends it."""

import numpy as np
import pytest

from robot_gcrl.bridge.inference import Inference
from robot_gcrl.bridge.messages import Clear, Flag, Goal
from robot_gcrl.bridge.wire import pack_floats
from robot_gcrl.contract.chunk import follow, queue_size
from robot_gcrl.policy.runtime import PolicyOutput
from tests.bridge.fakes import MS, Desk, report

A, B, OPERATOR = b"a", b"b", b"op"
SIZE = queue_size(3, goal_size=2, action_size=2)


class Planned:
    """Chunks of three: the robot's first input, twice it and three times it, by a thousandth."""

    name = "planned"

    def warm_up(self, batch_size: int) -> None:
        pass

    def __call__(self, inputs, goal, previous_action, previous_ctrl, queue=None) -> PolicyOutput:
        queue = np.zeros((len(inputs), SIZE), np.float32) if queue is None else queue
        chunk = 0.001 * inputs[:, :1] * np.repeat((1, 2, 3), 2)
        action, queue = follow(chunk.astype(np.float32), goal, queue)
        return PolicyOutput(action, action, queue)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def answer(desk: Desk, now: int) -> dict[str, float]:
    """What each robot that waits is commanded, in thousandths."""
    work = desk.core.work(now)
    ctrl, _ = Inference(desk.contract, Planned(), scale=1.0).run(work)
    for session, _, _ in work:
        session.pending = None
    return {
        entry[0].robot: round(1000 * float(row[0])) for entry, row in zip(work, ctrl, strict=True)
    }


def ask(desk: Desk, identity: bytes, session: int, value: float, now: int, **flags: int) -> float:
    desk.say(identity, session, report((value, 0, 0, 0), **flags), now)
    return answer(desk, now).popitem()[1]


# Seen to fail: with one queue for all robots, and with the queue not kept in the session.
def test_each_robot_follows_its_own_chunk(desk):
    goal = pack_floats(np.array([0.5, 0.5]))
    first = desk.hello(A, goal=goal)
    assert ask(desk, A, first, 10, MS) == 10
    second = desk.hello(B, MS, name="cart1", goal=goal)
    found = []
    for step in range(5):
        now = (2 + step) * MS
        desk.say(A, first, report((11 + step, 0, 0, 0)), now)
        desk.say(B, second, report((50 + step, 0, 0, 0)), now)
        found.append(answer(desk, now))
    assert [row["cart0"] for row in found] == [20, 30, 13, 26, 39]
    assert [row["cart1"] for row in found] == [50, 100, 150, 53, 106]


# Seen to fail: with the goal not compared, so that the robot went on for two steps.
def test_a_new_goal_of_the_operator_begins_a_chunk_at_once(desk):
    robot = desk.hello(A, goal=pack_floats(np.array([0.5, 0.5])))
    operator = desk.hello(OPERATOR, role="operator", name="me")
    assert ask(desk, A, robot, 10, MS) == 10
    goal = pack_floats(np.array([0.5, -0.5]))
    desk.say(OPERATOR, operator, Goal("cart0", goal), 2 * MS)
    assert [ask(desk, A, robot, value, 3 * MS) for value in (50, 60, 70, 80)] == [50, 100, 150, 80]


# Seen to fail: with RESET alone looked at.
@pytest.mark.parametrize("flag", [Flag.RESET, Flag.HOLD, Flag.LINK_STOP])
def test_a_pause_ends_a_chunk(desk, flag):
    robot = desk.hello(A, goal=pack_floats(np.array([0.5, 0.5])))
    assert [ask(desk, A, robot, 10, MS) for _ in range(2)] == [10, 20]
    assert ask(desk, A, robot, 40, MS, flags=int(flag)) == 40
    assert ask(desk, A, robot, 50, MS) == 80


# Seen to fail: with the queue kept in `Core.work`.
def test_a_stop_ends_a_chunk(desk):
    robot = desk.hello(A, goal=pack_floats(np.array([0.5, 0.5])))
    assert ask(desk, A, robot, 10, MS) == 10
    desk.say(A, robot, report(flags=Flag.LATCHED_STOP), 2 * MS)
    assert desk.core.work(2 * MS) == []
    desk.say(OPERATOR, desk.hello(OPERATOR, role="operator", name="me"), Clear("cart0"), 3 * MS)
    assert ask(desk, A, robot, 40, 3 * MS) == 40


def test_a_new_session_has_no_chunk(desk):
    goal = pack_floats(np.array([0.5, 0.5]))
    assert ask(desk, A, desk.hello(A, goal=goal), 10, MS) == 10
    assert ask(desk, A, desk.hello(A, 2 * MS, goal=goal), 40, 3 * MS) == 40
