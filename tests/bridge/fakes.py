"""A small contract, a policy that can be predicted, a server's mouth that remembers."""

from collections.abc import Callable

import numpy as np

from robot_gcrl.bridge.core import Core
from robot_gcrl.bridge.messages import Header, Hello, Report
from robot_gcrl.bridge.profile import Profile
from robot_gcrl.bridge.settings import Settings
from robot_gcrl.bridge.stops import StopBook
from robot_gcrl.bridge.wire import encode, pack_floats
from robot_gcrl.contract import ActionMap, Contract, Field, GoalField, SuccessGroup
from robot_gcrl.contract.fields import Mode
from robot_gcrl.policy.runtime import PolicyOutput

T_NS = 20_000_000
MS = 1_000_000


def cart_contract(*, mode: Mode = "joint_position_delta", **changes) -> Contract:
    """A cart on two slides: positions observed, x and y the goal."""
    slides = ("x", "y")
    contract = Contract(
        name="cart",
        robot="cart",
        control_dt=0.02,
        observation=(
            *(Field(source="qpos", name=s, unit="m") for s in slides),
            *(Field(source="qvel", name=s, unit="m/s") for s in slides),
        ),
        goal=tuple(
            GoalField(label=s, source="qpos", name=s, unit="m", low=-2.0, high=2.0) for s in slides
        ),
        success=(SuccessGroup(labels=slides, radius=0.1),),
        action=ActionMap(
            actuators=slides,
            joints=slides,
            modes=(mode,) * 2,
            scale=(0.1, 0.1),
            offset=(0.0, 0.0),
            low=(-2.0, -2.0),
            high=(2.0, 2.0),
        ),
        needs=("position of the cart in the world",),
    )
    return contract if not changes else type(contract)(**vars_of(contract) | changes)


def vars_of(contract: Contract) -> dict:
    return {name: getattr(contract, name) for name in contract.__dataclass_fields__}


class TowardsGoal:
    """Moves each slide towards its goal by at most 0.1 from the previous ctrl; counts its calls."""

    name = "towards the goal"

    def __init__(self, delay: Callable[[], None] | None = None):
        self.batches: list[int] = []
        self._delay = delay

    def warm_up(self, batch_size: int) -> None:
        pass

    def __call__(self, inputs, goal, previous_action, previous_ctrl, queue=None) -> PolicyOutput:
        assert inputs.shape[1:] == (4,)
        assert np.isfinite(inputs).all()
        assert np.isfinite(goal).all()
        self.batches.append(len(inputs))
        if self._delay is not None:
            self._delay()
        action = np.clip((goal - previous_ctrl) / 0.1, -1, 1).astype(np.float32)
        ctrl = (previous_ctrl + np.float32(0.1) * action).astype(np.float32)
        return PolicyOutput(action, ctrl)


class Mouth:
    """Remembers what the core says."""

    def __init__(self):
        self.said: list[tuple] = []
        self.events: list[tuple] = []
        self._numbers: dict[int, int] = {}

    def send(self, session, body, answers=None) -> int:
        number = self._numbers[session.number] = self._numbers.get(session.number, 0) + 1
        self.said.append((session.robot, body, answers))
        return number

    def send_unknown(self, identity, body, answers) -> None:
        self.said.append((identity, body, answers))

    def event(self, robot, code, text) -> None:
        self.events.append((robot, code, text))

    def take(self) -> list[tuple]:
        said, self.said = self.said, []
        return said


class Desk:
    """A core with its mouth, and clients that speak to it in frames."""

    def __init__(self, tmp_path, contract: Contract | None = None):
        self.contract = contract or cart_contract()
        self.mouth = Mouth()
        self.book = StopBook(tmp_path / "stops.json")
        self.core = Core(self.contract, Settings(policy="cart 123"), self.book, self.mouth)
        self.seq: dict[bytes, int] = {}

    def say(self, identity: bytes, session: int, body, now: int, *, peer=None, seq=None) -> None:
        self.seq[identity] = self.seq.get(identity, 0) + 1 if seq is None else seq
        header = Header(session, self.seq[identity], now)
        message = self.core.receive(identity, encode(header, body), now)
        if message is not None:
            self.core.handle(identity, message, now, peer)

    def hello(self, identity: bytes, now: int = 0, *, role="robot", name="cart0", peer=None, **has):
        """Says hello; returns the number of the session, or the reject."""
        fields = {
            "sha256": self.contract.sha256,
            "contract": self.contract.canonical_json,
            "control_dt": self.contract.control_dt,
            "pose_size": 0,
            "goal": b"",
            "stop": "",
        } | has
        before = {session.number for session in self.core.sessions.all}
        self.say(identity, 0, Hello(role=role, robot=name, **fields), now, peer=peer)
        new = [s.number for s in self.core.sessions.all if s.number not in before]
        return new[0] if new else self.mouth.said[-1][1]


def report(inputs=(0.0, 0.0, 0.0, 0.0), *, flags: int = 0, ctrl=None) -> Report:
    return Report(
        flags=flags,
        age_ns=0,
        clipped=0,
        inputs=pack_floats(np.array(inputs)),
        ctrl=b"" if ctrl is None else pack_floats(np.array(ctrl)),
        pose=b"",
    )


def cart_profile(mode: Mode = "joint_position_delta") -> Profile:
    """Limits that the policy's own commands (0.1 m in 0.02 s) exceed fourfold."""
    is_torque = mode == "torque"
    return Profile(
        name="cart",
        robot="cart",
        actuators=("x", "y"),
        joints=("x", "y"),
        modes=(mode,) * 2,
        units=("N" if is_torque else "m",) * 2,
        low=(-2.0, -2.0),
        high=(2.0, 2.0),
        velocity_limit=(None if is_torque else 1.0,) * 2,
        acceleration_limit=(None if is_torque else 20.0,) * 2,
        position_low=(None, None),
        position_high=(None, None),
        margin=(None, None),
        stop=("damp" if is_torque else "hold_position",) * 2,
        damping=(1.0 if is_torque else None,) * 2,
        stiffness=(None, None),
        ramp_time=0.3,
    )
