"""`robot-gcrl dataset` of a recording: what robots were commanded, episode by episode."""

import numpy as np
import pytest

from robot_gcrl.bridge import messages as m
from robot_gcrl.bridge.messages import Bye, Command, Flag, Goal, GoalAck, Status
from robot_gcrl.bridge.record import Recorder
from robot_gcrl.bridge.settings import Settings
from robot_gcrl.bridge.wire import encode, pack_floats
from robot_gcrl.contract.actuate import actuate, initial_ctrl
from robot_gcrl.contract.observe import observe
from robot_gcrl.dataset.make import make_dataset
from robot_gcrl.dataset.recording import recording_rows
from robot_gcrl.errors import DatasetError
from robot_gcrl.train.dataset_file import read_dataset
from tests.bridge.fakes import cart_contract
from tests.bridge.loopback import Peer, endpoint_in, goal, header_of, serving

CONTRACT = cart_contract()
DT = round(CONTRACT.control_dt * 1e9)


class Log:
    """A recording written by hand: one robot, one report each control period."""

    def __init__(self, path):
        self.recorder = Recorder(path, header_of(CONTRACT, Settings(policy="cart 1")))
        self.at, self.seq, self.session = DT, 0, 7
        self.rng = np.random.default_rng(0)
        self.begin()

    def add(self, kind, body, **header):
        self.recorder.add(self.at, kind, b"id", "cart0", encode(m.Header(**header), body))

    def begin(self):
        self.seq += 1
        hello = m.Hello("robot", "cart0", CONTRACT.sha256, "", CONTRACT.control_dt, 0, b"", "")
        self.add("in", hello, seq=self.seq, stamp_ns=self.at)
        welcome = m.Welcome("cart", "", CONTRACT.control_dt, DT, DT, 1.0, False)
        self.add("out", welcome, session=self.session, seq=1, ref_seq=self.seq)

    def report(self, *, flags=0, ctrl=None, later=1.0, skip=0, answer=True, chunk=None):
        self.at += round(later * DT)
        self.seq += 1 + skip
        inputs = self.rng.normal(0.0, 0.1, 4).astype(np.float32)
        packed = b"" if ctrl is None else pack_floats(np.asarray(ctrl, np.float32))
        body = m.Report(int(flags), 0, 0, pack_floats(inputs), packed, b"")
        self.add("in", body, session=self.session, seq=self.seq, stamp_ns=self.at)
        if answer:
            chunk = np.zeros(2, np.float32) if chunk is None else np.asarray(chunk, np.float32)
            command = Command(pack_floats(chunk), self.at, pack_floats(goal(1, 2)), 0.5, 0)
            self.add("out", command, session=self.session, seq=self.seq, ref_seq=self.seq)
        return inputs


def lengths_of(rows):
    return np.diff(np.flatnonzero(rows.terminals), prepend=-1).tolist()


def finished(log):
    log.recorder.close()
    return recording_rows(log.recorder.path)


# Seen to fail: with the ctrl of the same report, and with the commanded one where another was
# written
def test_actions_are_those_that_wrote_the_ctrl(tmp_path):
    log = Log(tmp_path / "log")
    rng = np.random.default_rng(5)
    wanted = rng.uniform(-1, 1, (6, 2)).astype(np.float32)
    first = log.report(flags=Flag.RESET)
    ctrl, inputs = initial_ctrl(CONTRACT, first), [first]
    for action in wanted:
        ctrl = actuate(CONTRACT.action, action, ctrl)
        inputs.append(log.report(ctrl=ctrl))
    rows = finished(log)
    assert lengths_of(rows) == [7]
    np.testing.assert_allclose(rows.actions[:-1], wanted, atol=1e-4)
    np.testing.assert_array_equal(rows.actions[-1], 0.0)
    before = np.concatenate([np.zeros((1, 2), np.float32), rows.actions[:-1]])
    expected = observe(CONTRACT, np.stack(inputs), before[:, : CONTRACT.previous_action_size])
    assert rows.observations is not None
    np.testing.assert_allclose(rows.observations, expected, atol=1e-6)
    np.testing.assert_array_equal(rows.goals, np.tile(goal(1, 2), (7, 1)))


def test_without_a_ctrl_the_command_counts(tmp_path):
    log = Log(tmp_path / "log")
    first = log.report(flags=Flag.RESET, chunk=[9.0, 9.0])
    ctrl = initial_ctrl(CONTRACT, first)
    commanded = [actuate(CONTRACT.action, np.array([0.5, -0.25], np.float32), ctrl)]
    log.at -= DT
    log.seq += 1
    log.report(chunk=commanded[0], later=2.0)  # a number was lost: an episode of its own
    log.report(chunk=commanded[0])
    rows = finished(log)
    assert lengths_of(rows) == [2]


# Seen to fail: with resets, with pauses and with lost messages not looked at
@pytest.mark.parametrize(
    ("event", "lengths"),
    [
        ({}, [6]),
        ({"flags": Flag.RESET}, [3, 3]),
        ({"skip": 1}, [3, 3]),
        ({"later": 2.0}, [3, 3]),
        ({"flags": Flag.HOLD}, [3, 2]),
        ({"flags": Flag.LINK_STOP}, [3, 2]),
        ({"flags": Flag.LATCHED_STOP}, [3, 2]),
    ],
)
def test_where_episodes_end(tmp_path, event, lengths):
    log = Log(tmp_path / "log")
    for i in range(6):
        log.report(ctrl=[0.0, 0.0], **(event if i == 3 else {}))
    assert lengths_of(finished(log)) == lengths


def test_a_session_ends_its_episode(tmp_path):
    log = Log(tmp_path / "log")
    for _ in range(3):
        log.report(ctrl=[0.0, 0.0])
    log.session += 1
    log.begin()
    for _ in range(4):
        log.report(ctrl=[0.0, 0.0])
    assert lengths_of(finished(log)) == [3, 4]


def test_a_robot_that_nobody_drives_is_no_data(tmp_path):
    log = Log(tmp_path / "log")
    for _ in range(3):
        log.report(ctrl=[0.0, 0.0], answer=False)
    with pytest.raises(DatasetError) as caught:
        finished(log)
    assert str(caught.value) == (
        f"The recording {tmp_path / 'log'} holds 3 reports and no two in a row of which the first "
        "was answered by a command. Expected a robot that was driven. Record one that pursues a "
        "goal, not a dry run."
    )


def test_a_live_server_and_robots(tmp_path):
    """The actions of the file, put through the contract, give the ctrls that were written."""
    log, out = tmp_path / "log", tmp_path / "rows.npz"
    endpoint = endpoint_in(tmp_path)
    written: dict[str, list[np.ndarray]] = {"cart0": [], "cart1": []}
    with serving(tmp_path, record=log), Peer(endpoint, is_robot=False) as operator:
        operator.hello("ada", role="operator")
        robots = {name: Peer(endpoint) for name in written}
        for name, robot in robots.items():
            robot.hello(name)
            seq = operator.send(Goal(name, pack_floats(goal(0.5, -0.5))))
            operator.hear(GoalAck, ref_seq=seq)
        for name, robot in robots.items():
            ctrl, stamp = None, 10 * DT
            for step in range(8):
                body = m.Report(
                    int(Flag.RESET) * (step == 0), 0, 0, pack_floats(0.1 * goal(step, 1, 0, 0)),
                    b"" if ctrl is None else pack_floats(ctrl), b"",
                )  # fmt: skip
                seq = robot.send(body, stamp_ns=stamp)
                answer = robot.hear(Command, Status, ref_seq=seq).body
                assert isinstance(answer, Command)
                ctrl = np.frombuffer(answer.chunk, "<f4")[:2]
                written[name].append(ctrl)
                stamp += DT
            robot.send(Bye("done"))
        for robot in robots.values():
            robot.__exit__()
    result = make_dataset(log, out, {})
    rows = read_dataset(out)
    assert (result["episodes"], result["rows"], result["task"]) == (2, 16, CONTRACT.name)
    for episode, name in enumerate(written):
        first = slice(8 * episode, 8 * episode + 7)
        inputs = 0.1 * goal(0, 1, 0, 0)
        ctrl = initial_ctrl(CONTRACT, inputs)
        for action, expected in zip(rows.actions[first], written[name], strict=False):
            ctrl = actuate(CONTRACT.action, action, ctrl)
            np.testing.assert_allclose(ctrl, expected, atol=1e-5)
