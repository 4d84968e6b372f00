"""A quasimetric between embeddings, and the contrastive loss that makes it a distance in time.

    d(x, y) = max(0, max_k (x_k - y_k)) over the first half + |x - y| over the second half,

a metric residual network (arXiv 2208.08133): at least 0, 0 between equals, and d(x, z) <= d(x, y) +
d(y, z), but not symmetric. With the logits c(g) - d(phi(s, a), psi(g)), the InfoNCE loss is least
where d is the successor distance log p(g | g) - log p(g | s, a) of the discounted futures (arXiv
2406.17098, the one-step form); c(g), the last output of the goal's encoder, takes up what does not
depend on the way there, so the energy is -d. The encoders differ, so only points of the embedding
space obey the triangle inequality by construction. Letters: B batch, E embedding without c,
K = E / 2.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from robot_gcrl.agents.crl.config import Loss
from robot_gcrl.agents.crl.energies import energy_matrix
from robot_gcrl.agents.crl.losses import CriticTerms, infonce_terms

# Rows of the matrix that are computed side by side, so that only as many B x K differences exist
# at a time (2 MiB at B = 512 and E = 64); the backward pass computes them again.
_ROWS_AT_ONCE = 32


def distance(x: Float[Array, "*batch E"], y: Float[Array, "*batch E"]) -> Float[Array, "*batch"]:
    """d(x, y) of each pair, exact; its gradient is 0 in each half where the points coincide."""
    ahead, beside = jnp.split(x - y, 2, axis=-1)
    squared = jnp.sum(jnp.square(beside), axis=-1)
    apart = squared > 0.0
    # The root of 0 has no gradient: it is never taken, not even to be discarded
    length = jnp.where(apart, jnp.sqrt(jnp.where(apart, squared, 1.0)), 0.0)
    return jax.nn.relu(jnp.max(ahead, axis=-1)) + length


def distance_matrix(x: Float[Array, "B E"], y: Float[Array, "J E"]) -> Float[Array, "B J"]:
    """The distance of every x from every y.

    The second half is a matrix product (see `energy_matrix`), in which what is nearer than about
    1e-3 counts as that; the first is computed a few rows at a time.
    """
    ahead, beside = jnp.split(x, 2, axis=-1)
    ahead_y, beside_y = jnp.split(y, 2, axis=-1)

    @jax.checkpoint
    def row(point: Float[Array, " K"]) -> Float[Array, " J"]:
        return jnp.max(point - ahead_y, axis=-1)

    greatest = lax.map(row, ahead, batch_size=min(_ROWS_AT_ONCE, len(x)))
    return jax.nn.relu(greatest) - energy_matrix(beside, beside_y)


def temporal_energy(
    phi: Float[Array, "*batch E"], psi: Float[Array, "*batch E_and_c"]
) -> Float[Array, "*batch"]:
    """-d(phi, psi) of each pair, without the c at the end of psi."""
    return -distance(phi, psi[..., :-1])


def temporal_terms(
    phi: Float[Array, "B E"],
    psi: Float[Array, "B E_and_c"],
    *,
    logsumexp_penalty: float,
    loss: Loss,
) -> CriticTerms:
    """InfoNCE as in `critic_terms`, on the logits c(g) - d(phi, psi); they are what is watched."""
    point, potential = psi[:, :-1], psi[:, -1]
    own = jnp.eye(phi.shape[0], dtype=bool)
    positive = potential - distance(phi, point)  # exact: these are the small distances
    logits = jnp.where(own, positive, potential - distance_matrix(phi, point))
    return infonce_terms(positive, logits, logsumexp_penalty=logsumexp_penalty, loss=loss)
