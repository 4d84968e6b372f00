"""The contrastive losses, as pure functions of arrays.

f_ij is the energy of state-action i and goal j. Row i of a batch is a positive pair with goal i and
a negative one with every other goal. Other critics are in `survival` and `quasimetric`. Letters: B
batch, E embedding.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from robot_gcrl.agents.crl.config import Energy, Loss
from robot_gcrl.agents.crl.energies import energy_matrix, paired_energy

# Where all energies are 0
_LEAST_ENERGY = 1e-6


class CriticTerms(NamedTuple):
    """What the critic's loss consists of, and what is worth watching, each a scalar.

    Attributes:
      loss: to be minimised.
      categorical_accuracy: share of rows whose own goal has the highest energy of all; of the
        backward loss, share of goals whose own row has it.
      logsumexp: of the energies of a row; of the backward loss, of a goal; its mean.
      energy_positive: mean energy of a row with its own goal.
      energy_negative: mean energy of a row with the other goals.
    """

    loss: Float[Array, ""]
    categorical_accuracy: Float[Array, ""]
    logsumexp: Float[Array, ""]
    energy_positive: Float[Array, ""]
    energy_negative: Float[Array, ""]


def critic_terms(
    phi: Float[Array, "B E"],
    psi: Float[Array, "B E"],
    *,
    logsumexp_penalty: float,
    loss: Loss,
    energy: Energy = "l2",
    scale: Float[Array, ""] | float = 1.0,
) -> CriticTerms:
    """InfoNCE with each row's own goal as the positive, plus the penalty on the logsumexp.

    infonce: mean_i(-f_ii + log sum_j exp f_ij) + penalty * mean_i((log sum_j exp f_ij)^2);
    symmetric_infonce adds mean_j(-f_jj + log sum_i exp f_ij) (arXiv 2408.11052). backward_infonce
    is infonce with i and j exchanged, in the penalty and in what is watched too: what its loss
    leaves open is a number for each goal, and the logsumexp over rows is what fixes it.
    """
    own = jnp.eye(phi.shape[0], dtype=bool)
    positive = paired_energy(phi, psi, energy, scale)  # exact: these are the small distances
    energies = jnp.where(own, positive, energy_matrix(phi, psi, energy, scale))
    return infonce_terms(positive, energies, logsumexp_penalty=logsumexp_penalty, loss=loss)


def infonce_terms(
    positive: Float[Array, " B"],
    energies: Float[Array, "B B"],
    *,
    logsumexp_penalty: float,
    loss: Loss,
) -> CriticTerms:
    """The loss of `critic_terms` for any energies; `positive` is their diagonal."""
    if loss == "backward_infonce":
        energies = energies.T
    normalizer = jax.nn.logsumexp(energies, axis=1)
    total = jnp.mean(normalizer - positive) + logsumexp_penalty * jnp.mean(jnp.square(normalizer))
    if loss == "symmetric_infonce":
        total += jnp.mean(jax.nn.logsumexp(energies, axis=0) - positive)
    return watched_terms(total, positive, energies, normalizer)


def watched_terms(
    loss: Float[Array, ""],
    positive: Float[Array, " B"],
    energies: Float[Array, "B B"],
    logsumexp: Float[Array, " B"],
) -> CriticTerms:
    """A loss with what is worth watching beside it.

    Args:
      loss: to be minimised.
      positive: energy of each row with its own goal.
      energies: of each row with every goal; `positive` on the diagonal.
      logsumexp: of each row of the energies.
    """
    size = positive.shape[0]
    own = jnp.eye(size, dtype=bool)
    best_negative = jnp.max(jnp.where(own, -jnp.inf, lax.stop_gradient(energies)), axis=1)
    return CriticTerms(
        loss=loss,
        categorical_accuracy=jnp.mean(positive > best_negative),
        logsumexp=jnp.mean(logsumexp),
        energy_positive=jnp.mean(positive),
        energy_negative=(jnp.sum(energies) - jnp.sum(positive)) / (size * (size - 1)),
    )


def actor_loss(
    energy: Float[Array, " B"], log_density: Float[Array, " B"], temperature: Float[Array, ""]
) -> Float[Array, ""]:
    """mean(temperature * log pi(a | s, g) - f(s, a, g)) over actions drawn from the policy."""
    return jnp.mean(temperature * log_density - energy)


def cloned_actor_loss(
    energy: Float[Array, " B"],
    log_density: Float[Array, " B"],
    temperature: Float[Array, ""],
    *,
    cloned: Float[Array, ""],
    cloning: float,
) -> Float[Array, ""]:
    """The actor's loss in units of the mean energy, plus `cloning` times minus log pi of the data.

    actor_loss / mean|f| + cloning * cloned: divided by the mean of |f|, through which no
    gradient flows, so that one weight fits energies of any size (TD3+BC, arXiv 2106.06860, has it
    for Q). With a density in place of a squared difference it is the DDPG+BC with which OGBench
    (arXiv 2410.20092) trains contrastive RL offline; there without temperature.

    Args:
      energy: f of actions drawn from the policy.
      log_density: of these actions.
      temperature: of the entropy.
      cloned: mean of -log pi(a | s, g) over the actions a that were stored.
      cloning: its weight.
    """
    size = lax.stop_gradient(jnp.mean(jnp.abs(energy))) + _LEAST_ENERGY
    return actor_loss(energy, log_density, temperature) / size + cloning * cloned


def temperature_loss(
    log_temperature: Float[Array, ""], entropy: Float[Array, ""], target_entropy: float
) -> Float[Array, ""]:
    """Entropy above its target, times the temperature: lowers the temperature where it is.

    arXiv 1812.05905, with the entropy estimated from the batch.
    """
    return jnp.exp(log_temperature) * (entropy - target_entropy)
