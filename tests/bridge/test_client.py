"""The robot's end of the bridge in front of a real server: what it reports, and what it is told."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from robot_gcrl.bridge.client import RobotClient
from robot_gcrl.bridge.messages import Clear
from robot_gcrl.bridge.server import PolicyServer
from robot_gcrl.bridge.sessions import Session
from robot_gcrl.errors import BridgeError
from tests.bridge.fakes import cart_contract, cart_profile
from tests.bridge.loopback import endpoint_in, serving, wait_until
from tests.bridge.robots import operating

REST = np.zeros(2)
INPUTS = np.zeros(4)


@contextlib.contextmanager
def driving(folder: Path) -> Iterator[RobotClient]:
    client = RobotClient(
        cart_contract(),
        cart_profile(),
        robot="cart0",
        endpoint=endpoint_in(folder),
        position=REST,
        velocity=REST,
    )
    with client:
        yield client


def step(client: RobotClient, inputs: np.ndarray = INPUTS):
    return client.step(inputs, REST, REST)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_robot_whose_sensor_fails_is_there_still(tmp_path, bad):
    # Seen to fail: with the number reported, which is refused: the robot is lost, its id given away
    with serving(tmp_path) as server, driving(tmp_path) as client:
        session = begun(server, client)
        heard, reports = session.heard_ns, session.counters.reports
        broken = np.array([bad, 0.0, 0.0, 0.0])
        wait_until(lambda: session.heard_ns > heard, turn=lambda: step(client, broken))
        assert (session.counters.bad, session.counters.reports) == (0, reports)
        assert server.core.refused == {}
        wait_until(lambda: session.counters.reports > reports, turn=lambda: step(client))


def test_a_count_of_inputs_that_is_not_the_contracts_is_told_at_once(tmp_path):
    # Seen to fail: without the comparison, the robot stands in a link stop and nobody is told why
    with driving(tmp_path) as client, pytest.raises(BridgeError) as caught:
        step(client, np.zeros(3))
    assert str(caught.value) == (
        "The inputs have shape (3,). Expected (4,): the numbers that contract.inputs names, in its "
        "order. Correct the robot's program."
    )


def test_why_reports_are_refused_stands_in_the_link_stop(tmp_path):
    # Seen to fail: with the server's text dropped
    with serving(tmp_path) as server, driving(tmp_path) as client:
        begun(server, client)

        def report_pose():
            client.report(INPUTS, pose=np.zeros(7))
            client.receive(0, 5_000_000)
            return client.tick(REST, REST)

        stop = wait_until(lambda: (tick := report_pose()).state == "stop" and tick.stop)
        assert stop.reason.startswith("no fresh command for ")
        assert stop.reason.endswith(
            "ms; the server refuses the reports: pose has 28 bytes, not 4 x 0"
        )
        wait_until(lambda: not client.complaint, turn=lambda: step(client))


def test_a_latched_robot_whose_sensor_fails_says_so_and_again_after_a_clear(tmp_path):
    # Seen to fail: with heartbeats alone, the server never hears that the robot is latched
    broken = np.array([np.nan, 0.0])

    def fail() -> None:
        client.step(np.append(broken, REST), broken, REST)

    with serving(tmp_path) as server, driving(tmp_path) as client:
        begun(server, client)
        book = server.core.operators
        wait_until(lambda: book.holds("cart0"), turn=fail)
        with operating(endpoint_in(tmp_path)) as operator:
            asked = operator._link.send(Clear("cart0"))
            assert asked
            wait_until(lambda: not book.holds("cart0"), turn=fail)
            wait_until(lambda: book.holds("cart0"), turn=fail)
    assert client.guard.counters.latched_stops == 2


def begun(server: PolicyServer, client: RobotClient) -> Session:
    """The session, once a report of it was heard."""
    robots = server.core.sessions.robots
    wait_until(
        lambda: "cart0" in robots and robots["cart0"].counters.reports, turn=lambda: step(client)
    )
    return robots["cart0"]
