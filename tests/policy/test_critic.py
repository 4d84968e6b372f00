"""The critic of a policy file: that it is the agent's, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.contract import Contract
from robot_gcrl.contract.observe import observe
from robot_gcrl.errors import ConfigError, PolicyError
from robot_gcrl.policy import critic as critic_module
from robot_gcrl.policy.actor import actor_network, actor_weights
from robot_gcrl.policy.critic import critic_network, critic_weights
from robot_gcrl.policy.export import export_policy
from robot_gcrl.policy.runtime import PolicyFile, make_critic, read_policy
from robot_gcrl.policy.runtime.archive import ENTRIES, MANIFEST, OPTIONAL
from robot_gcrl.policy.runtime.critic import Critic, CriticNetwork
from robot_gcrl.policy.runtime.file import GOLDEN_ENERGY
from robot_gcrl.policy.verify import verify_policy
from robot_gcrl.policy.write import arrays_bytes
from robot_gcrl.train.export import export_run
from tests import naive
from tests.contract.contracts import make_contract
from tests.policy.damage import DAMAGED, change_json, entries_of, refusal, rewrite
from tests.policy.policies import TRAINING, make_file, make_perturbed, make_task, random_steps
from tests.policy.test_runtimes import PLAIN

CASES = {
    "normalized": (
        {"depth": 4, "width": 37, "final_norm": True, "normalize_observations": True},
        None,
    ),
    "plain": ({"depth": 8, "width": 64, "embedding_size": 5}, PLAIN),
    "squared": ({"depth": 4, "width": 16, "energy": "squared_l2", "num_critics": 2}, None),
    "dot": ({"depth": 4, "width": 16, "energy": "dot"}, None),
    "rms": ({"depth": 4, "width": 16, "norm": "rms", "final_norm": True}, None),
    "sphere": ({"depth": 8, "width": 16, "norm": "hyperspherical", "num_critics": 2}, None),
    "cosine": ({"depth": 4, "width": 16, "energy": "cosine", "num_critics": 2}, None),
    "temporal distance": ({"critic": "temporal_distance", "normalize_observations": True}, None),
    "survival": ({"critic": "survival", "embedding_size": 15, "time_bins": 5}, PLAIN),
    "deep": ({"depth": 64, "width": 32, "final_norm": True, "normalize_observations": True}, None),
}


def make_rows(contract: Contract, count: int) -> tuple[np.ndarray, ...]:
    """The arguments of an energy, the action not that of the policy."""
    inputs, goal, previous, _ = random_steps(contract, count, seed=count)
    action = np.random.default_rng(7).uniform(-1.0, 1.0, previous.shape).astype(np.float32)
    return inputs, previous, action, goal


# Seen to fail: with the previous action given to phi in place of the action, with the goal's
# moments those of other components, without goal_scale, and with the norm before the head left out.
# Meant to fail: with the first of two critics alone, and with the cosine's scale left out.
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("batch", [1, 100])
def test_the_energy_is_the_agents(case: str, batch: int) -> None:
    settings, contract = CASES[case]
    contract = contract or make_contract()
    agent, state = make_perturbed(contract, **settings)
    network, description = actor_network(contract, agent), critic_network(agent)
    moments = actor_weights(network, state)
    weights = critic_weights(description, network, state)
    critic = Critic(contract, network, moments, description, weights)
    inputs, previous, action, goal = rows = make_rows(contract, batch)
    observation = observe(contract, inputs, previous)
    scaled = goal * contract.goal_scale
    given = jax.tree.map(jnp.asarray, (state, observation, action, scaled))
    expected = np.asarray(jax.jit(agent.energy)(*given))
    energy = critic.energy(*rows)
    assert energy.dtype == np.float32
    assert batch == 1 or expected.std() > 0.02
    close = 1e-4 * np.abs(expected).max()  # products may be near 0
    np.testing.assert_allclose(energy, expected, rtol=1e-4, atol=close)


def test_the_energy_is_that_of_the_equations(believing: PolicyFile) -> None:
    contract = believing.contract
    _, state = make_perturbed(contract, width=16, final_norm=True, normalize_observations=True)
    inputs, previous, action, goal = rows = make_rows(contract, 20)
    mean, deviation = (np.asarray(x, np.float64) for x in state.moments[1:])
    deviation = np.maximum(np.sqrt(deviation), 0.01)
    index = contract.goal_index
    observed = (observe(contract, inputs, previous) - mean) / deviation
    wanted = (goal * contract.goal_scale - mean[index]) / deviation[index]
    observed, wanted = np.clip(observed, -100.0, 100.0), np.clip(wanted, -100.0, 100.0)
    phi = naive.residual_network(np.hstack([observed, action]), state.critic["sa_encoder"])
    psi = naive.residual_network(wanted, state.critic["g_encoder"])
    expected = [naive.energy(a, b) for a, b in zip(phi, psi, strict=True)]
    np.testing.assert_allclose(make_critic(believing).energy(*rows), expected, rtol=1e-4)


# Meant to fail: with the scale written as an array of one number.
def test_a_file_holds_two_critics_and_their_scales(tmp_path: Path) -> None:
    settings = {"width": 16, "energy": "cosine", "num_critics": 2}
    file = make_file(tmp_path / "two.policy", with_critic=True, **settings)
    assert file.critic is not None
    assert (file.critic.energy, file.critic.num_critics) == ("cosine", 2)
    assert file.critic_weights["log_scale"].shape == (2,)
    assert verify_policy(file.path)["ok"] is True
    one = make_file(tmp_path / "one.policy", with_critic=True, width=16, energy="cosine")
    assert one.critic_weights["log_scale"].shape == ()
    assert "num_critics" not in one.entry("critic.json").decode()


def test_a_contrastive_critic_is_described_as_before() -> None:
    agent, _ = make_perturbed(make_contract())
    description = critic_network(agent)
    text = description.to_json()
    assert sorted(json.loads(text)) == [
        "depth",
        "embedding_size",
        "energy_epsilon",
        "final_norm",
        "layer_norm_epsilon",
        "width",
    ]
    assert CriticNetwork.from_json(text) == description


@pytest.mark.parametrize("critic", ["survival", "temporal_distance"])
def test_a_critic_that_knows_time_is_exported_and_verified(tmp_path: Path, critic: str) -> None:
    file = make_file(tmp_path / "a.policy", width=16, with_critic=True, critic=critic)
    assert file.critic is not None
    assert file.critic.critic == critic
    assert verify_policy(file.path)["checks"][-1]["ok"] is True


def test_nan_is_seen_in_its_row_alone(believing: PolicyFile) -> None:
    rows = make_rows(believing.contract, 5)
    rows[0][3, 2] = np.nan
    energy = make_critic(believing).energy(*rows)
    np.testing.assert_array_equal(np.isnan(energy), np.arange(5) == 3)


def test_other_shapes_are_refused(believing: PolicyFile) -> None:
    inputs, previous, action, goal = make_rows(believing.contract, 2)
    with pytest.raises(PolicyError) as caught:
        make_critic(believing).energy(inputs, previous, action, goal[:1])
    assert str(caught.value) == (
        "The critic of 'demo' was given goals of shape (1, 3). Expected (B, 3), B being the same "
        "for all: 2 rows of inputs. Give one row for each pair of a state and a goal."
    )


def test_a_file_without_a_critic(file: PolicyFile, believing: PolicyFile) -> None:
    """All but the manifest is the same, byte for byte."""
    assert file.critic is None
    assert file.maze is None
    assert file.critic_weights == {}
    without, beside = entries_of(file.path), entries_of(believing.path)
    assert list(beside) == [MANIFEST, *ENTRIES, "critic.json", "critic.npz"]
    assert {name: beside[name] for name in ENTRIES} == {name: without[name] for name in ENTRIES}
    with pytest.raises(PolicyError) as caught:
        make_critic(file)
    assert str(caught.value) == (
        f"The policy file {file.path} holds no critic. Expected one that robot-gcrl export RUN "
        "--with-critic wrote. Export the run again with that option."
    )


def test_a_file_with_its_critic_verifies(believing: PolicyFile) -> None:
    result = verify_policy(believing.path)
    assert result["ok"] is True
    assert result["checks"][0]["detail"] == "11 entries have the sha256 of the manifest"
    assert result["checks"][4]["ok"] is True  # the C
    assert result["checks"][-1]["name"] == "critic"
    assert 0.0 < result["checks"][-1]["worst_difference"] < 1e-5


# Seen to fail: with the energies compared with themselves.
def test_a_forged_critic_fails_the_verification(believing: PolicyFile, tmp_path: Path) -> None:
    path = tmp_path / "box.policy"
    path.write_bytes(believing.path.read_bytes())
    forged = dict(believing.critic_weights)
    forged["g_encoder/head/kernel"] = forged["g_encoder/head/kernel"] * np.float32(1.01)
    rewrite(path, lambda e: e.update({"critic.npz": arrays_bytes(forged)}))
    checks = verify_policy(path)["checks"]
    assert [check["name"] for check in checks if check["ok"] is False] == ["critic"]


@pytest.mark.parametrize("missing", ["critic.json", "critic.npz"])
def test_half_a_critic_is_refused(believing: PolicyFile, tmp_path: Path, missing: str) -> None:
    path = tmp_path / "box.policy"
    path.write_bytes(believing.path.read_bytes())
    rewrite(path, lambda entries: entries.__delitem__(missing))
    assert refusal(path) == DAMAGED.format(path=path, what=f"{missing} is missing")


def test_an_optional_entry_is_listed_with_its_sha256(copied: Path) -> None:
    # Seen to fail: with the entries of ENTRIES checked alone
    for name in OPTIONAL:
        before = copied.read_bytes()
        rewrite(copied, lambda e: e.update(dict.fromkeys(OPTIONAL, b"{}")))
        rewrite(copied, lambda e, name=name: e.update({name: b"{ }"}), hashed=False)
        assert refusal(copied) == DAMAGED.format(
            path=copied, what=f"{name} has 3 bytes, the manifest says 2"
        )
        copied.write_bytes(before)
    rewrite(copied, lambda e: e.update({"maze.json": b"{}"}), hashed=False)
    assert refusal(copied) == DAMAGED.format(
        path=copied, what="manifest.json does not list maze.json"
    )


def test_the_critic_is_read_when_it_is_asked_for(believing: PolicyFile, tmp_path: Path) -> None:
    path = tmp_path / "box.policy"
    path.write_bytes(believing.path.read_bytes())
    for changes, what in (
        ({"depth": 3}, "sizes (64, 16), depth 3"),
        ({"depth": 4, "energy_epsilon": -1.0}, "energy_epsilon -1.0"),
        ({"energy_epsilon": 1e-6, "energy": "l1"}, "energy 'l1'"),
        ({"energy": "l2", "num_critics": 0}, "num_critics 0"),
        ({"num_critics": 1, "energy_epsilon": 0.0, "critic": "quasi"}, "critic 'quasi'"),
        ({"critic": "survival"}, "critic 'survival', 0 bins, embedding_size 64"),
        ({"log_weights": [0.0] * 5}, "critic 'survival', 5 bins, embedding_size 64"),
        ({"log_weights": [float("nan")] * 4}, "log_weights (nan, nan, nan, nan)"),
    ):
        rewrite(path, change_json("critic.json", **changes))
        file = read_policy(path)
        assert file.golden.action.shape == (32, 3)
        with pytest.raises(PolicyError) as caught:
            make_critic(file)
        assert str(caught.value) == DAMAGED.format(
            path=path, what=f"critic.json cannot be read ({what})"
        )
    rewrite(path, change_json("critic.json", depth=8, critic="contrastive", log_weights=[]))
    with pytest.raises(PolicyError, match=r"critic\.npz cannot be read \(sa_encoder/blocks/layer0"):
        make_critic(read_policy(path))


def test_a_diverged_critic_is_not_exported(tmp_path: Path) -> None:
    task = make_task()
    agent, state = make_perturbed(task.contract, width=16)
    state.critic["g_encoder"]["head"]["bias"][1] = np.nan
    path = tmp_path / "a.policy"
    with pytest.raises(PolicyError) as caught:
        export_policy(task, agent, state, path, training=TRAINING, with_critic=True)
    assert str(caught.value) == (
        "The policy cannot be exported: 1 of its weights in g_encoder/head/bias are not finite. "
        "Expected numbers. The training diverged: export another checkpoint, or train again."
    )
    assert not path.exists()
    export_policy(task, agent, state, path, training=TRAINING)


def test_a_critic_that_numpy_does_not_reproduce(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(critic_module, "golden_energies", lambda *_: np.full(32, np.nan))
    task = make_task()
    agent, state = make_perturbed(task.contract, width=16)
    with pytest.raises(PolicyError) as caught:
        export_policy(
            task, agent, state, tmp_path / "a.policy", training=TRAINING, with_critic=True
        )
    assert str(caught.value) == (
        "The critic cannot be exported: its energies differ in NumPy by nan of the greatest of "
        "them. Expected at most 1e-04. Export another checkpoint, or leave the critic out."
    )


def test_a_policy_file_gets_no_critic_afterwards(file: PolicyFile) -> None:
    with pytest.raises(ConfigError) as caught:
        export_run(file.path, format="c", out=None, with_critic=True)
    assert str(caught.value) == (
        f"{file.path} is a policy file, which holds its critic or does not. Expected a run folder "
        "for --with-critic. Name the run, or leave --with-critic out."
    )


# Seen to fail: with `import mujoco` in runtime/critic.py.
def test_a_viewer_needs_neither_jax_nor_mujoco_for_it(believing: PolicyFile) -> None:
    program = (
        "import sys\n"
        "for name in ('jax', 'jaxlib', 'flax', 'mujoco', 'onnx', 'onnxruntime', 'matplotlib'):\n"
        "    sys.modules[name] = None\n"
        "import numpy as np\n"
        "from robot_gcrl.policy.runtime import make_critic, make_runtime, read_policy\n"
        "from robot_gcrl.viewer.energy import energy_map, make_goal_grid\n"
        "file = read_policy(sys.argv[1])\n"
        "golden = file.golden\n"
        "found = energy_map(file.contract, make_runtime(file), make_critic(file),\n"
        "    make_goal_grid(file.contract, 4), inputs=golden.inputs[0],\n"
        "    previous_action=golden.previous_action[0], goal=golden.goal[0])\n"
        "print(found.energy.shape, np.isfinite(found.energy).all())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(believing.path)], capture_output=True, text=True
    )
    assert done.stdout == "(4, 4) True\n", done.stderr
    assert believing.critic_weights[GOLDEN_ENERGY].shape == (32,)
