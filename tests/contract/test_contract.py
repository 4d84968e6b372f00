import json
import subprocess
import sys

import numpy as np
import pytest

from robot_gcrl.contract import Contract, Field, GoalField, SuccessGroup
from robot_gcrl.contract.difference import differences
from robot_gcrl.errors import ContractError
from tests.contract.contracts import make_action_map, make_contract


def test_components_and_inputs_are_in_the_order_of_the_fields():
    contract = make_contract()
    assert [(f.name, c) for f, c in contract.components] == [
        ("tip_in_world", 2),
        ("tip_in_world", 0),
        ("hinge", 0),
        ("hinge", 0),
        ("push", 0),
        ("root", 3),
        ("root", 5),
        ("root", 0),
        ("root", 1),
        ("slide", 0),
    ]
    # the hinge is measured once, though it is observed as cos and as sin
    assert contract.inputs == (
        ("sensor", "tip_in_world", 2),
        ("sensor", "tip_in_world", 0),
        ("qpos", "hinge", 0),
        ("qvel", "root", 3),
        ("qvel", "root", 5),
        ("qpos", "root", 0),
        ("qpos", "root", 1),
        ("qpos", "slide", 0),
    )
    assert (contract.observation_size, contract.goal_size, contract.action_size) == (10, 3, 3)


def test_goals_know_their_observation_components():
    contract = make_contract()
    np.testing.assert_array_equal(contract.goal_index, [0, 7, 8])
    np.testing.assert_array_equal(contract.goal_scale, np.array([2.0, 1.0, 1.0], np.float32))
    low, high = contract.goal_bounds
    np.testing.assert_array_equal(low, [0.0, -1.0, -1.0])
    np.testing.assert_array_equal(high, [2.0, 1.0, 1.0])


def test_json_round_trip_keeps_everything_but_terminal_states():
    contract = make_contract()
    again = Contract.from_json(contract.canonical_json)
    assert again == make_contract(healthy=())
    assert again.canonical_json == contract.canonical_json


def test_sha256_is_of_what_robot_and_policy_must_agree_on():
    # seen to fail with `del content["healthy"]` removed
    contract = make_contract()
    assert contract.sha256 == make_contract(healthy=()).sha256
    for change in (
        {"control_dt": 0.05},
        {"version": 2},
        {"needs": ("localisation",)},
        {"action": make_action_map(scale=(0.1, 2.0, 1.5))},
    ):
        assert make_contract(**change).sha256 != contract.sha256


def test_canonical_json_has_no_freedom():
    text = make_contract().canonical_json
    content = json.loads(text)
    assert text == json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert "healthy" not in content


def test_the_contract_needs_neither_a_simulator_nor_jax():
    code = (
        "import sys, robot_gcrl.contract.actuate, robot_gcrl.contract.observe;"
        "print([m for m in ('jax', 'mujoco', 'jaxtyping') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: Field(source="qpos", name="a", unit="m", components=()),
            "Field 'a' has components (). Expected at least one index, none below 0.",
        ),
        (
            lambda: Field(source="qpos", name="a", unit="m", scale=0.0),
            "Field 'a' has scale 0.0. Expected a finite number other than 0.",
        ),
        (
            lambda: GoalField(label="x", source="qpos", name="a", unit="m", low=1.0, high=1.0),
            "Goal field 'x' has bounds [1.0, 1.0]. Expected finite numbers, the lower first.",
        ),
        (
            lambda: SuccessGroup(labels=("x",), radius=-1.0),
            "Success group ('x',) has radius -1.0. Expected a number above 0.",
        ),
        (
            lambda: make_action_map(scale=(1.0,)),
            "ActionMap.scale has 1 values for 3 actuators. Expected one for each.",
        ),
        (
            lambda: make_action_map(low=(2.0, -2.0, -1.0)),
            "Actuator 'turn' has limits [2.0, 1.0]. Expected the lower first.",
        ),
        (
            lambda: make_contract(control_dt=0.0),
            "Contract 'demo' has control_dt 0.0. Expected seconds above 0.",
        ),
        (
            lambda: make_contract(success=(SuccessGroup(labels=("x", "z"), radius=1.0),)),
            "Contract 'demo' has goal fields ['z', 'x', 'y'] and success groups over ['x', 'z']. "
            "Expected each goal field, named once, in one group.",
        ),
        (
            lambda: make_contract(
                goal=(GoalField(label="a", source="qpos", name="hinge", unit="rad",
                                low=-1.0, high=1.0),),
                success=(SuccessGroup(labels=("a",), radius=1.0),),
            ),
            "Goal field 'a' of contract 'demo' compares with ('qpos', 'hinge', 0), which the "
            "observation does not contain untransformed. Add that field.",
        ),
        (
            lambda: make_contract(
                action=make_action_map(modes=("torque", "torque", "joint_position"))
            ),
            "Actuator 'pull' of contract 'demo' commands a position, and the observation does not "
            "contain that of its joint (None). A robot could not start from where it is. Observe "
            "the qpos of that joint.",
        ),
        (
            lambda: Contract.from_json("{}"),
            "The contract cannot be read: 'observation'. Expected the JSON that "
            "Contract.canonical_json writes.",
        ),
    ],
)  # fmt: skip
def test_errors(build, message):
    with pytest.raises(ContractError) as caught:
        build()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "Field(source='position', name='a', unit='m')",
            "Field 'a' has source 'position'. Expected one of qpos, qvel, sensor, previous_action.",
        ),
        (
            "Field(source='qpos', name='a', unit='m', transform='tan')",
            "Field 'a' has transform 'tan'. Expected one of identity, cos, sin.",
        ),
        (
            "ActionMap(actuators=('a',), joints=(None,), modes=('force',), scale=(1.0,), "
            "offset=(0.0,), low=(0.0,), high=(1.0,))",
            "Actuator 'a' has mode 'force'. Expected one of torque, joint_position, "
            "joint_position_delta, joint_velocity, gripper.",
        ),
    ],
)
def test_errors_of_what_types_forbid(expression, message):
    # in a process of its own: here the tests' type checker would speak first
    code = (
        f"from robot_gcrl.contract import *\ntry:\n {expression}\nexcept Exception as e: print(e)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == f"{message}\n"


@pytest.mark.parametrize("other", ["[" * 60_000, "{" * 60_000, '{"a":' * 900 + "1" + "}" * 900])
def test_differences_from_anything_are_short_and_never_fail(other):
    # Seen to fail: with RecursionError not caught, by which one hello ended a server
    rows = differences(make_contract(), other)
    assert rows
    assert all(len(cell) <= 120 for row in rows for cell in row)
    long = json.dumps({"k" * 60_000: 1} | json.loads(make_contract().canonical_json))
    assert all(len(cell) <= 120 for row in differences(make_contract(), long) for cell in row)
