"""What the agent believes: the critic of a policy file, in NumPy, for a viewer to draw.

    phi = trunk(concatenate(observation, action)), psi = trunk(goal'), of two critics the lower
    energy counts
    contrastive, both [E], by the name of its energy:
      l2          -sqrt(|phi - psi|^2 + energy_epsilon)
      squared_l2  -|phi - psi|^2
      dot         phi . psi
      cosine      exp(log_scale) phi' . psi', with x' = x / sqrt(|x|^2 + energy_epsilon)
    temporal_distance, psi [E + 1], whose last number is not used:
      -max(0, max_k (phi_k - psi_k)) - |phi' - psi'|, k over the first half, ' the second
    survival, both [E + K]: K points of E / K and K levels u (of phi) and v (of psi):
      log sum_b exp(log_weights_b + u_b + v_b - sqrt(|phi_b - psi_b|^2 + energy_epsilon))

Observation and goal' are those that the actor takes, normalised alike (see
`robot_gcrl.policy.runtime.network`, also for the trunk). The higher the energy, the likelier the
goal is reached from there; only differences and the order of energies mean something. Letters: B
rows, I inputs, A action, P previous actions, G goal, E embedding, H actions decided on at once, K
bins of time.
"""

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.errors import PolicyError
from robot_gcrl.policy.runtime.energy import pair_energy
from robot_gcrl.policy.runtime.network import (
    LAYERS,
    Network,
    described,
    require_trunk,
    trunk_shapes,
)
from robot_gcrl.policy.runtime.senses import make_senses, sense
from robot_gcrl.policy.runtime.sphere import SphereTrunk, make_trunk
from robot_gcrl.policy.runtime.trunk import Trunk, Weights, part

if TYPE_CHECKING:
    from robot_gcrl.policy.runtime.file import PolicyFile

ENCODERS = ("sa_encoder", "g_encoder")
ENERGIES = ("l2", "squared_l2", "dot", "cosine")


@dataclass(frozen=True, kw_only=True)
class CriticNetwork:
    """Sizes and constants of the two encoders; what they have in common with the actor is there.

    Attributes:
      embedding_size: E.
      width: W.
      depth: Dense layers inside the residual blocks of each encoder.
      final_norm: whether a LayerNorm stands before each head.
      layer_norm_epsilon: added to the variance in every LayerNorm.
      energy_epsilon: added to the squared distance or length, under the root.
      energy: one of ENERGIES.
      num_critics: pairs of encoders; the arrays of two are stacked.
      norm: of the trunks, as of the actor's.
      shift: likewise.
      critic: contrastive, temporal_distance or survival.
      log_weights: [K] of a survival critic: log of each bin's discounted share of time.
    """

    embedding_size: int
    width: int
    depth: int
    final_norm: bool
    layer_norm_epsilon: float
    energy_epsilon: float
    energy: str = "l2"
    num_critics: int = 1
    norm: str = "layer"
    shift: float = 0.0
    critic: str = "contrastive"
    log_weights: tuple[float, ...] = ()

    @property
    def outputs(self) -> tuple[int, int]:
        """How many numbers phi and psi have."""
        bins = len(self.log_weights)
        potential = int(self.critic == "temporal_distance")
        return self.embedding_size + bins, self.embedding_size + bins + potential

    def shapes(self, network: Network) -> dict[str, tuple[int, ...]]:
        """Name and shape of every array of weights, for the critic beside an actor."""
        inputs = (network.observation_size + network.decided, network.goal_size)
        shapes: dict[str, tuple[int, ...]] = {
            f"{encoder}/{name}": shape
            for encoder, size, outputs in zip(ENCODERS, inputs, self.outputs, strict=True)
            for name, shape in trunk_shapes(
                size,
                outputs,
                width=self.width,
                num_blocks=self.depth // len(LAYERS),
                final_norm=self.final_norm,
                norm=self.norm,
            ).items()
        }
        if self.energy == "cosine":
            shapes["log_scale"] = ()
        if self.num_critics == 1:
            return shapes
        return {name: (self.num_critics, *shape) for name, shape in shapes.items()}

    def to_json(self) -> str:
        """Its fields as a JSON object."""
        return described(self)

    @classmethod
    def from_json(cls, text: str) -> "CriticNetwork":
        """What `to_json` was called of.

        Raises:
          ValueError, TypeError: it is no such object.
        """
        content = json.loads(text)
        critic = cls(**content | {"log_weights": tuple(content.get("log_weights", ()))})
        require_trunk((critic.embedding_size, critic.width), critic.depth, critic.norm)
        if not (math.isfinite(critic.energy_epsilon) and critic.energy_epsilon >= 0.0):
            raise ValueError(f"energy_epsilon {critic.energy_epsilon}")
        if critic.energy not in ENERGIES:
            raise ValueError(f"energy {critic.energy!r}")
        if critic.num_critics not in (1, 2):
            raise ValueError(f"num_critics {critic.num_critics}")
        critic._require_parts()
        return critic

    def _require_parts(self) -> None:
        bins = len(self.log_weights)
        parts = {"contrastive": 1, "temporal_distance": 2, "survival": max(bins, 1)}
        if self.critic not in parts:
            raise ValueError(f"critic {self.critic!r}")
        if (bins > 0) != (self.critic == "survival") or self.embedding_size % parts[self.critic]:
            raise ValueError(
                f"critic {self.critic!r}, {bins} bins, embedding_size {self.embedding_size}"
            )
        if not all(math.isfinite(weight) for weight in self.log_weights):
            raise ValueError(f"log_weights {self.log_weights}")


class _Pair(NamedTuple):
    """One critic's encoders and the scale of its cosine."""

    phi: Trunk | SphereTrunk
    psi: Trunk | SphereTrunk
    scale: np.float32


class Critic:
    """The energy of one policy's critic; the same rows give the same energies."""

    def __init__(
        self,
        contract: Contract,
        network: Network,
        moments: Weights,
        critic: CriticNetwork,
        weights: Weights,
    ) -> None:
        """Prepares the weights; see `make_critic`.

        Args:
          contract: of the policy.
          network: the actor's, which fits the contract.
          moments: weights of the actor, of which the moments are read where it has a normalizer.
          critic: the encoders' sizes.
          weights: the arrays of `critic.shapes(network)`.
        """
        self._contract, self._decided = contract, network.decided
        self._senses = make_senses(contract, network, moments)
        self._pairs = [_pair(critic, each) for each in _unstacked(critic, weights)]
        self._critic = critic

    def energy(
        self,
        inputs: np.ndarray,
        previous_action: np.ndarray,
        action: np.ndarray,
        goals: np.ndarray,
    ) -> np.ndarray:
        """The energy of each row, float32 [B]; a NaN that goes in comes out.

        Args:
          inputs: [B, I], what the contract's `inputs` name, SI.
          previous_action: [B, P], the newest first; 0 before the first.
          action: [B, H A], in [-1, 1], one action or the whole chunk that is judged.
          goals: [B, G], SI.

        Raises:
          PolicyError: arrays of other shapes.
        """
        inputs, previous_action, action, goals = self._rows(inputs, previous_action, action, goals)
        # What is not finite goes through to the energy and is seen there
        with np.errstate(over="ignore", invalid="ignore"):
            x = sense(self._senses, inputs, previous_action, goals)
            split = self._contract.observation_size
            state_action = np.concatenate((x[:, :split], action), axis=-1)
            wanted = np.ascontiguousarray(x[:, split:])
            energies = [
                pair_energy(self._critic, pair.phi(state_action), pair.psi(wanted), pair.scale)
                for pair in self._pairs
            ]
            return np.minimum.reduce(energies)

    def _rows(self, *given: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        contract = self._contract
        sizes = {
            "inputs": len(contract.inputs),
            "previous_action": contract.previous_action_size,
            "action": self._decided,
            "goals": contract.goal_size,
        }
        first, second, third, fourth = (np.ascontiguousarray(v, np.float32) for v in given)
        arrays = (first, second, third, fourth)
        for (name, size), value in zip(sizes.items(), arrays, strict=True):
            if value.shape != (len(first), size):
                raise PolicyError(
                    f"The critic of {contract.name!r} was given {name} of shape {value.shape}. "
                    f"Expected (B, {size}), B being the same for all: {len(first)} rows of inputs. "
                    "Give one row for each pair of a state and a goal."
                )
        return arrays


def _unstacked(critic: CriticNetwork, weights: Weights) -> list[Weights]:
    if critic.num_critics == 1:
        return [weights]
    names = [name for name in weights if name.startswith(ENCODERS) or name == "log_scale"]
    return [{name: weights[name][i] for name in names} for i in range(critic.num_critics)]


def _pair(critic: CriticNetwork, weights: Weights) -> _Pair:
    phi, psi = (
        make_trunk(
            part(weights, encoder),
            norm=critic.norm,
            epsilon=critic.layer_norm_epsilon,
            shift=critic.shift,
        )
        for encoder in ENCODERS
    )
    return _Pair(phi, psi, np.exp(np.float32(weights.get("log_scale", 0.0))))


def make_critic(file: "PolicyFile") -> Critic:
    """The critic of a policy file.

    Raises:
      PolicyError: the file holds none, or it is damaged.
    """
    network = file.critic
    if network is None:
        raise PolicyError(
            f"The policy file {file.path} holds no critic. Expected one that robot-gcrl export RUN "
            "--with-critic wrote. Export the run again with that option."
        )
    return Critic(file.contract, file.network, file.weights, network, file.critic_weights)
