"""What the agent believes: the critic of a policy file, in NumPy, for a viewer to draw.

    phi = trunk(concatenate(observation, action)), psi = trunk(goal'), both [E]
    energy = -sqrt(|phi - psi|^2 + energy_epsilon)

Observation and goal' are those that the actor takes, normalised alike (see
`robot_gcrl.policy.runtime.network`, also for the trunk). The higher the energy, the likelier the
goal is reached from there; only differences and the order of energies mean something. Letters: B
rows, I inputs, A action, P previous actions, G goal, E embedding, H actions decided on at once.
"""

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.errors import PolicyError
from robot_gcrl.policy.runtime.network import LAYERS, Network, require_trunk, trunk_shapes
from robot_gcrl.policy.runtime.senses import make_senses, sense
from robot_gcrl.policy.runtime.trunk import Trunk, Weights, part

if TYPE_CHECKING:
    from robot_gcrl.policy.runtime.file import PolicyFile

ENCODERS = ("sa_encoder", "g_encoder")


@dataclass(frozen=True, kw_only=True)
class CriticNetwork:
    """Sizes and constants of the two encoders; what they have in common with the actor is there.

    Attributes:
      embedding_size: E.
      width: W.
      depth: Dense layers inside the residual blocks of each encoder.
      final_norm: whether a LayerNorm stands before each head.
      layer_norm_epsilon: added to the variance in every LayerNorm.
      energy_epsilon: added to the squared distance, under the root.
    """

    embedding_size: int
    width: int
    depth: int
    final_norm: bool
    layer_norm_epsilon: float
    energy_epsilon: float

    def shapes(self, network: Network) -> dict[str, tuple[int, ...]]:
        """Name and shape of every array of weights, for the critic beside an actor."""
        inputs = (network.observation_size + network.decided, network.goal_size)
        return {
            f"{encoder}/{name}": shape
            for encoder, size in zip(ENCODERS, inputs, strict=True)
            for name, shape in trunk_shapes(
                size,
                self.embedding_size,
                width=self.width,
                num_blocks=self.depth // len(LAYERS),
                final_norm=self.final_norm,
            ).items()
        }

    def to_json(self) -> str:
        """Its fields as a JSON object."""
        return json.dumps(dataclasses.asdict(self), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "CriticNetwork":
        """What `to_json` was called of.

        Raises:
          ValueError, TypeError: it is no such object.
        """
        critic = cls(**json.loads(text))
        require_trunk((critic.embedding_size, critic.width), critic.depth)
        if not (math.isfinite(critic.energy_epsilon) and critic.energy_epsilon >= 0.0):
            raise ValueError(f"energy_epsilon {critic.energy_epsilon}")
        return critic


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
        self._phi, self._psi = (
            Trunk(part(weights, encoder), epsilon=critic.layer_norm_epsilon) for encoder in ENCODERS
        )
        self._epsilon = np.float32(critic.energy_epsilon)

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
            phi = self._phi(np.concatenate((x[:, :split], action), axis=-1))
            difference = phi - self._psi(np.ascontiguousarray(x[:, split:]))
            return -np.sqrt(np.vecdot(difference, difference) + self._epsilon)

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
