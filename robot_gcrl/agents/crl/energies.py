"""The energy between the embeddings of a state-action and of a goal: four functions of two vectors.

    l2          -sqrt(|phi - psi|^2 + epsilon)
    squared_l2  -|phi - psi|^2
    dot         phi . psi
    cosine      scale * phi' . psi',  with x' = x / sqrt(|x|^2 + epsilon)

arXiv 2408.11052 compares energies of these kinds; the cosine there has no scale, which leaves a
softmax over it nearly flat. Letters: B and K rows, E embedding.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from robot_gcrl.agents.crl.config import Energy

# Under the root: bounds the gradient where two embeddings coincide. Not smaller, because the
# matrix product knows squared distances only up to a rounding error of about this size.
ENERGY_EPSILON = 1e-6


def paired_energy(
    phi: Float[Array, "*batch E"],
    psi: Float[Array, "*batch E"],
    energy: Energy = "l2",
    scale: Float[Array, ""] | float = 1.0,
) -> Float[Array, "*batch"]:
    """Energy of each pair, from the differences; `scale` is read by the cosine alone."""
    if energy == "dot":
        return jnp.sum(phi * psi, axis=-1)
    if energy == "cosine":
        return scale * jnp.sum(_unit(phi) * _unit(psi), axis=-1)
    squared = jnp.sum(jnp.square(phi - psi), axis=-1)
    return -squared if energy == "squared_l2" else -jnp.sqrt(squared + ENERGY_EPSILON)


def energy_matrix(
    phi: Float[Array, "B E"],
    psi: Float[Array, "K E"],
    energy: Energy = "l2",
    scale: Float[Array, ""] | float = 1.0,
) -> Float[Array, "B K"]:
    """Energy of every phi with every psi, by one matrix product instead of B x K x E differences.

    |phi - psi|^2 = |phi|^2 + |psi|^2 - 2 phi psi^T loses what the two share; distances do not
    change when both are shifted, so the mean of psi is taken off first.
    """
    if energy == "dot":
        return _product(phi, psi)
    if energy == "cosine":
        return scale * _product(_unit(phi), _unit(psi))
    center = lax.stop_gradient(jnp.mean(psi, axis=0))
    phi, psi = phi - center, psi - center
    squared = (
        jnp.sum(jnp.square(phi), axis=1)[:, None]
        + jnp.sum(jnp.square(psi), axis=1)
        - 2.0 * _product(phi, psi)
    )
    squared = jnp.maximum(squared, 0.0)
    return -squared if energy == "squared_l2" else -jnp.sqrt(squared + ENERGY_EPSILON)


def _product(phi: Float[Array, "B E"], psi: Float[Array, "K E"]) -> Float[Array, "B K"]:
    return jnp.matmul(phi, psi.T, precision=lax.Precision.HIGHEST)


def _unit(x: Float[Array, "*batch E"]) -> Float[Array, "*batch E"]:
    """Of length 1; the epsilon keeps value and gradient finite where x vanishes."""
    return x * lax.rsqrt(jnp.sum(jnp.square(x), axis=-1, keepdims=True) + ENERGY_EPSILON)
