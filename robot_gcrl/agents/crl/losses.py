"""The contrastive losses and the energy between embeddings, as pure functions of arrays.

f(s, a, g) = -sqrt(|phi(s, a) - psi(g)|^2 + epsilon). Row i of a batch is a positive pair with goal
i and a negative one with every other goal. Other critics are in `survival` and `quasimetric`.
Letters: B batch, E embedding.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

# Under the root: bounds the gradient where two embeddings coincide. Not smaller, because the
# matrix product knows squared distances only up to a rounding error of about this size.
ENERGY_EPSILON = 1e-6


class CriticTerms(NamedTuple):
    """What the critic's loss consists of, and what is worth watching, each a scalar.

    Attributes:
      loss: to be minimised.
      categorical_accuracy: share of rows whose own goal has the highest energy of all.
      logsumexp: mean over rows.
      energy_positive: mean energy of a row with its own goal.
      energy_negative: mean energy of a row with the other goals.
    """

    loss: Float[Array, ""]
    categorical_accuracy: Float[Array, ""]
    logsumexp: Float[Array, ""]
    energy_positive: Float[Array, ""]
    energy_negative: Float[Array, ""]


def paired_energy(
    phi: Float[Array, "*batch E"], psi: Float[Array, "*batch E"]
) -> Float[Array, "*batch"]:
    """Energy of each pair, from the differences."""
    return -jnp.sqrt(jnp.sum(jnp.square(phi - psi), axis=-1) + ENERGY_EPSILON)


def energy_matrix(phi: Float[Array, "B E"], psi: Float[Array, "K E"]) -> Float[Array, "B K"]:
    """Energy of every phi with every psi, by one matrix product instead of B x K x E differences.

    |phi - psi|^2 = |phi|^2 + |psi|^2 - 2 phi psi^T loses what the two share; distances do not
    change when both are shifted, so the mean of psi is taken off first.
    """
    center = lax.stop_gradient(jnp.mean(psi, axis=0))
    phi, psi = phi - center, psi - center
    product = jnp.matmul(phi, psi.T, precision=lax.Precision.HIGHEST)
    squared = (
        jnp.sum(jnp.square(phi), axis=1)[:, None] + jnp.sum(jnp.square(psi), axis=1) - 2.0 * product
    )
    return -jnp.sqrt(jnp.maximum(squared, 0.0) + ENERGY_EPSILON)


def critic_terms(
    phi: Float[Array, "B E"],
    psi: Float[Array, "B E"],
    *,
    logsumexp_penalty: float,
    symmetric: bool,
) -> CriticTerms:
    """InfoNCE with each row's own goal as the positive, plus the penalty on the logsumexp.

    mean_i(-f_ii + log sum_j exp f_ij) + penalty * mean_i((log sum_j exp f_ij)^2); symmetric adds
    mean_j(-f_jj + log sum_i exp f_ij) (arXiv 2408.11052).
    """
    own = jnp.eye(phi.shape[0], dtype=bool)
    positive = paired_energy(phi, psi)  # exact: these are the small distances
    energies = jnp.where(own, positive, energy_matrix(phi, psi))
    return infonce_terms(
        positive, energies, logsumexp_penalty=logsumexp_penalty, symmetric=symmetric
    )


def infonce_terms(
    positive: Float[Array, " B"],
    energies: Float[Array, "B B"],
    *,
    logsumexp_penalty: float,
    symmetric: bool,
) -> CriticTerms:
    """The loss of `critic_terms` for any energies; `positive` is their diagonal."""
    forward = jax.nn.logsumexp(energies, axis=1)
    loss = jnp.mean(forward - positive) + logsumexp_penalty * jnp.mean(jnp.square(forward))
    if symmetric:
        loss += jnp.mean(jax.nn.logsumexp(energies, axis=0) - positive)
    return watched_terms(loss, positive, energies, forward)


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


def temperature_loss(
    log_temperature: Float[Array, ""], entropy: Float[Array, ""], target_entropy: float
) -> Float[Array, ""]:
    """Entropy above its target, times the temperature: lowers the temperature where it is.

    arXiv 1812.05905, with the entropy estimated from the batch.
    """
    return jnp.exp(log_temperature) * (entropy - target_entropy)
