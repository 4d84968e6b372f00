"""A policy file made of nothing: an ant's sizes, a random network, no training and no scene.

It can be served as any other; nothing can simulate it.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from robot_gcrl.bridge.profile import Profile
from robot_gcrl.contract import ActionMap, Contract, Field, GoalField, SuccessGroup
from robot_gcrl.contract.observe import Layout
from robot_gcrl.policy.onnx_graph import onnx_bytes
from robot_gcrl.policy.runtime import archive
from robot_gcrl.policy.runtime.file import DISTRIBUTIONS, NUM_GOLDEN, NUM_SCENARIOS, Golden
from robot_gcrl.policy.runtime.network import Network
from robot_gcrl.policy.runtime.numpy_runtime import NumpyRuntime
from robot_gcrl.policy.runtime.simulation import Simulation, layout_to_json
from robot_gcrl.policy.write import archive_bytes, arrays_bytes, write_file

DEPTH, WIDTH = 4, 256
_JOINTS = tuple(f"joint{i}" for i in range(8))
_TORQUE = 60.0  # [N m]
_GOAL = 5.0  # [m]
# Of weights: outputs that are neither all at the limits nor all 0
_HEAD = 0.1
# Of the runtimes' actions from the examples
_TOLERANCE = 1e-5


def make_contract(control_dt: float) -> Contract:
    """A floating body with eight torques; its place is the goal.

    Args:
      control_dt: [s].
    """
    place = Field(source="qpos", name="root", components=(0, 1, 2, 3, 4, 5, 6), unit="m")
    motion = Field(source="qvel", name="root", components=(0, 1, 2, 3, 4, 5), unit="m/s")
    count = len(_JOINTS)
    return Contract(
        name="synthetic",
        robot="synthetic",
        control_dt=control_dt,
        observation=(
            place,
            *(Field(source="qpos", name=joint, unit="rad") for joint in _JOINTS),
            motion,
            *(Field(source="qvel", name=joint, unit="rad/s") for joint in _JOINTS),
        ),
        goal=tuple(
            GoalField(
                label=label,
                source="qpos",
                name="root",
                component=i,
                unit="m",
                low=-_GOAL,
                high=_GOAL,
            )
            for i, label in enumerate("xy")
        ),
        success=(SuccessGroup(labels=("x", "y"), radius=0.5),),
        action=ActionMap(
            actuators=_JOINTS,
            joints=_JOINTS,
            modes=("torque",) * count,
            scale=(_TORQUE,) * count,
            offset=(0.0,) * count,
            low=(-_TORQUE,) * count,
            high=(_TORQUE,) * count,
        ),
    )


def make_profile() -> Profile:
    """The limits of such a robot."""
    count = len(_JOINTS)
    nothing = (None,) * count
    return Profile(
        name="synthetic",
        robot="synthetic",
        actuators=_JOINTS,
        joints=_JOINTS,
        modes=("torque",) * count,
        units=("N m",) * count,
        low=(-_TORQUE,) * count,
        high=(_TORQUE,) * count,
        velocity_limit=nothing,
        acceleration_limit=nothing,
        position_low=nothing,
        position_high=nothing,
        margin=nothing,
        stop=("damp",) * count,
        damping=(4.0,) * count,
        stiffness=nothing,
    )


def make_network(
    contract: Contract, *, depth: int = DEPTH
) -> tuple[Network, dict[str, np.ndarray]]:
    """A random actor of `depth` x WIDTH, always the same."""
    network = Network(
        observation_size=contract.observation_size,
        goal_size=contract.goal_size,
        action_size=contract.action_size,
        width=WIDTH,
        depth=depth,
        final_norm=True,
        layer_norm_epsilon=1e-6,
        goal_index=tuple(contract.goal_index.tolist()),
        goal_scale=tuple(contract.goal_scale.tolist()),
        normalizer=None,
    )
    rng = np.random.default_rng(0)
    weights = {}
    for name, shape in network.shapes.items():
        if name.endswith("kernel"):
            spread = _HEAD if name == "head/kernel" else 1.0
            value = rng.normal(0.0, spread / np.sqrt(shape[-2]), shape)
        else:
            value = np.full(shape, float(name.endswith("scale")))
        weights[name] = value.astype(np.float32)
    return network, weights


def write_synthetic(path: Path, control_dt: float, *, depth: int = DEPTH) -> Path:
    """Writes the policy file and returns where.

    Args:
      path: of the file.
      control_dt: [s].
      depth: of the network.
    """
    contract = make_contract(control_dt)
    network, weights = make_network(contract, depth=depth)
    inputs, nq = len(contract.inputs), 7 + len(_JOINTS)
    layout = Layout(
        inputs=np.arange(inputs, dtype=np.int32),
        healthy=np.zeros(0, np.int32),
        actuators=np.arange(contract.action_size, dtype=np.int32),
    )
    simulation = Simulation(
        nq=nq, nv=inputs - nq, nsensordata=0, substeps=1, episode_length=1, camera="none"
    )
    sizes = {"qpos": nq, "qvel": inputs - nq, "goal": contract.goal_size}
    scenarios = {
        f"{name}/{part}": np.zeros((NUM_SCENARIOS, size))
        for name in DISTRIBUTIONS
        for part, size in sizes.items()
    }
    entries = {
        archive.CONTRACT: contract.canonical_json.encode(),
        archive.NETWORK: network.to_json().encode(),
        archive.WEIGHTS: arrays_bytes(weights),
        archive.ONNX: onnx_bytes(contract, network, weights),
        archive.SCENE: b"",
        archive.MJCF: b"",
        archive.LAYOUT: layout_to_json(contract, layout, simulation).encode(),
        archive.SCENARIOS: arrays_bytes(scenarios),
        archive.GOLDEN: arrays_bytes(_golden(contract, network, weights).arrays),
    }
    manifest = {
        "format": archive.FORMAT,
        "contract_sha256": contract.sha256,
        "versions": {"mujoco": "none"},
        "golden": {"count": NUM_GOLDEN, "unsaturated": NUM_GOLDEN, "tolerance": _TOLERANCE},
        "entries": {
            name: {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
            for name, raw in entries.items()
        },
    }
    write_file(path, archive_bytes({archive.MANIFEST: json.dumps(manifest).encode()} | entries))
    return path


def _golden(contract: Contract, network: Network, weights: dict[str, np.ndarray]) -> Golden:
    rng = np.random.default_rng(1)
    actions = np.zeros((NUM_GOLDEN, contract.action_size), np.float32)
    inputs = rng.normal(0.0, 0.5, (NUM_GOLDEN, len(contract.inputs))).astype(np.float32)
    goal = rng.uniform(-1.0, 1.0, (NUM_GOLDEN, contract.goal_size)).astype(np.float32)
    output = NumpyRuntime(contract, network, weights)(inputs, goal, actions, actions)
    return Golden(inputs, goal, actions, actions, output.action, output.ctrl)
