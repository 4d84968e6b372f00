"""A policy in a loop: what it remembers, and in which order it commands."""

import dataclasses
from pathlib import Path

import mujoco
import numpy as np
import pytest

from robot_gcrl.contract.actuate import initial_ctrl
from robot_gcrl.contract.observe import Report, make_layout, read_inputs
from robot_gcrl.errors import PolicyError
from robot_gcrl.policy.runtime import Policy, PolicyFile, load_policy
from tests.contract.contracts import REMEMBERING, make_contract, make_model
from tests.policy.policies import make_file

CONTRACT, MODEL = make_contract(), make_model()
GOAL = np.array([1.0, 0.5, -0.5], np.float32)


def reports(count: int, seed: int = 0) -> Report:
    rng = np.random.default_rng(seed)
    sizes = (MODEL.nq, MODEL.nv, MODEL.nsensordata)
    return Report(*(rng.normal(0.0, 0.5, (count, n)).astype(np.float32) for n in sizes))


def row(report: Report, i: int) -> Report:
    return Report(*(value[i] for value in report))


def test_it_remembers_what_it_did(file: PolicyFile) -> None:
    # seen to fail with the previous action forgotten, and with the previous ctrl measured anew
    policy = load_policy(file.path, "numpy")
    layout = make_layout(CONTRACT, MODEL)
    action, ctrl = np.zeros((4, 3), np.float32), None
    for step in range(3):
        report = reports(4, seed=step)
        inputs = read_inputs(layout, report)
        before = initial_ctrl(CONTRACT, inputs) if ctrl is None else ctrl
        goal = np.broadcast_to(GOAL, (4, 3))
        action, ctrl, _ = policy.step(inputs, goal, action, before)
        acted = policy.act(report, GOAL)
        np.testing.assert_array_equal(acted.action, action)
        np.testing.assert_array_equal(acted.ctrl, ctrl)


def test_it_remembers_as_many_actions_as_are_observed(tmp_path: Path) -> None:
    # seen to fail with the oldest action in front
    policy = load_policy(make_file(tmp_path / "box.policy", REMEMBERING).path, "numpy")
    layout = make_layout(REMEMBERING, MODEL)
    history, ctrl = np.zeros((3, 4, 3), np.float32), None
    for step in range(4):
        report = reports(4, seed=step)
        inputs = read_inputs(layout, report)
        before = initial_ctrl(REMEMBERING, inputs) if ctrl is None else ctrl
        goal = np.broadcast_to(GOAL, (4, 3))
        action, ctrl, _ = policy.step(inputs, goal, np.concatenate(list(history), axis=-1), before)
        np.testing.assert_array_equal(policy.act(report, GOAL).action, action)
        history = np.stack((action, *history[:2]))


def test_one_robot_is_a_batch_of_one(file: PolicyFile) -> None:
    policy, other = load_policy(file.path, "numpy"), load_policy(file.path, "numpy")
    for step in range(2):
        report = reports(1, seed=step)
        one = policy.act(row(report, 0), GOAL)
        assert one.action.shape == one.ctrl.shape == (3,)
        np.testing.assert_array_equal(one.ctrl, other.act(report, GOAL[None]).ctrl[0])


def test_reset_forgets(file: PolicyFile) -> None:
    policy = load_policy(file.path)
    first = policy.act(reports(2), GOAL)
    second = policy.act(reports(2), GOAL)
    assert np.abs(first.ctrl - second.ctrl).max() > 1e-3
    policy.reset()
    np.testing.assert_array_equal(policy.act(reports(2), GOAL).ctrl, first.ctrl)
    with pytest.raises(PolicyError) as caught:
        policy.act(reports(3), GOAL)
    assert str(caught.value) == (
        "The policy of 'demo' was given 3 robots. Expected 2, as before: it remembers what each of "
        "them did. Call reset() before another number of robots."
    )


def test_a_report_of_another_model(file: PolicyFile) -> None:
    policy = load_policy(file.path)
    report = row(reports(1), 0)
    with pytest.raises(PolicyError) as caught:
        policy.act(report._replace(qpos=report.qpos[:7]), GOAL)
    assert str(caught.value) == (
        "The policy of 'demo' was given a report of shapes ((7,), (8,), (6,)). Expected (nq,), "
        "(nv,), (nsensordata,) = (9, 8, 6), or those of B robots with an axis in front. Give the "
        "report of the policy's own scene."
    )
    with pytest.raises(PolicyError, match=r"goal of shape \(1, 2\). Expected \(B, 3\)"):
        policy.act(report, GOAL[:2])


def test_ctrl_in_the_order_of_the_model(file: PolicyFile) -> None:
    # seen to fail with the order inverted; the model's own would be its inverse, so another one
    policy = load_policy(file.path)
    ctrl = np.array([[1.0, 2.0, 3.0]], np.float32)
    data = mujoco.MjData(MODEL)
    data.ctrl[:] = policy.in_model_order(ctrl)[0]
    named = {name: data.actuator(name).ctrl.item() for name in CONTRACT.action.actuators}
    assert named == {"turn": 1.0, "push": 2.0, "pull": 3.0}
    turned = dataclasses.replace(file.layout, actuators=np.array([1, 2, 0]))
    other = Policy(dataclasses.replace(file, layout=turned))
    assert other.in_model_order(ctrl).tolist() == [[3.0, 1.0, 2.0]]
