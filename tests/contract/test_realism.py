"""Levels of realism as data: what is refused, and what survives JSON."""

from dataclasses import replace

import numpy as np
import pytest

from robot_gcrl.contract.plan import make_plan
from robot_gcrl.contract.realism import (
    Delay,
    GoalBias,
    Noise,
    Pose,
    Push,
    Realism,
    Variation,
    levels_from_json,
    levels_to_json,
    softened,
)
from robot_gcrl.errors import ContractError, UnknownNameError
from tests.contract.contracts import REMEMBERING, make_contract, make_model

CONTRACT, MODEL = make_contract(), make_model()
FULL = Realism(
    variations=(
        Variation(quantity="mass", low=0.5, high=2.0),
        Variation(quantity="friction_loss", names=("hinge",), low=0.1, high=0.3, together=True),
    ),
    slope=0.2,
    poses=(Pose(joint="hinge", low=-0.2, high=0.4),),
    noises=(Noise(source="qpos", names=("hinge", "slide"), std=0.1, bias=0.2),),
    goal_bias=(GoalBias(labels=("x",), bias=0.5),),
    push=Push(joint="root", interval=2.0, velocity=1.0, spin=3.0),
)


def plan_of(realism, contract=CONTRACT):
    return make_plan(realism, contract, MODEL, substeps=4, variants=8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Variation(quantity="mass", low=2.0, high=1.0),
            "Variation of 'mass' has the range [2.0, 1.0]. Expected finite numbers, the lower "
            "first. Exchange or change them.",
        ),
        (
            lambda: Variation(quantity="mass", low=-0.5, high=1.0),
            "Variation of 'mass' has the least factor -0.5. Expected a number above 0: nothing has "
            "a mass, friction or gain of 0 or below. Raise it.",
        ),
        (
            lambda: Noise(source="qpos", names=("hinge",), std=-1.0),
            "Noise of hinge has std -1.0. Expected a finite number, 0 or more. Change it.",
        ),
        (
            lambda: Delay(low=0.1, high=0.05),
            "Delay has the range [0.1, 0.05]. Expected finite numbers, the lower first. Exchange "
            "or change them.",
        ),
        (
            lambda: Delay(hold=1.0),
            "Delay has hold 1.0. Expected a probability, below 1. Choose one.",
        ),
        (
            lambda: Push(joint="root", interval=0.0),
            "Push has interval 0.0. Expected seconds above 0. Choose some.",
        ),
        (
            lambda: Realism(slope=1.0),
            "Realism has slope 1.0. Expected radians below 0.79. Lower it.",
        ),
        (
            lambda: plan_of(Realism(noises=(Noise(source="qpos", names=("hing",), std=0.1),))),
            "Noise is declared of qpos 'hing', which contract 'demo' does not observe. It "
            "observes: hinge, root, slide. Name one of these.",
        ),
        (
            lambda: plan_of(Realism(goal_bias=(GoalBias(labels=("w",), bias=0.1),))),
            "GoalBias names the goal field 'w'. Expected one of z, x, y. Name one of these.",
        ),
        (
            lambda: plan_of(Realism(poses=(Pose(joint="root", low=0.0, high=0.1),))),
            "Pose moves the joint 'root', which is a ball or free joint. Expected a hinge or "
            "slide. Let the task's starts move it.",
        ),
        (
            lambda: plan_of(Realism(push=Push(joint="hinge", interval=1.0))),
            "Push kicks the joint 'hinge', which is no free joint. Expected one. Name the root of "
            "a robot that moves about.",
        ),
        (
            lambda: plan_of(Realism(action_delay=Delay(high=0.15))),
            "Contract 'demo' does not observe the action of 'turn' 1 control steps ago; its "
            "delays are up to 0.15 s, 2 control steps. Expected the last 2 actions of every "
            "actuator, without which the state is not known. Add fields of source "
            "previous_action (components are ages), or lower the delays.",
        ),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ContractError) as caught:
        make()
    assert str(caught.value) == message


def test_unknown_quantities_are_told_the_closest():
    with pytest.raises(UnknownNameError) as caught:
        Variation(quantity="masses", low=1.0, high=1.0)
    assert str(caught.value) == "Unknown quantity 'masses'. Did you mean 'mass'? See: docs/tasks.md"


def test_levels_survive_json():
    # seen to fail with the push left out, and with names as lists
    levels = {"low": softened(FULL, 0.5), "full": FULL}
    assert levels_from_json(levels_to_json(levels)) == levels


@pytest.mark.parametrize("text", ["[]", "{}x", '{"full": {"push": null}}', '{"full": 3}'])
def test_damaged_levels(text):
    with pytest.raises(ContractError, match=r"The levels of realism cannot be read: "):
        levels_from_json(text)


def test_a_softened_level_departs_by_its_share():
    # seen to fail with factors shrunk toward 0
    half = softened(FULL, 0.5)
    mass, loss = half.variations
    assert (mass.low, mass.high) == (0.75, 1.5)
    assert (loss.low, loss.high) == pytest.approx((0.05, 0.15))
    assert half.slope == 0.1
    assert half.push is not None
    assert (half.push.interval, half.push.velocity, half.push.spin) == (2.0, 0.5, 1.5)
    delayed = replace(FULL, action_delay=Delay(low=0.02, high=0.04, jitter=0.02, hold=0.1))
    assert softened(delayed, 0.5).action_delay == Delay(low=0.01, high=0.02, jitter=0.01, hold=0.05)
    assert softened(FULL, 0.0).greatest_delay == 0.0


def test_delays_that_are_observed_are_accepted():
    # seen to fail with the history counted over all actuators together
    every = tuple(
        replace(field, name=name, components=(0, 1))
        for field in REMEMBERING.observation
        if field.source == "previous_action"
        for name in CONTRACT.action.actuators
    )
    contract = make_contract(observation=(*CONTRACT.observation, *every))
    plan = plan_of(Realism(action_delay=Delay(high=0.15, jitter=0.05)), contract)
    assert plan.rows == (2, 4)
    with pytest.raises(ContractError, match=r"'turn' 3 control steps ago"):
        plan_of(Realism(action_delay=Delay(high=0.21)), contract)


def test_a_plan_knows_where_everything_is():
    plan = plan_of(FULL)
    named = [name for _, name, _ in CONTRACT.inputs]
    expected = [0.1 if name in ("hinge", "slide") else 0.0 for name in named]
    np.testing.assert_allclose(plan.std, expected)
    np.testing.assert_allclose(plan.bias, 2.0 * np.array(expected))
    assert plan.goal_bias.tolist() == [0.0, 0.5, 0.0]
    assert plan.push == (int(MODEL.joint("root").dofadr[0]), 0.05, 1.0, 3.0)
    assert plan.poses[0].tolist() == [int(MODEL.joint("hinge").qposadr[0])]
