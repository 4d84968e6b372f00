"""A policy file, read: what it holds by name, each checked before it is believed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.contract.observe import Layout
from robot_gcrl.contract.realism import Realism, levels_from_json
from robot_gcrl.errors import ContractError, PolicyError
from robot_gcrl.policy.runtime import archive
from robot_gcrl.policy.runtime.critic import CriticNetwork
from robot_gcrl.policy.runtime.examples import NUM_GOLDEN, Golden
from robot_gcrl.policy.runtime.maze import MazeMap
from robot_gcrl.policy.runtime.network import Network
from robot_gcrl.policy.runtime.simulation import Simulation, layout_from_json

T = TypeVar("T")

NUM_SCENARIOS = 2048
DISTRIBUTIONS = ("train", "eval")
# Beside the weights of the critic: what the agent computes for the golden examples, [32]
GOLDEN_ENERGY = "golden/energy"
# What a damaged JSON entry raises while it is turned into what it describes
_CONTENT_ERRORS = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    RecursionError,
    ContractError,
)


class Scenarios(NamedTuple):
    """Starts and goals of NUM_SCENARIOS episodes, SI, float32.

    Attributes:
      qpos: [S, nq].
      qvel: [S, nv].
      goal: [S, G].
    """

    qpos: np.ndarray
    qvel: np.ndarray
    goal: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class PolicyFile:
    """An intact policy file; entries that are large are read when they are first used.

    Attributes:
      path: of the file.
      manifest: versions, training summary, sha256 of the entries.
      sha256: hex digest of the manifest: the same for two files only if they are the same policy.
      contract: what robot and policy agree on, with the terminal states of the task.
      network: the actor's sizes and constants.
      layout: where the scene keeps what the contract names.
      simulation: what a simulator must know beside.
      tolerance: the greatest difference from the golden examples that a right runtime has.
    """

    path: Path
    manifest: Mapping[str, Any]
    sha256: str
    contract: Contract
    network: Network
    layout: Layout
    simulation: Simulation
    tolerance: float

    def entry(self, name: str) -> bytes:
        """An entry of the archive.

        Raises:
          PolicyError: the file was changed since it was read.
        """
        return archive.read_entry(self.path, name, self.manifest)

    @cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """The arrays that `network.shapes` names, float32."""
        return self._arrays(archive.WEIGHTS, self.network.shapes)

    @cached_property
    def golden(self) -> Golden:
        """What every runtime reproduces."""
        arrays = self._arrays(archive.GOLDEN, golden_shapes(self.contract, self.network))
        return Golden(**arrays)

    @cached_property
    def scenarios(self) -> dict[str, Scenarios]:
        """Starts and goals of the distributions "train" and "eval"."""
        sizes = {
            "qpos": self.simulation.nq,
            "qvel": self.simulation.nv,
            "goal": self.contract.goal_size,
        }
        shapes = {f"{d}/{k}": (NUM_SCENARIOS, n) for d in DISTRIBUTIONS for k, n in sizes.items()}
        arrays = self._arrays(archive.SCENARIOS, shapes)
        return {d: Scenarios(**{k: arrays[f"{d}/{k}"] for k in sizes}) for d in DISTRIBUTIONS}

    @cached_property
    def critic(self) -> CriticNetwork | None:
        """The critic's sizes and constants; None where the file holds none."""
        if not self._holds(archive.CRITIC):
            return None
        raw = self.entry(archive.CRITIC)
        return _parsed(self.path, archive.CRITIC, lambda: CriticNetwork.from_json(raw.decode()))

    @cached_property
    def critic_weights(self) -> dict[str, np.ndarray]:
        """The arrays that `critic.shapes` names and GOLDEN_ENERGY, float32; empty without one."""
        if self.critic is None:
            return {}
        shapes = self.critic.shapes(self.network) | {GOLDEN_ENERGY: (NUM_GOLDEN,)}
        return self._arrays(archive.CRITIC_WEIGHTS, shapes)

    @cached_property
    def maze(self) -> MazeMap | None:
        """The map of the maze; None where the file holds none."""
        if not self._holds(archive.MAZE):
            return None
        raw = self.entry(archive.MAZE)
        return _parsed(self.path, archive.MAZE, lambda: MazeMap.from_json(raw.decode()))

    @cached_property
    def realism(self) -> Mapping[str, Realism]:
        """How a simulated robot departs from the scene, by level; empty where there is no level."""
        if not self._holds(archive.REALISM):
            return {}
        raw = self.entry(archive.REALISM)
        return _parsed(self.path, archive.REALISM, lambda: levels_from_json(raw.decode()))

    @property
    def trained_delay(self) -> tuple[float, float]:
        """Least and greatest age of an action in training [s]: (0, 0) without realism."""
        realism = self.realism.get(str(self.manifest["training"].get("randomize", "off")))
        if realism is None:
            return 0.0, 0.0
        return realism.least_delay, realism.greatest_delay

    def _holds(self, name: str) -> bool:
        return name in self.manifest["entries"]

    def _arrays(self, name: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
        raw = self.entry(name)
        return _parsed(self.path, name, lambda: archive.read_arrays(raw, shapes))


def read_policy(path: str | Path) -> PolicyFile:
    """Reads a policy file and checks all of it.

    Raises:
      PolicyError: it does not exist, is damaged, of a newer format, or contradicts itself.
    """
    path = Path(path)
    manifest, sha256 = archive.check_archive(path)

    def text(name: str) -> str:
        return archive.read_entry(path, name, manifest).decode()

    named, tolerance = _parsed(path, archive.MANIFEST, lambda: _facts(manifest))
    contract = _parsed(path, archive.CONTRACT, lambda: Contract.from_json(text(archive.CONTRACT)))
    _require_contract(path, contract, named)
    network = _parsed(path, archive.NETWORK, lambda: Network.from_json(text(archive.NETWORK)))
    if not network.fits(contract):
        archive.refuse(path, f"{archive.NETWORK} does not fit {archive.CONTRACT}")
    content = _parsed(path, archive.LAYOUT, lambda: json.loads(text(archive.LAYOUT)))
    contract, layout, simulation = _parsed(
        path, archive.LAYOUT, lambda: layout_from_json(contract, content)
    )
    return PolicyFile(
        path=path,
        manifest=manifest,
        sha256=sha256,
        contract=contract,
        network=network,
        layout=layout,
        simulation=simulation,
        tolerance=tolerance,
    )


def golden_shapes(contract: Contract, network: Network) -> dict[str, tuple[int, ...]]:
    """The shapes of what there is of `Golden`."""
    inputs, actions = len(contract.inputs), contract.action_size
    previous = contract.previous_action_size
    sizes = (inputs, contract.goal_size, previous, actions, actions, actions)
    if network.queue_size:
        sizes += (network.queue_size, network.queue_size)
    return {name: (NUM_GOLDEN, n) for name, n in zip(Golden._fields, sizes, strict=False)}


def _require_contract(path: Path, contract: Contract, sha256: str) -> None:
    if contract.sha256 != sha256:
        raise PolicyError(
            f"The policy file {path} contradicts itself: its contract has sha256 "
            f"{contract.sha256[:12]}, its manifest names {sha256[:12]}. Expected the same. Use the "
            "version of robot-gcrl that wrote it, or export the run again."
        )


def _facts(manifest: Mapping[str, Any]) -> tuple[str, float]:
    """The contract's sha256 and the tolerance; that the others are there is tried too."""
    golden = manifest["golden"]
    _ = int(golden["count"]), int(golden["unsaturated"]), str(manifest["versions"]["mujoco"])
    return str(manifest["contract_sha256"]), float(golden["tolerance"])


def _parsed(path: Path, name: str, parse: Callable[[], T]) -> T:
    try:
        return parse()
    except _CONTENT_ERRORS as error:
        archive.refuse(path, f"{name} cannot be read ({error})", error)
