"""Servers and robots that are killed, stopped or cut off: real processes, real sockets.

The robot's log says what it wrote to its motors and when; deadlines are those of the profile: a
link stop after max(10 T, 200 ms) without a fresh command, plus one control period.
"""

import signal
import time
from collections.abc import Callable

import numpy as np
import pytest

from robot_gcrl.bridge.client import RobotClient
from robot_gcrl.bridge.endpoint import parse_endpoint
from robot_gcrl.bridge.messages import Code, Flag
from robot_gcrl.bridge.operator import OperatorClient
from robot_gcrl.bridge.rules import DEAF, STOOD_STILL
from robot_gcrl.errors import BridgeError
from tests.bridge.carts import PATIENCE, Cart
from tests.bridge.fakes import cart_contract, cart_profile

T_NS = 20_000_000
STOP_NS = 200_000_000 + T_NS
# What a loaded machine may add to a period before it counts as a fault of ours
SLACK_NS = 150_000_000


def runs(lines: list[dict]) -> bool:
    return lines[-1]["state"] == "run" and lines[-1]["ramp"] == 1.0


def moves(lines: list[dict]) -> bool:
    return lines[-1]["state"] == "run" and abs(lines[-1]["ctrl"][0]) > 0.05


def stands(lines: list[dict]) -> bool:
    return lines[-1]["state"] == "stop"


def started(cart: Cart) -> None:
    """A robot under way to a goal that it does not reach soon."""
    cart.serve()
    cart.drive()
    cart.wait(lambda lines: lines[-1]["session"] != 0)
    cart.send_to(2.0, -2.0)
    cart.wait(moves)


def assert_stopped_in_time(cart: Cart, cut: int) -> int:
    """When it stopped [ns]."""
    lines = cart.wait(stands, since=cut)
    first = next(line["at"] for line in lines if line["state"] == "stop")
    assert first - cut <= STOP_NS + SLACK_NS
    return first


def assert_stays(cart: Cart, since: int, seconds: float) -> None:
    cart.wait(lambda lines: lines[-1]["at"] - since > seconds * 1e9, since=since)
    # the deceleration from 1 m/s at 20 m/s^2 takes 50 ms and 25 mm
    resting = [x["ctrl"] for x in cart.lines() if since + 150_000_000 < x["at"]]
    assert np.ptp(np.array(resting), axis=0).max() < 1e-6


# Seen to fail: with a watchdog of a second, and with the last command repeated without end
def test_a_killed_server_stops_the_robot_and_a_new_one_resumes_with_a_ramp(cart):
    started(cart)
    assert cart.server is not None
    cart.server.kill()
    cut = time.monotonic_ns()
    cart.server.wait()
    stopped = assert_stopped_in_time(cart, cut)
    assert_stays(cart, stopped, 0.4)
    cart.serve()
    ready = time.monotonic_ns()
    lines = cart.wait(runs, since=ready)
    fresh = next(line for line in lines if line["state"] == "run")
    assert fresh["at"] - ready <= 500_000_000 + SLACK_NS  # the goal came along with the hello
    assert fresh["ramp"] < 0.5
    ctrl = np.array([line["ctrl"] for line in lines])
    assert np.abs(np.diff(ctrl, axis=0)).max() <= 1.0 * 0.02 * 1.01  # m/s times s


def test_a_stopped_server_that_goes_on_executes_nothing_old(cart):
    # Seen to fail: with commands judged by when they arrive instead of by the report they answer
    started(cart)
    assert cart.server is not None
    cart.server.send_signal(signal.SIGSTOP)
    cut = time.monotonic_ns()
    stopped = assert_stopped_in_time(cart, cut)
    assert_stays(cart, stopped, 0.3)
    cart.server.send_signal(signal.SIGCONT)
    again = time.monotonic_ns()
    lines = cart.wait(runs, since=again)
    reports = [line["report"] for line in lines if line["report"] is not None]
    assert min(reports) > cut
    assert next(line for line in lines if line["state"] == "run")["ramp"] < 0.5


def test_a_clear_that_nobody_answered_frees_no_robot_later(cart):
    # Seen to fail: with a server that carries out what came while it stood still
    started(cart)
    assert cart.server is not None
    with cart.operator() as operator:
        operator.connect(PATIENCE)
        assert operator.stop("cart0", "smoke", PATIENCE).code == Code.STOPPED
        cart.server.send_signal(signal.SIGSTOP)
        time.sleep(1.2 * STOOD_STILL / 1e9)
        with pytest.raises(BridgeError, match="was not confirmed"):
            operator.clear("cart0", 0.2)
        cart.server.send_signal(signal.SIGCONT)
        again = time.monotonic_ns()
        # given again, it is refused for a while, and then obeyed
        while operator.clear("cart0", PATIENCE).code == Code.OVERLOAD:
            assert all(line["state"] != "run" for line in cart.lines() if line["at"] > again)
            assert time.monotonic_ns() - again < PATIENCE * 1e9
            time.sleep(0.05)
        assert time.monotonic_ns() - again > 0.9 * DEAF
        cart.wait(runs, since=time.monotonic_ns())


def test_a_killed_robot_is_lost_and_may_come_back(cart):
    started(cart)
    robot = cart.processes[1]
    with cart.operator() as operator:
        operator.connect(PATIENCE)
        robot.kill()
        robot.wait()
        refused = goal_until(operator, lambda code: code != 0)
        assert refused.code in (16, 7)  # ROBOT_LOST, UNKNOWN_ROBOT
        cart.log.unlink()
        cart.drive()
        cart.wait(lambda lines: lines[-1]["session"] != 0)
        assert goal_until(operator, lambda code: code == 0).code == 0


def goal_until(operator: OperatorClient, wanted: Callable[[int], bool]):
    end = time.monotonic() + PATIENCE
    while True:
        ack = operator.goal("cart0", np.array([1.0, 1.0], np.float32), PATIENCE)
        if wanted(ack.code):
            return ack
        assert time.monotonic() < end, ack
        time.sleep(0.02)


def test_a_robot_that_stood_still_resumes_in_its_session_or_a_new_one(cart):
    started(cart)
    robot = cart.processes[1]
    robot.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    robot.send_signal(signal.SIGCONT)
    again = time.monotonic_ns()
    lines = cart.wait(runs, since=again)
    # It was away for longer than its watchdog allows: it must have stood before it went on
    assert lines[0]["state"] == "stop"
    ctrl = np.array([line["ctrl"] for line in lines])
    assert np.abs(np.diff(ctrl, axis=0)).max() <= 1.0 * 0.02 * 1.01


def test_a_second_robot_of_the_same_name_is_refused_and_the_first_misses_nothing(cart):
    started(cart)
    before = time.monotonic_ns()
    contract = cart_contract()
    twin = RobotClient(
        contract,
        cart_profile(),
        robot="cart0",
        endpoint=parse_endpoint(cart.endpoint),
        position=np.zeros(2),
        velocity=np.zeros(2),
    )
    with twin:
        end = time.monotonic() + PATIENCE
        while twin.link.rejected_by is None and time.monotonic() < end:
            twin.step(np.zeros(4, np.float32), np.zeros(2), np.zeros(2))
    assert twin.link.rejected_by is not None
    assert "'cart0' is in use, last report" in twin.link.rejected_by.text
    lines = cart.wait(lambda lines: lines[-1]["at"] > before + 200_000_000, since=before)
    assert {line["state"] for line in lines} == {"run"}


def test_another_contract_is_told_field_by_field(cart):
    cart.serve()
    contract = cart_contract(mode="torque")
    robot = RobotClient(
        contract,
        cart_profile("torque"),
        robot="cart0",
        endpoint=parse_endpoint(cart.endpoint),
        position=np.zeros(2),
        velocity=np.zeros(2),
    )
    with robot, pytest.raises(BridgeError) as caught:
        step_until_refused(robot)
    assert 'action.modes[0]: expected "joint_position_delta", got "torque"' in str(caught.value)


def step_until_refused(robot: RobotClient) -> None:
    for _ in range(1000):
        robot.step(np.zeros(4, np.float32), np.zeros(2), np.zeros(2))


def test_an_operators_stop_outlives_the_server_and_only_clear_ends_it(cart):
    # Seen to fail: with the latch ended by the next session
    started(cart)
    with cart.operator() as operator:
        operator.connect(PATIENCE)
        assert operator.stop("cart0", "smoke", PATIENCE).code == 15  # STOPPED
    at = time.monotonic_ns()
    lines = cart.wait(lambda lines: lines[-1]["state"] == "latched", since=at)
    assert lines[-1]["stop"] == "operator: smoke"
    assert cart.server is not None
    cart.server.kill()
    cart.server.wait()
    cart.serve()
    again = time.monotonic_ns()
    cart.wait(lambda lines: lines[-1]["session"] not in (0, lines[0]["session"]), since=at)
    assert_stays(cart, again, 0.4)
    with cart.operator() as operator:
        operator.connect(PATIENCE)
        assert operator.clear("cart0", PATIENCE).code == 17  # CLEARED
    cleared = time.monotonic_ns()
    lines = cart.wait(runs, since=cleared)
    assert next(line for line in lines if line["state"] == "run")["ramp"] < 0.5


def test_operators_see_that_motion_fades_in(cart):
    # Seen to fail: with a robot that never sets the flag
    started(cart)
    with cart.operator() as operator:
        operator.connect(PATIENCE)
        end = time.monotonic() + PATIENCE
        seen: list[bool] = []
        while time.monotonic() < end and seen[-2:] != [True, False]:
            time.sleep(0.02)
            states = operator.states()
            flag = "cart0" in states and bool(states["cart0"].flags & Flag.RAMP)
            if not seen or seen[-1] != flag:
                seen.append(flag)
    assert seen[-2:] == [True, False]


def test_a_dry_run_moves_nothing(cart):
    cart.serve("--dry-run")
    cart.drive()
    cart.wait(lambda lines: lines[-1]["session"] != 0)
    cart.send_to(2.0, -2.0)
    at = time.monotonic_ns()
    lines = cart.wait(lambda lines: lines[-1]["at"] - at > 5e8, since=at)
    assert np.abs([line["ctrl"] for line in lines]).max() == 0.0
    assert {line["state"] for line in lines} == {"hold"}  # the link is alive all the same


def test_a_scale_slows_every_motion(cart):
    cart.serve("--scale", "0.2")
    cart.drive()
    cart.wait(lambda lines: lines[-1]["session"] != 0)
    cart.send_to(2.0, -2.0)
    lines = cart.wait(lambda lines: len(lines) > 40 and moves(lines))
    ctrl = np.array([line["ctrl"] for line in lines])
    assert np.abs(np.diff(ctrl, axis=0)).max() <= 0.2 * 1.0 * 0.02 * 1.01


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_server_that_is_ended_says_bye_and_ends_cleanly(cart, number):
    # Seen to fail: SIGHUP (its terminal was closed) ended it without a bye
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup children would ignore it
    try:
        started(cart)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert cart.server is not None
    at = time.monotonic_ns()
    cart.server.send_signal(number)
    assert cart.server.wait(PATIENCE) == 0
    lines = cart.wait(stands, since=at)
    assert "the server said bye: the server ends" in lines[-1]["stop"]
    assert not list(cart.folder.glob("s.*")) or cart.serve()  # the endpoint is free again
