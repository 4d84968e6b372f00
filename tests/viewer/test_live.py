"""A robot behind a real server: goals, stops, other operators, and a server that goes and comes."""

import contextlib
import dataclasses
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from robot_gcrl.bridge import operator_link
from robot_gcrl.bridge.endpoint import Endpoint
from robot_gcrl.bridge.keys import make_keys
from robot_gcrl.bridge.messages import Bye, Clear, Flag
from robot_gcrl.bridge.wire import pack_floats
from robot_gcrl.errors import BridgeError, RobotGcrlError, ViewerError
from robot_gcrl.viewer import live, live_robot
from robot_gcrl.viewer.bare import bare_show
from robot_gcrl.viewer.live import LiveRobot, connect_stage
from robot_gcrl.viewer.remote import Remote
from robot_gcrl.viewer.stage import Stage
from tests.bridge.carts import Cart
from tests.bridge.conftest import cart  # noqa: F401 (a fixture)
from tests.bridge.fakes import cart_contract
from tests.bridge.loopback import PATIENCE, Peer, endpoint_in, goal, serving, wait_until
from tests.bridge.robots import Robot, operating
from tests.viewer.carts import cart_show

# Longest call, and that of nearly all: a wait anywhere takes longer. A machine under load may take
# the processor away from a call that does not wait [s]
LONGEST, LONG = 0.3, 0.05


@contextlib.contextmanager
def looking(
    endpoint: str, *, robot: str | None = None, show=None, keys: Path | None = None
) -> Iterator[LiveRobot]:
    stage = connect_stage(show or cart_show(), endpoint=endpoint, robot=robot, keys=keys)
    try:
        yield stage
    finally:
        stage.close()


def until(stage: LiveRobot, condition: Callable[[], object], *others: LiveRobot):
    """Steps until it is so."""
    return wait_until(condition, turn=lambda: [each.step(1) for each in (stage, *others)])


def link(stage: LiveRobot) -> str:
    return stage.status().link


def is_stopped(stage: LiveRobot) -> bool:
    return stage.remote.state is not None and bool(stage.remote.state.flags & Flag.LATCHED_STOP)


def pursues(stage: LiveRobot, x: float) -> bool:
    return stage.desk.active is not None and stage.desk.active[0] == np.float32(x)


@contextlib.contextmanager
def posing(endpoint: Endpoint, pose=(), **arguments) -> "Iterator[Posing]":
    robot = Posing(endpoint, pose, **arguments)
    with robot:
        yield robot


class Posing(Robot):
    """A robot that reports a pose too, and what a test wants otherwise."""

    def __init__(self, endpoint, pose=(), *, name: str = "cart0", contract=None):
        super().__init__(endpoint, name)
        self.pose, self.inputs, self.flags = np.array(pose), (0.5, 0.0, 0.0, 0.0), 0
        self._contract = contract

    def _run(self) -> None:
        with Peer(self._endpoint) as peer:
            peer.hello(self._name, contract=self._contract, pose_size=len(self.pose))
            while not self._ends.is_set():
                peer.step(self.inputs, pose=pack_floats(self.pose), flags=self.flags)
                self._ready.set()
                peer.heard.clear()
                self._ends.wait(0.005)
            peer.send(Bye("the test ends"))


def test_a_goal_is_pending_until_the_server_has_taken_it(tmp_path):
    # seen to fail with desk.confirm in LiveRobot.ask: it is active at once
    endpoint = endpoint_in(tmp_path)
    with serving(tmp_path) as server, Robot(endpoint), looking(endpoint.text) as stage:
        assert isinstance(stage, Stage)
        assert stage.is_live
        until(stage, lambda: stage.remote.robot == "cart0")
        assert stage.ask(goal(0.55, 0.0))
        assert stage.desk.verdict.state == "pending"
        np.testing.assert_allclose(stage.data.mocap_pos[0], [0.55, 0.0, 0.0], atol=1e-6)
        until(stage, lambda: stage.desk.verdict.state == "active")
        np.testing.assert_array_equal(server.core.operators.goals["cart0"], goal(0.55, 0.0))
        np.testing.assert_array_equal(stage.desk.active, goal(0.55, 0.0))
        status = stage.status()
        assert (status.success, status.distances) == (True, pytest.approx([0.05], abs=1e-6))
        np.testing.assert_array_equal(status.achieved, goal(0.5, 0.0))
        assert status.engine == f"the server at {endpoint.text}, cart 123"
        assert status.link == "connected; robot 'cart0'"


def test_a_dragged_marker_is_a_goal(tmp_path):
    endpoint = endpoint_in(tmp_path)
    with serving(tmp_path) as server, Robot(endpoint), looking(endpoint.text) as stage:
        until(stage, lambda: stage.remote.robot)
        stage.data.mocap_pos[0] = (-1.0, 0.25, 0.3)  # lifted: the goal has no height
        stage.take_dragged_goal()
        until(stage, lambda: stage.desk.verdict.state == "active")
        np.testing.assert_array_equal(server.core.operators.goals["cart0"], goal(-1.0, 0.25))
        np.testing.assert_allclose(stage.data.mocap_pos[0], [-1.0, 0.25, 0.0])


def test_many_goals_at_once_end_with_the_last(tmp_path):
    # seen to fail with a goal dropped while another is on its way
    endpoint = endpoint_in(tmp_path)
    with serving(tmp_path) as server, Robot(endpoint), looking(endpoint.text) as stage:
        until(stage, lambda: stage.remote.robot)
        for x in np.linspace(-1.0, 1.0, 50):
            stage.ask(goal(x, 0.0))
            stage.step(1)
        until(stage, lambda: stage.desk.verdict.state == "active")
        np.testing.assert_array_equal(server.core.operators.goals["cart0"], goal(1.0, 0.0))


def test_a_goal_that_the_server_refuses_is_told_with_its_text(tmp_path):
    # seen to fail with every GoalAck taken for a confirmation
    endpoint = endpoint_in(tmp_path)
    with serving(tmp_path), looking(endpoint.text, robot="cart7") as stage:
        until(stage, lambda: link(stage) == "connected; robot 'cart7' is not there")
        stage.ask(goal(1.0, 0.0))
        until(stage, lambda: stage.desk.verdict.state == "refused")
        assert stage.desk.verdict.text == "no robot 'cart7' is connected"
        assert stage.desk.active is None
        assert math.isnan(stage.status().distances[0])
        with Robot(endpoint, "cart7"), operating(endpoint) as operator:
            operator.goal("cart7", goal(-1.0, 0.0), PATIENCE)
            # Somebody's goal is shown after all
            until(stage, lambda: stage.desk.verdict.state == "active")
            np.testing.assert_array_equal(stage.desk.wanted, goal(-1.0, 0.0))


def test_a_goal_out_of_bounds_is_not_sent(tmp_path):
    endpoint = endpoint_in(tmp_path)
    with serving(tmp_path) as server, Robot(endpoint), looking(endpoint.text) as stage:
        until(stage, lambda: stage.remote.robot)
        assert not stage.ask(goal(9.0, 0.0))
        assert stage.desk.verdict.text == "x = 9 is outside of [-2, 2]"
        for _ in range(20):
            stage.step(1)
        assert not server.core.operators.goals


def test_two_viewers_on_one_server_agree(tmp_path):
    # seen to fail without LiveRobot._follow: the second shows nothing
    endpoint = endpoint_in(tmp_path)
    with (
        serving(tmp_path),
        Robot(endpoint),
        looking(endpoint.text) as one,
        looking(endpoint.text) as two,
    ):
        until(one, lambda: one.remote.robot and two.remote.robot, two)
        for asks, sees, x in ((one, two, 1.0), (two, one, -1.0), (one, two, 0.5)):
            asks.ask(goal(x, 0.25))
            until(one, lambda sees=sees, x=x: pursues(sees, x), two)
            for stage in (one, two):
                assert stage.desk.verdict.state == "active"
                np.testing.assert_array_equal(stage.desk.wanted, goal(x, 0.25))
                np.testing.assert_allclose(stage.data.mocap_pos[0], [x, 0.25, 0.0])


def test_our_goal_does_not_flicker_back_to_the_one_before(tmp_path, monkeypatch):
    # seen to fail without _SETTLE: telemetry that is older than the answer is believed
    monkeypatch.setattr(live_robot, "_SETTLE", 10**10)
    endpoint = endpoint_in(tmp_path)
    with serving(tmp_path), Robot(endpoint), looking(endpoint.text) as stage:
        until(stage, lambda: stage.remote.state is not None)
        for x in (1.0, -1.0):
            stage.ask(goal(x, 0.0))
            until(stage, lambda x=x: pursues(stage, x))
        assert stage.remote.state is not None
        now = time.monotonic_ns()
        older = dataclasses.replace(stage.remote.state, goal=goal(1.0, 0.0), heard_ns=now)
        stage._take(older)
        assert pursues(stage, -1.0)
        # Later it is somebody's
        stage._settles_ns = now
        stage._take(older)
        assert pursues(stage, 1.0)


def test_joints_alone_are_drawn_and_the_base_stands_still(tmp_path):
    # seen to fail with the inputs written to the first addresses of qpos
    endpoint = endpoint_in(tmp_path)
    show = cart_show(on_a_base=True)
    with serving(tmp_path), posing(endpoint) as robot, looking(endpoint.text, show=show) as stage:
        robot.inputs = (0.5, -0.25, 0.0, 0.0)
        until(stage, lambda: stage.data.joint("y").qpos[0] == -0.25)
        assert stage.data.joint("x").qpos[0] == 0.5
        np.testing.assert_allclose(stage.data.joint("root").qpos, [0, 0, 0.7, 1, 0, 0, 0])
        np.testing.assert_allclose(stage.data.body("cart").xpos, [0.5, -0.25, 0.9], atol=1e-6)
        assert link(stage) == (
            "connected; robot 'cart0'; drawn from the inputs, which do not tell all of: root"
        )


def test_a_reported_pose_is_drawn_whole(tmp_path):
    endpoint = endpoint_in(tmp_path)
    show = cart_show(on_a_base=True)
    pose = (1.0, 2.0, 0.5, 1.0, 0.0, 0.0, 0.0, 0.25, 0.5)
    with serving(tmp_path), posing(endpoint, pose), looking(endpoint.text, show=show) as stage:
        until(stage, lambda: stage.data.qpos[0] == 1.0)
        np.testing.assert_allclose(stage.data.qpos, pose)
        np.testing.assert_allclose(stage.data.body("cart").xpos, [1.25, 2.5, 0.7], atol=1e-6)
        assert "drawn" not in link(stage)


def test_the_first_of_several_robots_is_chosen_and_said(tmp_path):
    endpoint = endpoint_in(tmp_path)
    with serving(tmp_path), looking(endpoint.text, robot="*") as stage:
        until(stage, lambda: link(stage) == "connected; no robot is there")
        assert not stage.desk.verdict.text
        with posing(endpoint, name="b"):
            until(stage, lambda: link(stage) == "connected; robot 'b'")
            with posing(endpoint, name="a"):
                until(stage, lambda: len(stage.remote.others) == 1)
                assert link(stage).startswith(
                    "connected; robot 'b', chosen of 2: name another with --robot"
                )


def test_the_chosen_robot_is_kept_while_its_program_is_restarted(tmp_path):
    # Seen to fail: the viewer turned to b, whom "clear" then freed and a goal was sent to
    endpoint = endpoint_in(tmp_path)
    with serving(tmp_path) as server, looking(endpoint.text) as stage, contextlib.ExitStack() as b:
        with Robot(endpoint, "a"):
            until(stage, lambda: stage.remote.robot == "a")
            other = b.enter_context(Robot(endpoint, "b"))
            with operating(endpoint) as operator:
                operator.stop("b", "somebody is beside b", PATIENCE)
            stage.stop()
            until(stage, lambda: not stage.remote.orders.text)
        gone = "robot 'a' is not there, but b: name another with --robot"
        until(stage, lambda: link(stage).endswith(gone))
        stage.ask(goal(1.0, 0.0))
        until(stage, lambda: stage.desk.verdict == ("refused", "no robot 'a' is connected"))
        with Robot(endpoint, "a") as again:
            until(stage, lambda: stage.remote.state is not None)
            stage.clear()
            until(stage, lambda: any(isinstance(body, Clear) for _, body in again.told))
            assert stage.remote.robot == "a"
        assert not any(isinstance(body, Clear) for _, body in other.told)
        assert "b" not in server.core.operators.goals


def test_stop_and_clear_are_the_robots(cart: Cart):  # noqa: F811
    # seen to fail with nothing sent in Orders.turn
    cart.serve()
    cart.drive()
    with looking(cart.endpoint) as stage:
        until(stage, lambda: stage.remote.state is not None)
        stage.ask(goal(1.0, 1.0))
        until(stage, lambda: stage.status().success)
        status = stage.status()
        assert 20.0 < status.policy_hz < 100.0
        assert 0.0 < status.action_age < 1.0
        assert status.seconds > 0.0
        stage.stop()
        assert link(stage).startswith("STOP is not confirmed yet; ")
        until(stage, lambda: is_stopped(stage))
        assert link(stage).startswith(
            "STOPPED until cleared: a person at the viewer; connected; robot 'cart0'"
        )
        cart.wait(lambda lines: lines[-1]["stop"] is not None)
        stage.clear()
        until(stage, lambda: not is_stopped(stage))
        assert "STOP" not in link(stage)
        stage.ask(goal(-1.0, 1.0))
        until(stage, lambda: stage.status().success)


def test_a_stop_that_nobody_heard_is_said(tmp_path):
    endpoint = endpoint_in(tmp_path)
    with serving(tmp_path) as _, looking(endpoint.text) as stage:
        until(stage, lambda: stage.remote.link.session)
    stage = LiveRobot(cart_show(), Remote(endpoint, cart_contract(), "cart0"))
    try:
        stage.stop()
        until(stage, lambda: "STOP WAS NOT SENT: stop the robot by its own means" in link(stage))
        assert link(stage).endswith(
            f"connecting: nobody answers at {endpoint.text}; robot 'cart0' is not there"
        )
        stage.ask(goal(1.0, 0.0))
        stage.step(1)
        assert stage.desk.verdict == ("refused", "the server is gone: it was not sent")
    finally:
        stage.close()


def test_a_tour_goes_on_by_what_telemetry_tells(cart: Cart):  # noqa: F811
    # seen to fail with nothing reached in LiveRobot._count
    cart.serve()
    cart.drive()
    with looking(cart.endpoint) as stage:
        until(stage, lambda: stage.remote.state is not None)
        for x in (0.3, -0.3):
            stage.tour.add(goal(x, 0.0))
        first = stage.tour.start()
        assert first is not None
        stage.ask(first)
        until(stage, lambda: stage.tour.laps == 1)
        assert stage.tour.running
        assert len(stage.status().trace) > 1
        # Somebody else's goal ends it
        until(stage, lambda: stage.desk.verdict.state == "active")
        with operating(stage.remote.endpoint) as operator:
            operator.goal("cart0", goal(1.5, 1.5), PATIENCE)
        until(stage, lambda: pursues(stage, 1.5))
        assert not stage.tour.running


def test_a_server_that_goes_and_comes_again_never_blocks(cart: Cart, monkeypatch):  # noqa: F811
    # seen to fail with a wait of 0.4 s in Remote.turn
    monkeypatch.setattr(operator_link, "_SILENT", 1_000_000_000)
    monkeypatch.setattr(operator_link, "_HEARTBEAT", 200_000_000)
    cart.serve()
    cart.drive()
    calls: list[float] = []

    def timed(deed: Callable[[], object]) -> None:
        began = time.monotonic()
        deed()
        calls.append(time.monotonic() - began)

    with looking(cart.endpoint) as stage:

        def turn() -> None:
            timed(lambda: stage.step(4))
            timed(stage.status)

        def is_moving() -> bool:
            return bool(stage.status().success)

        wait_until(lambda: stage.remote.state is not None, turn=turn)
        stage.ask(goal(1.0, 0.0))
        wait_until(is_moving, turn=turn)
        assert cart.server is not None
        cart.server.kill()
        cart.server.wait()
        wait_until(lambda: "no news for" in link(stage), turn=turn)
        timed(lambda: stage.ask(goal(-1.0, 0.0)))
        wait_until(lambda: stage.desk.verdict.state == "refused", turn=turn)
        timed(stage.stop)
        wait_until(lambda: "STOP WAS NOT SENT" in link(stage), turn=turn)
        timed(stage.clear)
        wait_until(lambda: "CLEAR WAS NOT SENT" in link(stage), turn=turn)
        wait_until(lambda: "silent: the server" in link(stage), turn=turn)
        cart.serve()
        wait_until(lambda: "connected; robot 'cart0'" in link(stage), turn=turn)
        timed(lambda: stage.ask(goal(-1.0, 0.0)))
        wait_until(is_moving, turn=turn)
        # One that stands still
        cart.server.send_signal(signal.SIGSTOP)
        timed(lambda: stage.ask(goal(0.5, 0.0)))
        wait_until(lambda: stage.desk.verdict.state == "refused", turn=turn)
        assert stage.desk.verdict.text == "the server did not confirm it; it may have been taken"
        wait_until(lambda: "silent: the server" in link(stage), turn=turn)
        cart.server.send_signal(signal.SIGCONT)
        wait_until(lambda: "connected; robot 'cart0'" in link(stage), turn=turn)
    assert len(calls) > 200
    assert max(calls) < LONGEST, max(calls)
    assert float(np.percentile(calls, 99)) < LONG


def test_another_contract_is_told_with_the_difference(tmp_path):
    # seen to fail with sha256 not compared
    endpoint = endpoint_in(tmp_path)
    far = cart_contract(control_dt=0.04)
    with serving(tmp_path, contract=far), pytest.raises(ViewerError) as caught:
        connect_stage(cart_show(), endpoint=endpoint.text, robot=None, keys=None)
    assert str(caught.value) == (
        f"The server at {endpoint.text} serves another contract than the policy file: control_dt: "
        "here 0.02, there 0.04. Expected the same. Give the policy that is served, or none."
    )


def test_a_server_that_comes_back_with_another_policy_gets_no_goals(tmp_path):
    endpoint = endpoint_in(tmp_path)
    far = cart_contract(control_dt=0.04)
    with contextlib.ExitStack() as stack:
        with serving(tmp_path):
            stage = stack.enter_context(looking(endpoint.text))
            until(stage, lambda: stage.remote.link.session)
        with serving(tmp_path, contract=far) as server, posing(endpoint, contract=far):
            until(stage, lambda: "connected to another contract" in link(stage))
            assert "no goal is sent: control_dt: here 0.02, there 0.04" in link(stage)
            until(stage, lambda: stage.remote.robot)
            stage.ask(goal(1.0, 0.0))
            until(stage, lambda: stage.desk.verdict.state == "refused")
            assert stage.desk.verdict.text == "the server serves another contract: it was not sent"
            assert not server.core.operators.goals
            # Stopping is always possible
            stage.stop()
            until(stage, (tmp_path / "stops.json").exists)
            until(stage, lambda: "cart0" in (tmp_path / "stops.json").read_text())


def test_without_a_policy_file_goal_and_status_are_there(tmp_path):
    endpoint = endpoint_in(tmp_path)
    with serving(tmp_path) as server, Robot(endpoint):
        stage = connect_stage(None, endpoint=endpoint.text, robot=None, keys=None)
        try:
            assert stage.contract == cart_contract()
            assert [marker.name for marker in stage.markers] == ["goal"]
            until(stage, lambda: stage.remote.robot)
            stage.random_goal()
            until(stage, lambda: stage.desk.verdict.state == "active")
            low, high = stage.desk.bounds
            assert ((stage.desk.active >= low) & (stage.desk.active <= high)).all()
            np.testing.assert_array_equal(server.core.operators.goals["cart0"], stage.desk.active)
            assert link(stage) == ("connected; robot 'cart0'; no picture without a policy file")
            until(stage, lambda: math.isfinite(stage.status().distances[0]))
        finally:
            stage.close()


def test_without_policy_file_and_server_there_is_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "_PATIENCE", 0.1)
    endpoint = endpoint_in(tmp_path)
    with pytest.raises(BridgeError) as caught:
        connect_stage(None, endpoint=endpoint.text, robot=None, keys=None)
    assert str(caught.value) == (
        f"No policy server answered at {endpoint.text} within 0.1 s. Expected one, since without "
        "a policy file the robot's contract comes from it. Start it with robot-gcrl serve "
        "NAME.policy, or name the policy file."
    )
    # With one, the window opens and says so
    with looking(endpoint.text) as stage:
        assert link(stage) == (f"connecting: nobody answers at {endpoint.text}; no robot is there")


def test_keys_let_in_or_are_told(tmp_path):
    endpoint = endpoint_in(tmp_path)
    keys, mine = tmp_path / "keys", tmp_path / "mine"
    make_keys(keys, role="server", name="desk")
    make_keys(keys, role="operator", name="ada")
    with serving(tmp_path, keys=keys):
        with looking(endpoint.text, keys=keys) as stage:
            until(stage, lambda: link(stage) == "connected; no robot is there")
        make_keys(mine, role="operator", name="eve")
        (mine / "public" / "desk.key").write_bytes((keys / "public" / "desk.key").read_bytes())
        with pytest.raises(RobotGcrlError, match="does not know this key: operator 'eve'"):
            connect_stage(cart_show(), endpoint=endpoint.text, robot=None, keys=mine)


def test_a_scene_without_a_robot_covers_the_bounds():
    show = bare_show(cart_contract(), "cart")
    model = show.compile()
    assert (model.nq, model.nu, model.nmocap) == (0, 0, 1)
    assert model.geom("floor").size[0] == pytest.approx(4.0)


def test_a_viewer_that_is_closed_leaves_no_thread(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "_PATIENCE", 0.1)
    before = threading.active_count()
    with looking(endpoint_in(tmp_path).text) as stage:
        stage.step(1)
        stage.close()
    assert threading.active_count() == before
