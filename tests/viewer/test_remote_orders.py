"""Stops and clears of a viewer: who confirmed them, and when they are over."""

import pytest

from robot_gcrl.bridge.messages import Clear, Code, Header, Message, Status, Stop
from robot_gcrl.bridge.operator_link import OperatorLink
from robot_gcrl.viewer import remote_orders
from robot_gcrl.viewer.remote_orders import Orders


class Link(OperatorLink):
    """A session without a socket: everything can be sent, and goes nowhere."""

    def __init__(self):
        self.session = 7

    def send(self, body) -> int:
        return 1


@pytest.fixture
def orders() -> Orders:
    return Orders(Link())


def answer(robot: str, code: Code, text: str = "") -> Message:
    return Message(Header(ref_seq=1), Status(robot, code, text))


@pytest.mark.parametrize(
    ("order", "obeyed", "deed"),
    [(Stop("*", "smoke"), Code.STOPPED, "STOP"), (Clear("*"), Code.CLEARED, "CLEAR")],
)
def test_an_order_to_every_robot_is_not_over_with_the_first_that_confirms(
    orders, order, obeyed, deed
):
    # seen to fail with the first status taken for the answer of all: cart1 is never heard
    orders.give(order)
    orders.turn()
    assert orders.text == f"{deed} is not confirmed yet"
    for robot, names in (("cart1", "cart1"), ("cart0", "cart0, cart1")):
        assert orders.take(answer(robot, obeyed)) == Status(robot, obeyed, "")
        assert orders.text == f"{deed} is confirmed by {names}; of others nothing is known"
    lost = answer("*", Code.ROBOT_LOST, "'*' is not connected")
    assert orders.take(lost) == lost.body
    assert orders.text == f"{deed}: '*' is not connected"


def test_who_confirmed_an_order_to_every_robot_stays_said(orders, monkeypatch):
    monkeypatch.setattr(remote_orders, "_ORDER_PATIENCE", -1)
    orders.give(Stop("*", "smoke"))
    orders._numbers.add(1)
    orders.take(answer("cart0", Code.STOPPED))
    orders.turn()
    assert orders.text == "STOP is confirmed by cart0; of others nothing is known"
    assert orders.take(answer("cart1", Code.STOPPED)) is None  # it is over


def test_an_order_to_one_robot_is_over_when_it_obeys(orders):
    orders.give(Stop("cart0", "smoke"))
    orders.turn()
    orders.take(answer("cart0", Code.STOPPED))
    assert orders.text == ""
