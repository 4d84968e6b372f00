"""Critics Q(s, a, g): residual trunks of the contrastive encoders' size, with one output each."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.agents.crl.networks import Network, Params, make_network


class Problem(NamedTuple):
    """A batch of transitions as an update sees it; observations and goals are normalised.

    Attributes:
      observation: [B, O].
      action: [B, A].
      next_observation: [B, O].
      goal: [B, G].
      reward: [B], of the state that was reached.
      terminated: [B], whether the episode terminated there.
    """

    observation: Float[Array, "B O"]
    action: Float[Array, "B A"]
    next_observation: Float[Array, "B O"]
    goal: Float[Array, "B G"]
    reward: Float[Array, " B"]
    terminated: Bool[Array, " B"]


@dataclass(frozen=True, eq=False)
class Values:
    """C critics of one shape; parameters are stacked along a leading axis.

    Attributes:
      network: of each.
      num_critics: C.
    """

    network: Network
    num_critics: int

    def init(self, key: PRNGKeyArray) -> Params:
        """Fresh parameters; each critic begins differently."""
        return jax.vmap(self.network.init)(jax.random.split(key, self.num_critics))

    def kept(self, params: Params) -> Params:
        """As `Network.kept`, of each."""
        return jax.vmap(self.network.kept)(params)

    def __call__(
        self,
        params: Params,
        observation: Float[Array, "*batch O"],
        action: Float[Array, "*batch A"],
        goal: Float[Array, "*batch G"],
    ) -> Float[Array, "*C_batch"]:
        """What each critic says."""
        x = jnp.concatenate((observation, action, goal), axis=-1)
        return jax.vmap(lambda one: self.network(one, x))(params)[..., 0]


def make_values(
    config: CrlConfig,
    *,
    observation_size: int,
    action_size: int,
    goal_size: int,
    num_critics: int,
) -> Values:
    """The critics that `config` describes: depth and width are those of the encoders."""
    inputs = observation_size + action_size + goal_size
    network = make_network(config, inputs, 1, depth=config.depth, width=config.width)
    return Values(network, num_critics)
