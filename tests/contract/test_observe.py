import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from robot_gcrl.contract import Field
from robot_gcrl.contract.observe import (
    Report,
    achieved_goal,
    goal_distances,
    is_healthy,
    is_success,
    make_layout,
    observe,
    read_inputs,
)
from robot_gcrl.errors import ContractError
from tests.contract.contracts import REMEMBERING, make_action_map, make_contract, make_model

CONTRACT, MODEL = make_contract(), make_model()
LAYOUT = make_layout(CONTRACT, MODEL)


def random_report(actions=3, count=7, seed=0):
    rng = np.random.default_rng(seed)
    data = mujoco.MjData(MODEL)
    rows = []
    for _ in range(count):
        data.qpos[:] = rng.normal(size=MODEL.nq)
        data.qvel[:] = rng.normal(size=MODEL.nv)
        mujoco.mj_forward(MODEL, data)
        rows.append((data.qpos.copy(), data.qvel.copy(), data.sensordata.copy()))
    report = Report(*(np.stack(column).astype(np.float32) for column in zip(*rows, strict=True)))
    return report, rng.uniform(-1, 1, (count, actions)).astype(np.float32)


def naive_observation(contract, report, action, i):
    """Component by component, through MuJoCo's own named access."""
    data = mujoco.MjData(MODEL)
    data.qpos[:], data.qvel[:], data.sensordata[:] = (x[i] for x in report)
    actuators = contract.action.actuators
    values = []
    for field in contract.observation:
        for component in field.components:
            if field.source == "previous_action":
                raw = action[i, 3 * component + actuators.index(field.name)]
            elif field.source == "sensor":
                raw = data.sensor(field.name).data[component]
            else:
                raw = getattr(data.joint(field.name), field.source)[component]
            functions = {"identity": float, "cos": np.cos, "sin": np.sin}
            values.append(field.scale * functions[field.transform](raw))
    return np.array(values)


@pytest.mark.parametrize("contract", [CONTRACT, REMEMBERING])
def test_observation_equals_a_naive_second_version(contract):
    # seen to fail with the scale left out, with sin and cos exchanged, and with every age 0
    report, action = random_report(contract.previous_action_size)
    observation = observe(contract, read_inputs(LAYOUT, report), action)
    expected = np.stack([naive_observation(contract, report, action, i) for i in range(7)])
    assert observation.dtype == np.float32
    np.testing.assert_allclose(observation, expected, rtol=1e-6, atol=1e-6)


def test_goals_distances_and_success_equal_a_naive_second_version():
    # seen to fail with <= turned into >= in is_success
    report, _ = random_report()
    inputs = read_inputs(LAYOUT, report)
    achieved = achieved_goal(CONTRACT, inputs)
    goal = achieved + np.random.default_rng(1).normal(0, 0.3, achieved.shape).astype(np.float32)
    distances = goal_distances(CONTRACT, achieved, goal)
    success = is_success(CONTRACT, distances)
    tip = MODEL.sensor("tip_in_world").adr[0]
    for i in range(7):
        z, x, y = report.sensordata[i, tip + 2], report.qpos[i, 0], report.qpos[i, 1]
        np.testing.assert_allclose(achieved[i], (z, x, y), rtol=1e-6)
        plane = np.hypot(x - goal[i, 1], y - goal[i, 2])
        height = abs(z - goal[i, 0])
        np.testing.assert_allclose(distances[i], (plane, height), rtol=1e-4, atol=1e-6)
        assert success[i] == (plane <= 0.5 and height <= 0.1)
    assert 0 < success.sum() < 7


def test_health_is_checked_in_every_field():
    # seen to fail with `healthy &` left out: only the last field counted
    report, _ = random_report(count=4)
    for row, (height, hinge) in enumerate([(1.0, 0.0), (3.0, 0.0), (1.0, 2.0), (0.1, 2.0)]):
        report.qpos[row, 2], report.qpos[row, 7] = height, hinge
    assert is_healthy(CONTRACT, LAYOUT, report).tolist() == [True, False, False, False]
    assert is_healthy(make_contract(healthy=()), LAYOUT, report).all()


def test_numpy_and_jax_run_the_same_lines():
    report, action = random_report()

    @jax.jit
    def in_jax(report, action):
        inputs = read_inputs(LAYOUT, report, jnp)
        achieved = achieved_goal(CONTRACT, inputs)
        distances = goal_distances(CONTRACT, achieved, achieved + 0.2, jnp)
        return (
            observe(CONTRACT, inputs, action, jnp),
            distances,
            is_success(CONTRACT, distances),
            is_healthy(CONTRACT, LAYOUT, report, jnp),
        )

    inputs = read_inputs(LAYOUT, report)
    achieved = achieved_goal(CONTRACT, inputs)
    distances = goal_distances(CONTRACT, achieved, achieved + np.float32(0.2))
    expected = (
        observe(CONTRACT, inputs, action),
        distances,
        is_success(CONTRACT, distances),
        is_healthy(CONTRACT, LAYOUT, report),
    )
    for ours, theirs in zip(expected, in_jax(report, action), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
        assert ours.dtype == theirs.dtype


def test_leading_axes_are_free():
    report, action = random_report(count=6)
    flat = observe(CONTRACT, read_inputs(LAYOUT, report), action)
    boxed = Report(*(x.reshape(2, 3, -1) for x in report))
    np.testing.assert_array_equal(
        observe(CONTRACT, read_inputs(LAYOUT, boxed), action.reshape(2, 3, 3)),
        flat.reshape(2, 3, -1),
    )
    one = Report(*(x[0] for x in report))
    np.testing.assert_array_equal(observe(CONTRACT, read_inputs(LAYOUT, one), action[0]), flat[0])


def test_layout_finds_actuators():
    # contract order is turn, push, pull; the model's is push, turn, pull
    assert LAYOUT.actuators.tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"observation": (Field(source="qpos", name="elbow", unit="rad"),)},
            "The model has no joint 'elbow'. It has: root, hinge, slide. Name one of these.",
        ),
        (
            {"observation": (Field(source="sensor", name="gps", unit="m"),)},
            "The model has no sensor 'gps'. It has: tip_in_world, tip_acceleration. Name one of "
            "these.",
        ),
        (
            {"observation": (Field(source="qvel", name="root", components=(6,), unit="m/s"),)},
            "Component 6 of qvel 'root' does not exist: it has 6. Expected 0 to 5.",
        ),
        (
            {"observation": (Field(source="sensor", name="tip_acceleration", unit="m/s^2"),)},
            "Sensor 'tip_acceleration' is of the acceleration stage, so that after a step it is "
            "one substep old. Use a position or velocity sensor.",
        ),
        (
            {
                "action": make_action_map(
                    actuators=("turn",), joints=("hinge",), modes=("torque",), scale=(1.0,),
                    offset=(0.0,), low=(-1.0,), high=(1.0,),
                )
            },
            "Contract 'demo' commands 1 actuators; the model has 3. Name each of them once; "
            "missing: ['push', 'pull'].",
        ),
        (
            {"action": make_action_map(joints=("hinge", "hinge", None))},
            "Contract 'demo' says that actuator 'push' drives the joint 'hinge'; in the model it "
            "drives 'slide'. Expected the same. Change ActionMap.joints.",
        ),
    ],
)  # fmt: skip
def test_layout_errors(changes, message):
    observation = changes.pop("observation", ()) + make_contract().observation
    with pytest.raises(ContractError) as caught:
        make_layout(make_contract(observation=observation, **changes), MODEL)
    assert str(caught.value) == message


def test_previous_action_of_an_unknown_actuator():
    contract = make_contract(
        observation=(
            *make_contract().observation,
            Field(source="previous_action", name="lift", unit="1"),
        )
    )
    with pytest.raises(ContractError) as caught:
        observe(contract, np.zeros(8, np.float32), np.zeros(3, np.float32))
    assert str(caught.value) == (
        "Field of source previous_action names actuator 'lift'. Expected one of turn, push, pull."
    )
