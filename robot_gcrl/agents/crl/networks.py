"""The agent's three networks as functions of plain parameters.

phi(s, a) and psi(g) embed in R^E, the actor maps (s, g) to the 2A numbers of its distribution; each
is a residual trunk. Some critics have numbers beside the embeddings, at the end of phi or psi
(`robot_gcrl.agents.crl.critics`): E is with them. Outside this module and `nets/`, parameters are
nested dicts of arrays.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from robot_gcrl.agents.crl.config import LAYERS_PER_BLOCK, CrlConfig
from robot_gcrl.agents.crl.critics import output_sizes
from robot_gcrl.nets.residual import ResidualTrunk
from robot_gcrl.nets.tanh_normal import TanhNormal, make_tanh_normal

Params = dict[str, Any]

_HEAD_SCALE = {"published": 1.0, "small": 0.1}
_LAST_SCALE = {"published": 1.0, "zero": 0.0}


@dataclass(frozen=True, eq=False)
class Network:
    """One residual trunk, without its parameters.

    Attributes:
      settings: of the trunk.
      graph: its structure, to which parameters are joined.
    """

    settings: dict[str, Any]
    graph: nnx.GraphDef

    def init(self, key: PRNGKeyArray) -> Params:
        """Fresh parameters; those of blocks are stacked along a leading axis of D / 4."""
        trunk = ResidualTrunk(**self.settings, rngs=nnx.Rngs(params=key))
        return nnx.to_pure_dict(nnx.state(trunk, nnx.Param))

    def __call__(self, params: Params, x: Float[Array, "*batch I"]) -> Float[Array, "*batch J"]:
        """The network's output."""
        return nnx.merge(self.graph, nnx.State(params))(x)


@dataclass(frozen=True, eq=False, kw_only=True)
class Networks:
    """The three networks of one agent."""

    actor: Network
    sa_encoder: Network
    g_encoder: Network

    def phi(
        self,
        critic: Params,
        observation: Float[Array, "*batch O"],
        action: Float[Array, "*batch A"],
    ) -> Float[Array, "*batch E"]:
        """The embedding of a state and an action."""
        x = jnp.concatenate([observation, action], axis=-1)
        return self.sa_encoder(critic["sa_encoder"], x)

    def psi(self, critic: Params, goal: Float[Array, "*batch G"]) -> Float[Array, "*batch E"]:
        """The embedding of a goal."""
        return self.g_encoder(critic["g_encoder"], goal)

    def policy(
        self, actor: Params, observation: Float[Array, "*batch O"], goal: Float[Array, "*batch G"]
    ) -> TanhNormal:
        """The distribution of actions for a state and a goal."""
        x = jnp.concatenate([observation, goal], axis=-1)
        return make_tanh_normal(self.actor(actor, x))


def make_networks(
    config: CrlConfig, *, observation_size: int, action_size: int, goal_size: int
) -> Networks:
    """The networks that `config` describes."""
    sa_outputs, g_outputs = output_sizes(config)
    return Networks(
        actor=_make_network(
            config, observation_size + goal_size, 2 * action_size, config.actor_depth
        ),
        sa_encoder=_make_network(config, observation_size + action_size, sa_outputs, config.depth),
        g_encoder=_make_network(config, goal_size, g_outputs, config.depth),
    )


def _make_network(config: CrlConfig, input_size: int, output_size: int, depth: int) -> Network:
    settings = {
        "input_size": input_size,
        "output_size": output_size,
        "width": config.width,
        "num_blocks": depth // LAYERS_PER_BLOCK,
        "final_norm": config.final_norm,
        "head_scale": _HEAD_SCALE[config.head_init],
        "last_scale": _LAST_SCALE[config.block_init],
    }
    abstract = nnx.eval_shape(lambda: ResidualTrunk(**settings, rngs=nnx.Rngs(params=0)))
    return Network(settings, nnx.graphdef(abstract))
