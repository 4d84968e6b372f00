"""The order in which a cycle's frames are dealt with."""

from robot_gcrl.bridge.cycle import hear
from robot_gcrl.bridge.messages import Code, Goal, GoalAck, Header, Heartbeat, Status, Stop
from robot_gcrl.bridge.wire import encode, pack_floats
from tests.bridge.fakes import MS, Desk, report
from tests.bridge.loopback import goal

ROBOT, OPERATOR = b"r", b"o"


class Hall:
    """A robot and an operator in session, and a cycle of what they send at once."""

    def __init__(self, tmp_path):
        self.desk = Desk(tmp_path)
        self.sessions = {
            ROBOT: self.desk.hello(ROBOT),
            OPERATOR: self.desk.hello(OPERATOR, role="operator", name="ada"),
        }
        self.seq = {ROBOT: 1, OPERATOR: 1}
        self.desk.mouth.take()

    def cycle(self, *sent) -> list[tuple]:
        frames = []
        for identity, body, *header in sent:
            self.seq[identity] += 1
            ref = header[0] if header else 0
            numbers = Header(self.sessions[identity], self.seq[identity], MS, 0, ref)
            frames.append((identity, encode(numbers, body), MS, None))
        hear(self.desk.core, frames)
        return self.desk.mouth.take()


def test_a_report_does_not_overtake_what_the_robot_said_before_it(tmp_path):
    # seen to fail with all messages but reports dealt with last: the confirmation of the stop
    # looked old, and the operator waited in vain
    hall = Hall(tmp_path)
    hall.cycle((OPERATOR, Stop("cart0", "smoke")))
    said = hall.cycle(
        (ROBOT, report()), (ROBOT, Status("", Code.STOPPED, "smoke"), 2), (ROBOT, report())
    )
    assert hall.desk.core.refused == {}
    assert [body for who, body, _ in said if who == "ada"] == [
        Status("cart0", Code.STOPPED, "smoke")
    ]


def test_what_follows_an_order_does_not_overtake_it(tmp_path):
    # seen to fail with orders alone dealt with last
    hall = Hall(tmp_path)
    said = hall.cycle((OPERATOR, Goal("cart0", pack_floats(goal(1, 1)))), (OPERATOR, Heartbeat()))
    assert hall.desk.core.refused == {}
    assert [type(body) for _, body, _ in said] == [GoalAck, Heartbeat]


def test_orders_come_after_the_reports_of_their_cycle(tmp_path):
    hall = Hall(tmp_path)
    order: list[str] = []
    core = hall.desk.core
    receive, operator_said = core.receive, core.operators.operator_said
    core.receive = lambda *a: order.append(a[0].decode()) or receive(*a)  # type: ignore[method-assign]
    core.operators.operator_said = lambda *a: order.append("order") or operator_said(*a)  # type: ignore[method-assign]
    hall.cycle((OPERATOR, Goal("cart0", pack_floats(goal(1, 1)))), (ROBOT, report()))
    assert order == ["o", "r", "order"]
