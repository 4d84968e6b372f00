"""A trained agent becomes a policy file: everything in it is made here, from the task's own code.

Equal agents on equal machines give equal files, byte for byte; nothing in one says when it was
made.
"""

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import robot_gcrl
from robot_gcrl.agents.crl.agent import Agent
from robot_gcrl.agents.crl.state import AgentState
from robot_gcrl.contract.observe import make_layout
from robot_gcrl.contract.realism import levels_to_json
from robot_gcrl.errors import PolicyError
from robot_gcrl.policy.actor import actor_network, actor_weights
from robot_gcrl.policy.compare import golden_difference, tolerance
from robot_gcrl.policy.critic import critic_entries
from robot_gcrl.policy.golden import SATURATED, Examples, make_golden
from robot_gcrl.policy.maze import maze_map
from robot_gcrl.policy.onnx_graph import onnx_bytes
from robot_gcrl.policy.runtime import archive
from robot_gcrl.policy.runtime.file import NUM_GOLDEN, Scenarios
from robot_gcrl.policy.runtime.numpy_runtime import NumpyRuntime
from robot_gcrl.policy.runtime.simulation import Simulation, layout_to_json
from robot_gcrl.policy.scenarios import sample_scenarios
from robot_gcrl.policy.scene import mjcf_bytes, scene_bytes
from robot_gcrl.policy.starts import start_inputs
from robot_gcrl.policy.write import archive_bytes, arrays_bytes, write_file
from robot_gcrl.task.task import Task

# Those that the numbers in the file come from
_PACKAGES = ("jax", "jaxlib", "flax", "mujoco", "numpy", "onnx")
# A greater tolerance would let a wrong runtime pass
_USELESS = 1e-3


def export_policy(
    task: Task,
    agent: Agent,
    agent_state: AgentState,
    path: Path,
    *,
    training: Mapping[str, Any],
    with_critic: bool = False,
) -> Path:
    """Writes the policy file of a trained agent, in place of one that was there, and returns it.

    Args:
      task: that the agent was trained on.
      agent: of the task's contract.
      agent_state: what it learned.
      path: of the file; "NAME.policy" by custom.
      training: what JSON holds, for a person to read: control steps, gradient steps, seconds, seed,
        which checkpoint, its evaluation.
      with_critic: whether the file also holds what a viewer needs to show what the agent believes:
        the critic and, of a task in a maze, the map. No robot needs it.

    Raises:
      PolicyError: weights that are not finite, a policy whose own arithmetic is too sensitive for
        the runtimes to agree, or a file that cannot be written; one that was there is unharmed.
    """
    contract = task.contract
    layout = make_layout(contract, task.model)
    network = actor_network(contract, agent)
    weights = actor_weights(network, agent_state)
    scenarios = sample_scenarios(task)
    inputs = np.concatenate([start_inputs(task.model, layout, s) for s in scenarios.values()])
    goals = np.concatenate([s.goal for s in scenarios.values()])
    examples = make_golden(contract, agent, agent_state, inputs, goals)
    allowed = tolerance(network.depth, examples.rounding)
    worst = golden_difference(contract, NumpyRuntime(contract, network, weights), examples.golden)
    if not worst <= allowed <= _USELESS:
        raise PolicyError(
            f"The policy cannot be exported: computing in float32 changes its own actions by up to "
            f"{examples.rounding:.1e}, and in NumPy they differ by {worst:.1e} from it. Expected "
            f"at most {min(allowed, _USELESS):.1e}. Export another checkpoint, or train an actor "
            "of less depth."
        )
    entries = {
        archive.CONTRACT: contract.canonical_json.encode(),
        archive.NETWORK: network.to_json().encode(),
        archive.WEIGHTS: arrays_bytes(weights),
        archive.ONNX: onnx_bytes(contract, network, weights),
        archive.SCENE: scene_bytes(task.model),
        archive.MJCF: mjcf_bytes(task.scene),
        archive.LAYOUT: layout_to_json(contract, layout, _simulation(task)).encode(),
        archive.SCENARIOS: arrays_bytes(_named(scenarios)),
        archive.GOLDEN: arrays_bytes(examples.golden.arrays),
    }
    if task.realism:
        entries[archive.REALISM] = levels_to_json(task.realism).encode()
    if with_critic:
        entries |= critic_entries(
            contract,
            agent,
            agent_state,
            network=network,
            weights=weights,
            golden=examples.golden,
        )
    maze = maze_map(task)
    if maze is not None:
        entries[archive.MAZE] = maze.to_json().encode()
    manifest = _manifest(task, training, _described(examples, allowed), entries)
    write_file(path, archive_bytes({archive.MANIFEST: manifest} | entries))
    return path


def _simulation(task: Task) -> Simulation:
    return Simulation(
        nq=task.model.nq,
        nv=task.model.nv,
        nsensordata=task.model.nsensordata,
        substeps=task.substeps,
        episode_length=task.episode_length,
        camera=task.camera,
    )


def _named(scenarios: Mapping[str, Scenarios]) -> dict[str, np.ndarray]:
    return {f"{d}/{k}": v for d, sample in scenarios.items() for k, v in sample._asdict().items()}


def _described(examples: Examples, allowed: float) -> dict[str, Any]:
    return {
        "count": NUM_GOLDEN,
        # Where there are fewer than 8 of them, the examples prove less of a runtime
        "unsaturated": examples.unsaturated,
        "unsaturated_below": SATURATED,
        "tolerance": allowed,
        # What float32 changes in the agent's own actions: in these examples, and in all candidates
        "rounding": examples.rounding,
        "greatest_rounding": examples.greatest_rounding,
    }


def _manifest(
    task: Task,
    training: Mapping[str, Any],
    golden: Mapping[str, Any],
    entries: Mapping[str, bytes],
) -> bytes:
    content = {
        "format": archive.FORMAT,
        "robot_gcrl": robot_gcrl.__version__,
        "task": task.name,
        "summary": task.summary,
        "contract_sha256": task.contract.sha256,
        "training": dict(training),
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _PACKAGES},
        "golden": dict(golden),
        "entries": {
            name: {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
            for name, raw in entries.items()
        },
    }
    return json.dumps(content, indent=1, allow_nan=False).encode()
