"""The agent's networks as functions of plain parameters.

phi(s, a) and psi(g) embed in R^E, the actor maps (s, g) to the 2K numbers of its distribution; each
is a residual trunk. Where the agent decides on chunks of H actions, `a` is all of them, one after
the other: K = H A numbers. Some critics have numbers beside the embeddings, at the end of them
(`robot_gcrl.agents.crl.critics`): E is with them. Outside this module and `nets/`, parameters are
nested dicts of arrays. Of two critics they are stacked along a leading axis, and so are embeddings:
`C_batch` in shapes is the batch, behind an axis of 2 where there are two critics.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from robot_gcrl.agents.crl.bootstrap import difference_loss
from robot_gcrl.agents.crl.config import LAYERS_PER_BLOCK, CrlConfig
from robot_gcrl.agents.crl.critics import energy_of, output_sizes, terms_of
from robot_gcrl.agents.crl.energies import energy_matrix, paired_energy
from robot_gcrl.agents.crl.losses import CriticTerms
from robot_gcrl.nets.hyperspherical import SphereTrunk, project
from robot_gcrl.nets.residual import ResidualTrunk
from robot_gcrl.nets.tanh_normal import TanhNormal, make_tanh_normal

Params = dict[str, Any]

_HEAD_SCALE = {"published": 1.0, "small": 0.1}
_LAST_SCALE = {"published": 1.0, "zero": 0.0}


@dataclass(frozen=True, eq=False)
class Network:
    """One residual trunk, without its parameters.

    Attributes:
      kind: of trunk.
      settings: of the trunk.
      graph: its structure, to which parameters are joined.
    """

    kind: type[ResidualTrunk] | type[SphereTrunk]
    settings: dict[str, Any]
    graph: nnx.GraphDef

    def init(self, key: PRNGKeyArray) -> Params:
        """Fresh parameters; those of blocks are stacked along a leading axis of D / 4."""
        trunk = self.kind(**self.settings, rngs=nnx.Rngs(params=key))
        return self.kept(nnx.to_pure_dict(nnx.state(trunk, nnx.Param)))

    def kept(self, params: Params) -> Params:
        """The parameters as they are after a gradient step: where they are allowed to be."""
        return project(params) if self.kind is SphereTrunk else params

    def __call__(self, params: Params, x: Float[Array, "*batch I"]) -> Float[Array, "*batch J"]:
        """The network's output."""
        return nnx.merge(self.graph, nnx.State(params))(x)


@dataclass(frozen=True, eq=False, kw_only=True)
class Networks:
    """The networks of one agent, and how the energy follows from embeddings."""

    config: CrlConfig
    actor: Network
    sa_encoder: Network
    g_encoder: Network

    def init_critic(self, sa_key: PRNGKeyArray, g_key: PRNGKeyArray) -> Params:
        """Fresh parameters of "sa_encoder", "g_encoder" and, of a cosine, "log_scale"."""

        def init(sa_key: PRNGKeyArray, g_key: PRNGKeyArray) -> Params:
            critic: Params = {
                "sa_encoder": self.sa_encoder.init(sa_key),
                "g_encoder": self.g_encoder.init(g_key),
            }
            if self.config.energy == "cosine":
                critic["log_scale"] = jnp.asarray(math.log(self.config.cosine_scale), jnp.float32)
            return critic

        count = self.config.num_critics
        if count == 1:
            return init(sa_key, g_key)
        return jax.vmap(init)(jax.random.split(sa_key, count), jax.random.split(g_key, count))

    def kept(self, actor: Params, critic: Params) -> tuple[Params, Params]:
        """Actor and critic as they are after a gradient step; see `Network.kept`."""
        return self.actor.kept(actor), self.kept_critic(critic)

    def kept_critic(self, critic: Params) -> Params:
        """The critic alone."""
        encoders = {
            "sa_encoder": self.sa_encoder.kept(critic["sa_encoder"]),
            "g_encoder": self.g_encoder.kept(critic["g_encoder"]),
        }
        return critic | encoders

    def phi(
        self,
        critic: Params,
        observation: Float[Array, "*batch O"],
        action: Float[Array, "*batch K"],
    ) -> Float[Array, "*C_batch E"]:
        """The embedding of a state and the actions that follow it."""
        x = jnp.concatenate([observation, action], axis=-1)
        return self._each(lambda critic: self.sa_encoder(critic["sa_encoder"], x), critic)

    def psi(self, critic: Params, goal: Float[Array, "*batch G"]) -> Float[Array, "*C_batch E"]:
        """The embedding of a goal."""
        return self._each(lambda critic: self.g_encoder(critic["g_encoder"], goal), critic)

    def energy(self, critic: Params, phi: Array, psi: Array) -> Float[Array, "*batch"]:
        """Of each pair of embeddings; of two critics the lower, as in arXiv 1802.09477.

        An action must look good to both: where one is wrong by chance, the actor does not follow.
        """

        def energy(critic: Params, phi: Array, psi: Array) -> Array:
            return energy_of(self.config, phi, psi, self._scale(critic))

        energies = self._each(energy, critic, phi, psi)
        return energies if self.config.num_critics == 1 else jnp.min(energies, axis=0)

    def energies(self, critic: Params, phi: Array, psi: Array) -> Float[Array, "B B"]:
        """Of each state-action with every goal; of two critics the lower. For a contrastive one."""

        def energies(critic: Params, phi: Array, psi: Array) -> Array:
            return energy_matrix(phi, psi, self.config.energy, self._scale(critic))

        found = self._each(energies, critic, phi, psi)
        return found if self.config.num_critics == 1 else jnp.min(found, axis=0)

    def difference_loss(
        self,
        critic: Params,
        phi: Array,
        psi: Array,
        reached: Array,
        *,
        weights: Float[Array, "B B"],
        terminated: Bool[Array, " B"],
    ) -> Float[Array, ""]:
        """See `bootstrap.difference_loss`; of two critics the sum of theirs.

        Args:
          critic: its parameters.
          phi: of the rows.
          psi: of the goals.
          reached: psi of what each row's next state achieved.
          weights: of each row's goals.
          terminated: whether that state is an episode's last.
        """
        config = self.config

        def loss(critic: Params, phi: Array, psi: Array, reached: Array) -> Array:
            scale = self._scale(critic)
            own = jnp.eye(phi.shape[0], dtype=bool)
            near = jnp.where(
                own,
                paired_energy(phi, reached, config.energy, scale),
                energy_matrix(phi, reached, config.energy, scale),
            )
            return difference_loss(
                near,
                energy_matrix(phi, psi, config.energy, scale),
                weights=weights,
                terminated=terminated,
                gamma=config.gamma,
                logsumexp_penalty=config.logsumexp_penalty,
            )

        return jnp.sum(self._each(loss, critic, phi, psi, reached))

    def critic_terms(
        self,
        critic: Params,
        phi: Array,
        psi: Array,
        *,
        offset: Int[Array, " B"],
        remaining: Int[Array, " B"],
    ) -> CriticTerms:
        """The critic's loss; of two critics the sum of theirs, and the mean of what is watched.

        Arguments as of `critics.terms_of`.
        """
        config = self.config

        def terms(critic: Params, phi: Array, psi: Array) -> CriticTerms:
            scale = self._scale(critic)
            return terms_of(config, phi, psi, scale, offset=offset, remaining=remaining)

        each = self._each(terms, critic, phi, psi)
        if config.num_critics == 1:
            return each
        return CriticTerms(*map(jnp.mean, each))._replace(loss=jnp.sum(each.loss))

    def _each(self, function: Callable[..., Any], *stacked: Any) -> Any:
        """Of one critic, or of all by vmap, so that the program is no longer for two."""
        return (function if self.config.num_critics == 1 else jax.vmap(function))(*stacked)

    def _scale(self, critic: Params) -> Float[Array, ""] | float:
        if self.config.energy != "cosine":
            return 1.0
        scale = jnp.exp(critic["log_scale"])
        return scale if self.config.learn_cosine_scale else lax.stop_gradient(scale)

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
    decided = config.chunk * action_size
    sa_outputs, g_outputs = output_sizes(config)

    def encoder(input_size: int, outputs: int) -> Network:
        return make_network(config, input_size, outputs, depth=config.depth, width=config.width)

    return Networks(
        config=config,
        actor=make_network(
            config,
            observation_size + goal_size,
            2 * decided,
            depth=config.actor_depth,
            width=config.actor_width or config.width,
        ),
        sa_encoder=encoder(observation_size + decided, sa_outputs),
        g_encoder=encoder(goal_size, g_outputs),
    )


def make_network(
    config: CrlConfig, input_size: int, output_size: int, *, depth: int, width: int
) -> Network:
    """One trunk of the kind that `config` says, of these sizes."""
    settings = {
        "input_size": input_size,
        "output_size": output_size,
        "width": width,
        "num_blocks": depth // LAYERS_PER_BLOCK,
        "final_norm": config.final_norm,
        "head_scale": _HEAD_SCALE[config.head_init],
        "last_scale": _LAST_SCALE[config.block_init],
    }
    kind = SphereTrunk if config.norm == "hyperspherical" else ResidualTrunk
    if kind is ResidualTrunk:
        settings |= {"norm": config.norm, "input_bias": config.input_bias}
    abstract = nnx.eval_shape(lambda: kind(**settings, rngs=nnx.Rngs(params=0)))
    return Network(kind, settings, nnx.graphdef(abstract))
