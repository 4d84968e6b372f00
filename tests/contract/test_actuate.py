import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.contract import ActionMap
from robot_gcrl.contract.actuate import actuate, inferred_action, initial_ctrl
from tests.contract.contracts import make_contract

CONTRACT = make_contract()
MAP = CONTRACT.action


def naive_ctrl(action, previous):
    ctrl = []
    for i, mode in enumerate(MAP.modes):
        a = min(max(float(action[i]), -1.0), 1.0)
        base = float(previous[i]) if mode == "joint_position_delta" else MAP.offset[i]
        ctrl.append(min(max(base + MAP.scale[i] * a, MAP.low[i]), MAP.high[i]))
    return ctrl


def test_ctrl_equals_a_naive_second_version():
    # seen to fail with the offset added to a delta too
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1.5, 1.5, (50, 3)).astype(np.float32)
    previous = rng.uniform(-1, 1, (50, 3)).astype(np.float32)
    ctrl = actuate(MAP, actions, previous)
    assert ctrl.dtype == np.float32
    expected = [naive_ctrl(a, p) for a, p in zip(actions, previous, strict=True)]
    np.testing.assert_allclose(ctrl, expected, rtol=1e-6, atol=1e-6)


def test_a_delta_is_added_to_the_commanded_target_and_kept_within_the_limits():
    target = np.array([0.85, 0.0, 0.0], np.float32)
    for expected in (0.95, 1.0, 1.0):
        target = actuate(MAP, np.array([1.0, 0.0, 0.0], np.float32), target)
        np.testing.assert_allclose(target, [expected, 0.5, 0.0], rtol=1e-6)
    # the target did not run away beyond the limit: it comes back at once
    back = actuate(MAP, np.array([-1.0, 0.0, 0.0], np.float32), target)
    np.testing.assert_allclose(back[0], 0.9, rtol=1e-6)


def test_nan_stays_visible():
    action = np.array([np.nan, 0.0, np.nan], np.float32)
    ctrl = actuate(MAP, action, np.zeros(3, np.float32))
    assert np.isnan(ctrl).tolist() == [True, False, True]


def test_positions_start_where_they_are_measured():
    # seen to fail with the clip left out
    inputs = np.zeros((2, 8), np.float32)
    inputs[:, 2], inputs[:, 7] = (0.3, 1.7), (0.6, 0.6)  # hinge, slide
    # turn: the hinge, within its limits; push: a torque; pull: a gripper that drives no joint
    np.testing.assert_allclose(initial_ctrl(CONTRACT, inputs), [[0.3, 0, 0], [1.0, 0, 0]])


def test_numpy_and_jax_run_the_same_lines():
    rng = np.random.default_rng(1)
    actions = rng.uniform(-1.5, 1.5, (9, 3)).astype(np.float32)
    previous = rng.uniform(-1, 1, (9, 3)).astype(np.float32)
    inputs = rng.normal(size=(9, 8)).astype(np.float32)
    in_jax = jax.jit(lambda a, p: actuate(MAP, a, p, jnp))(actions, previous)
    np.testing.assert_allclose(actuate(MAP, actions, previous), in_jax, rtol=1e-6)
    in_jax = jax.jit(lambda x: initial_ctrl(CONTRACT, x, jnp))(inputs)
    np.testing.assert_array_equal(initial_ctrl(CONTRACT, inputs), in_jax)


def test_an_action_is_inferred_from_what_it_did():
    # Seen to fail: with the offset taken from a delta too, and without the clip
    assert {"torque", "gripper", "joint_position_delta"} <= set(MAP.modes)
    rng = np.random.default_rng(3)
    actions = rng.uniform(-1.0, 1.0, (200, 3)).astype(np.float32)
    previous = rng.uniform(-1.0, 1.0, (200, 3)).astype(np.float32)
    ctrl = actuate(MAP, actions, previous)
    found = inferred_action(MAP, ctrl, previous)
    assert found.dtype == np.float32
    assert np.abs(found).max() <= 1.0
    free = (ctrl > MAP.ctrl_range[0]) & (ctrl < MAP.ctrl_range[1])
    np.testing.assert_allclose(found[free], actions[free], atol=1e-5)
    # At a limit another action may have done it, but this one does the same
    reached = np.abs(ctrl - previous) <= np.abs(np.array(MAP.scale)) + 1e-6
    same = free | reached | ~np.broadcast_to(MAP.is_delta, free.shape)
    np.testing.assert_allclose(actuate(MAP, found, previous)[same], ctrl[same], atol=1e-5)
    assert (~free).any()
    beyond = np.full((1, 3), 99.0, np.float32)
    np.testing.assert_array_equal(np.abs(inferred_action(MAP, beyond, previous[:1])), 1.0)


@pytest.mark.parametrize(
    "mode", ["torque", "joint_position", "joint_position_delta", "joint_velocity", "gripper"]
)
def test_each_mode_is_inferred(mode):
    one = ActionMap(
        actuators=("a", "b"), joints=(None, None), modes=(mode, mode), scale=(0.5, 0.0),
        offset=(0.25, 0.1), low=(-3.0, -3.0), high=(3.0, 3.0),
    )  # fmt: skip
    actions = np.random.default_rng(0).uniform(-1, 1, (20, 2)).astype(np.float32)
    previous = np.full((20, 2), 0.5, np.float32)
    found = inferred_action(one, actuate(one, actions, previous), previous)
    np.testing.assert_allclose(found[:, 0], actions[:, 0], atol=1e-5)
    # Seen to fail: divided by a scale of 0
    np.testing.assert_array_equal(found[:, 1], 0.0)
