"""NumPy, ONNX Runtime and C against the agent in JAX and against float64."""

from typing import NamedTuple

import numpy as np
import onnx
import pytest

from robot_gcrl.agents.crl.agent import Agent
from robot_gcrl.agents.crl.state import AgentState
from robot_gcrl.contract import Contract, Field
from robot_gcrl.contract.actuate import actuate
from robot_gcrl.errors import PolicyError
from robot_gcrl.policy.compare import difference, golden_difference
from robot_gcrl.policy.export import export_policy
from robot_gcrl.policy.runtime import PolicyFile, Runtime, make_runtime, read_policy
from robot_gcrl.policy.runtime.file import Golden
from tests.contract.contracts import REMEMBERING, make_action_map, make_contract
from tests.policy.policies import TRAINING, make_perturbed, make_task, naive_mean, random_steps
from tests.policy.programs import Program

# Torques alone, nothing transformed, no memory
PLAIN = make_contract(
    observation=(
        Field(source="sensor", name="tip_in_world", components=(2, 0), unit="m"),
        Field(source="qpos", name="hinge", unit="rad"),
        Field(source="qpos", name="root", components=(0, 1), unit="m", frame="world"),
    ),
    action=make_action_map(modes=("torque",) * 3),
)
# Depth, settings, contract. Width 37 leaves remainders in the unrolled loops of the C.
CASES = {
    "shallow": ({"actor_depth": 4, "width": 37, "normalize_observations": True}, None),
    "plain": ({"actor_depth": 4, "width": 64, "final_norm": True}, PLAIN),
    "remembering": ({"actor_depth": 4, "width": 32}, REMEMBERING),
    "mean": ({"actor_depth": 4, "width": 37, "eval_action": "mean"}, None),
    "rms": ({"actor_depth": 8, "width": 37, "norm": "rms", "final_norm": True}, None),
    "sphere": ({"actor_depth": 8, "width": 37, "norm": "hyperspherical", "final_norm": True}, None),
    "sphere_mean": (
        {"actor_depth": 4, "width": 16, "norm": "hyperspherical", "eval_action": "mean"}
        | {"normalize_observations": True},
        PLAIN,
    ),
    "middle": ({"actor_depth": 64, "width": 64}, None),
    "chunked": ({"chunk": 3, "width": 24, "normalize_observations": True}, REMEMBERING),
    "pairs": ({"chunk": 2, "width": 16, "final_norm": True}, None),
    "deep": (
        {"actor_depth": 256, "width": 32, "final_norm": True, "normalize_observations": True},
        None,
    ),
}


RUNTIMES = ("numpy", "onnxruntime", "c")


class Case(NamedTuple):
    contract: Contract
    agent: Agent
    state: AgentState
    file: PolicyFile
    runtimes: dict[str, Runtime]

    def runtime(self, name: str) -> Runtime:
        """Made when it is first asked for: where there is no compiler, the others are tested."""
        if name not in self.runtimes:
            self.runtimes[name] = (
                Program(self.file, self.file.path.parent / "c")
                if name == "c"
                else make_runtime(self.file, name)  # pyright: ignore[reportArgumentType]
            )
        return self.runtimes[name]


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    settings, contract = CASES[request.param]
    contract = contract or make_contract()
    agent, state = make_perturbed(contract, **settings)
    path = tmp_path_factory.mktemp(request.param) / "case.policy"
    file = read_policy(export_policy(make_task(contract), agent, state, path, training=TRAINING))
    return Case(contract, agent, state, file, {})


# Seen to fail: in each runtime with the LayerNorm's scale left out and with sin for cos, in NumPy
# and C with the offset added to a delta, in all with the goal's moments those of other components.
# In NumPy and ONNX, of a hyperspherical trunk, with Swish in a block's last layer and with lerp
# turned round; in NumPy with its shift behind the sphere, and with the raw log-std for the mean.
# Meant to fail: the same in C.
@pytest.mark.parametrize("name", RUNTIMES)
def test_every_runtime_does_what_the_agent_does(case: Case, name: str) -> None:
    golden = case.file.golden
    assert (np.abs(golden.action) < 0.95).all(-1).sum() >= 8
    worst = difference(case.contract, case.runtime(name)(*golden.given), golden)
    assert worst <= case.file.tolerance == 1e-5


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("batch", [1, 100])
def test_every_runtime_computes_the_equations(case: Case, name: str, batch: int) -> None:
    steps = random_steps(case.contract, batch, seed=batch)
    action = np.tanh(naive_mean(case.contract, case.agent, case.state, steps))
    action = action[:, : case.contract.action_size]
    ctrl = actuate(case.contract.action, action, steps[3])
    expected = Golden(*steps[:4], action=action, ctrl=ctrl)
    output = case.runtime(name)(*steps)
    assert output.action.dtype == output.ctrl.dtype == np.float32
    assert output.action.shape == output.ctrl.shape == (batch, case.contract.action_size)
    assert difference(case.contract, output, expected) <= 1e-5


# Seen to fail: in NumPy with fmin and fmax, in the C with fminf and fmaxf.
@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_seen(case: Case, name: str, bad: float) -> None:
    steps = random_steps(case.contract, 5)
    # of inputs, goal and previous action, a column that is observed
    used = [(0, 2), (1, 1), (2, 1)] if _has_memory(case) else [(0, 2), (1, 1)]
    for argument, column in used:
        poisoned = [array.copy() for array in steps]
        poisoned[argument][3, column] = bad
        output = case.runtime(name)(*poisoned)
        others = np.arange(5) != 3
        assert np.isfinite(output.action[others]).all()
        if np.isnan(bad):
            assert np.isnan(output.action[3]).all()
            assert np.isnan(output.ctrl[3]).all()
        else:  # clipped by a normalizer, as in training, or seen
            assert np.isnan(output.action[3]).all() or case.agent.config.normalize_observations


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_previous_ctrl_that_is_no_number_is_seen_where_it_counts(case: Case, name: str) -> None:
    steps = random_steps(case.contract, 2)
    steps[3][0] = np.nan
    output = case.runtime(name)(*steps)
    assert np.isfinite(output.action).all()
    np.testing.assert_array_equal(np.isnan(output.ctrl[0]), case.contract.action.is_delta)


def test_the_graph_is_what_other_runtimes_read(case: Case) -> None:
    model = onnx.load_from_string(case.file.entry("policy.onnx"))
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == 8
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    norms = [node for node in model.graph.node if node.op_type == "LayerNormalization"]
    epsilons = {a.f for node in norms for a in node.attribute if a.name == "epsilon"}
    network = case.file.network
    if network.norm == "layer":
        assert epsilons == {np.float32(1e-6)}
        assert len(norms) == 1 + network.depth + network.final_norm
    names = ["action", "ctrl", "next_queue"][: 3 if network.queue_size else 2]
    assert [value.name for value in model.graph.output] == names
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "B"
    assert {p.key: p.value for p in model.metadata_props} == {
        "contract_sha256": case.contract.sha256
    }


@pytest.mark.parametrize("name", ["numpy", "onnxruntime"])
def test_a_runtime_remembers_nothing(file: PolicyFile, name: str) -> None:
    runtime: Runtime = make_runtime(file, name)  # pyright: ignore[reportArgumentType]
    steps = random_steps(file.contract, 3)
    kept = [array.copy() for array in steps]
    first = runtime(*steps)
    runtime.warm_up(7)
    again = runtime(*steps)
    for a, b in zip((*first, *kept), (*again, *steps), strict=True):
        np.testing.assert_array_equal(a, b)
    assert isinstance(runtime, Runtime)
    assert runtime.name == name


def test_every_runtime_refuses_other_shapes(file: PolicyFile) -> None:
    for name in ("numpy", "onnxruntime"):
        runtime = make_runtime(file, name)
        inputs, goal, action, ctrl = random_steps(file.contract, 2)
        with pytest.raises(PolicyError) as caught:
            runtime(inputs, goal[:1], action, ctrl)
        assert str(caught.value) == (
            "The policy of 'demo' was given goal of shape (1, 3). Expected (B, 3), B being the "
            "same for all: 2 rows of inputs. Give one row for each robot."
        )
        with pytest.raises(PolicyError, match=r"inputs of shape \(8,\)"):
            runtime(inputs[0], goal[0], action[0], ctrl[0])


def test_auto_is_onnx_runtime_where_it_is_installed(file: PolicyFile) -> None:
    assert make_runtime(file).name == "onnxruntime"
    assert golden_difference(file.contract, make_runtime(file, threads=2), file.golden) < 1e-5


def test_no_threads(file: PolicyFile) -> None:
    with pytest.raises(PolicyError) as caught:
        make_runtime(file, threads=0)
    assert str(caught.value) == "threads is 0. Expected at least 1. Change threads."


def _has_memory(case: Case) -> bool:
    return any(field.source == "previous_action" for field in case.contract.observation)
