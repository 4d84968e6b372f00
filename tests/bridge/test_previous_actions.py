"""A policy that observes several previous actions, over real sockets: whose they are, and when."""

import numpy as np

from robot_gcrl.bridge.messages import Flag
from robot_gcrl.contract import Contract, Field
from robot_gcrl.contract.observe import remembered
from robot_gcrl.policy.runtime import PolicyOutput
from tests.bridge.fakes import cart_contract
from tests.bridge.loopback import Peer, Policy, endpoint_in, goal, serving

AGES = 3


def remembering_contract() -> Contract:
    """The cart that observes its last three actions."""
    cart = cart_contract()
    actions = (
        Field(source="previous_action", name=name, components=tuple(range(AGES)), unit="1")
        for name in cart.action.actuators
    )
    return cart_contract(observation=(*cart.observation, *actions))


class Counting(Policy):
    """The action is told by the inputs; remembers which previous actions it was given."""

    def __init__(self):
        super().__init__()
        self.given: dict[float, list[np.ndarray]] = {}

    def __call__(self, inputs, goal, previous_action, previous_ctrl, queue=None) -> PolicyOutput:
        for row, previous in zip(inputs, previous_action, strict=True):
            self.given.setdefault(float(row[1]), []).append(previous.copy())
        action = inputs[:, 2:4].astype(np.float32)
        return PolicyOutput(action, (previous_ctrl + np.float32(0.1) * action).astype(np.float32))


def inputs_of(robot: int, step: int) -> tuple[float, ...]:
    """Where the robot is (its number), and the action that the policy shall choose."""
    return 0.0, float(robot), 0.01 * step + 0.1 * robot, -0.01 * step


def test_each_session_has_its_own_last_actions_and_a_reset_forgets_them(tmp_path):
    # seen to fail with the newest action alone kept in the session, with the rows the oldest first,
    # and with RESET not looked at
    contract, policy = remembering_contract(), Counting()
    assert contract.previous_action_size == 2 * AGES
    resets = {0: 4, 1: 6}
    with (
        serving(tmp_path, contract=contract, runtime=policy),
        Peer(endpoint_in(tmp_path)) as first,
        Peer(endpoint_in(tmp_path)) as second,
    ):
        peers = (first, second)
        for i, peer in enumerate(peers):
            peer.hello(f"cart{i}", contract=contract, goal=goal(1.0, 1.0).tobytes())
        for step in range(9):
            for i, peer in enumerate(peers):
                flags = Flag.RESET if step == resets[i] else 0
                answer = peer.step(inputs_of(i, step), flags=int(flags))
                if step == resets[i]:
                    expected = np.array((0.0, i)) + 0.1 * np.array(inputs_of(i, step)[2:])
                    found = np.frombuffer(answer.body.chunk, np.float32)[:2]
                    np.testing.assert_allclose(found, expected, atol=1e-6)
    for i in range(2):
        naive = np.zeros(2 * AGES, np.float32)
        for step, given in enumerate(policy.given[float(i)]):
            if step == resets[i]:
                naive[:] = 0.0
            np.testing.assert_array_equal(given, naive)
            action = np.array(inputs_of(i, step)[2:], np.float32)
            expected = np.concatenate((action, naive[: 2 * (AGES - 1)]))
            np.testing.assert_array_equal(remembered(contract, action, naive), expected)
            naive = expected
        assert len(policy.given[float(i)]) == 9
