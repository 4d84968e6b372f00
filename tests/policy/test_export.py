"""What goes into a policy file, and what becomes of one that cannot be written."""

import json
from pathlib import Path

import jax
import mujoco
import numpy as np
import onnx
import pytest

from robot_gcrl.contract.observe import Report, make_layout, read_inputs
from robot_gcrl.errors import PolicyError
from robot_gcrl.policy.compare import golden_difference, tolerance
from robot_gcrl.policy.export import export_policy
from robot_gcrl.policy.golden import Examples
from robot_gcrl.policy.onnx_file import export_onnx
from robot_gcrl.policy.onnx_graph import onnx_bytes
from robot_gcrl.policy.runtime.file import NUM_GOLDEN, NUM_SCENARIOS, PolicyFile
from robot_gcrl.policy.runtime.make import make_runtime
from robot_gcrl.policy.scenarios import sample_scenarios
from robot_gcrl.policy.scene import load_scene, scene_bytes
from robot_gcrl.policy.starts import start_inputs
from robot_gcrl.task.registry import load_task
from tests.contract.contracts import make_contract
from tests.policy.policies import TRAINING, make_file, make_perturbed, make_task

SETTINGS = {"width": 16, "final_norm": True, "normalize_observations": True}


def test_the_manifest_says_where_the_policy_comes_from(file: PolicyFile) -> None:
    manifest = file.manifest
    assert manifest["training"] == TRAINING
    assert manifest["task"] == "demo"
    assert manifest["contract_sha256"] == make_contract().sha256
    assert manifest["versions"]["jax"] == jax.__version__
    assert manifest["golden"]["count"] == NUM_GOLDEN
    assert manifest["golden"]["unsaturated"] >= 8
    described = json.loads(file.entry("network.json"))
    assert described["normalizer"] == {"std_floor": 0.01, "limit": 100.0}
    assert described["layer_norm_epsilon"] == 1e-6
    assert described["goal_scale"] == [2.0, 1.0, 1.0]


def test_equal_agents_give_equal_files(file: PolicyFile, tmp_path: Path) -> None:
    # seen to fail with the time of writing in the zip entries
    path = tmp_path / "again.policy"
    path.write_bytes(b"one that was there")
    again = make_file(path, **SETTINGS)
    assert again.path.read_bytes() == file.path.read_bytes()
    assert again.sha256 == file.sha256


def test_scenarios_are_those_of_the_task(file: PolicyFile) -> None:
    # seen to fail with the eval distribution drawn by the key of the train one
    train, evaluation = file.scenarios["train"], file.scenarios["eval"]
    for scenarios in (train, evaluation):
        assert scenarios.qpos.shape == (NUM_SCENARIOS, 9)
        assert scenarios.qvel.shape == (NUM_SCENARIOS, 8)
        low, high = file.contract.goal_bounds
        assert ((scenarios.goal >= low) & (scenarios.goal <= high)).all()
        assert len(np.unique(scenarios.goal, axis=0)) > 2000
        assert np.abs(scenarios.qpos[:, :2]).max() <= 0.5
    assert not np.array_equal(train.qpos, evaluation.qpos)


def test_goals_are_drawn_for_the_report_of_their_start() -> None:
    task = make_task()

    def beside(key: jax.Array, report: object) -> jax.Array:
        del key
        return report.sensordata[:3]  # pyright: ignore[reportAttributeAccessIssue]

    object.__setattr__(task.eval, "goal", beside)
    scenarios = sample_scenarios(task)["eval"]
    inputs = start_inputs(task.model, make_layout(task.contract, task.model), scenarios)
    # inputs 1 and 0 are x and z of the tip
    np.testing.assert_array_equal(scenarios.goal[:, [0, 2]], inputs[:, [1, 0]])


@pytest.mark.parametrize("name", ["ant_maze", "arm_reach"])
def test_the_scene_is_the_model_to_the_last_bit(name: str, tmp_path: Path) -> None:
    model = load_task(name).model
    path = tmp_path / "scene.mjb"
    path.write_bytes(scene_bytes(model))
    loaded = mujoco.MjModel.from_binary_path(str(path))
    arrays = [k for k in dir(model) if isinstance(getattr(model, k), np.ndarray)]
    assert {"geom_size", "jnt_range", "actuator_gainprm", "body_mass", "tex_data"} <= set(arrays)
    for array in arrays:
        np.testing.assert_array_equal(getattr(loaded, array), getattr(model, array), array)
    assert loaded.opt.timestep == model.opt.timestep


def test_the_scene_of_a_file_fits_its_layout(file: PolicyFile) -> None:
    model = load_scene(file)
    layout = make_layout(file.contract, model)
    for name in ("inputs", "healthy", "actuators"):
        np.testing.assert_array_equal(getattr(layout, name), getattr(file.layout, name))
    assert (model.nq, model.nv, model.nsensordata) == (9, 8, 6)


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> PolicyFile:
    """A policy that drives its actuators from one limit to the other."""
    return make_file(tmp_path_factory.mktemp("hard") / "hard.policy", spread=20.0, **SETTINGS)


def test_a_saturated_policy_says_so(hard: PolicyFile) -> None:
    # seen to fail with the first 32 candidates taken
    unsaturated = (np.abs(hard.golden.action) < 0.95).all(-1).sum()
    assert hard.manifest["golden"]["unsaturated"] == unsaturated < 8
    saturation = np.maximum(np.abs(hard.golden.action).max(-1), 0.95)
    assert (np.diff(saturation[: NUM_GOLDEN // 2]) >= 0).all()
    assert saturation[NUM_GOLDEN // 2 - 1] <= saturation[NUM_GOLDEN // 2 :].min()


def test_what_rounding_changes_is_measured_and_allowed_for(hard: PolicyFile) -> None:
    # seen to fail with the tolerance of the depth alone: the export refused
    facts = hard.manifest["golden"]
    assert 1e-5 < facts["rounding"] <= facts["greatest_rounding"] < 1e-3
    assert hard.tolerance == pytest.approx(1.5 * facts["rounding"])
    assert golden_difference(hard.contract, make_runtime(hard), hard.golden) <= hard.tolerance
    assert tolerance(256, 1e-6) == 1e-5
    assert tolerance(260, 1e-6) == 3e-5


def test_golden_examples_differ_from_rest_and_from_each_other(file: PolicyFile) -> None:
    # seen to fail with no noise
    model = load_scene(file)
    measured = [start_inputs(model, file.layout, s) for s in file.scenarios.values()]
    rows = file.golden.inputs
    assert len(np.unique(rows, axis=0)) == NUM_GOLDEN
    exact = [(row == np.concatenate(measured)).all(-1).any() for row in rows]
    assert 0 < sum(exact) < NUM_GOLDEN  # some as measured, some moved
    low, high = file.contract.goal_bounds
    assert ((file.golden.goal >= low) & (file.golden.goal <= high)).all()


def test_a_diverged_policy_is_not_exported(tmp_path: Path) -> None:
    task = make_task()
    agent, state = make_perturbed(task.contract, **SETTINGS)
    state.actor["head"]["bias"][1] = np.nan
    with pytest.raises(PolicyError) as caught:
        export_policy(task, agent, state, tmp_path / "a.policy", training=TRAINING)
    assert str(caught.value) == (
        "The policy cannot be exported: 1 of its weights in head/bias are not finite. Expected "
        "numbers. The training diverged: export another checkpoint, or train again."
    )
    assert not list(tmp_path.iterdir())


def test_a_policy_that_numpy_does_not_reproduce(
    file: PolicyFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task()
    agent, state = make_perturbed(task.contract, **SETTINGS)
    action = file.golden.action.copy()
    action[3, 1] = np.nan
    other = Examples(file.golden._replace(action=action), 16, 2e-6, 3e-6)
    monkeypatch.setattr("robot_gcrl.policy.export.make_golden", lambda *_: other)
    with pytest.raises(PolicyError) as caught:
        export_policy(task, agent, state, tmp_path / "a.policy", training=TRAINING)
    assert str(caught.value) == (
        "The policy cannot be exported: computing in float32 changes its own actions by up to "
        "2.0e-06, and in NumPy they differ by nan from it. Expected at most 1.0e-05. Export "
        "another checkpoint, or train an actor of less depth."
    )


def test_an_actor_larger_than_a_graph_holds(
    file: PolicyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("robot_gcrl.policy.onnx_graph._LARGEST", 1000)
    size = sum(value.nbytes for value in file.weights.values())
    with pytest.raises(PolicyError) as caught:
        onnx_bytes(file.contract, file.network, file.weights)
    assert str(caught.value) == (
        f"The policy has {size:,} bytes of weights. Expected at most 1,000, which is what one ONNX "
        "file holds. Train an actor of less width or depth."
    )


def test_export_onnx(file: PolicyFile, tmp_path: Path) -> None:
    path = export_onnx(file, tmp_path / "new" / "policy.onnx")
    onnx.checker.check_model(onnx.load(path))


def test_a_read_of_the_starts_is_the_report_of_mujoco() -> None:
    task = make_task()
    layout = make_layout(task.contract, task.model)
    scenarios = sample_scenarios(task)["train"]
    inputs = start_inputs(task.model, layout, scenarios)
    data = mujoco.MjData(task.model)
    data.qpos[:], data.qvel[:] = scenarios.qpos[7], scenarios.qvel[7]
    mujoco.mj_forward(task.model, data)
    expected = read_inputs(layout, Report(data.qpos, data.qvel, data.sensordata))
    np.testing.assert_allclose(inputs[7], expected, rtol=1e-6)
