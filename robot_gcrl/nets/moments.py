"""Running mean and variance of vectors, and the normalisation by them.

Batches are merged by the parallel form of Welford's algorithm (Chan, Golub and LeVeque, "Updating
formulae and a pairwise algorithm for computing sample variances", 1979), kept as a mean and a
variance, not as a growing sum of squares.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

# Beyond this many samples (2^22) the statistics become an exponential moving average over as many.
# A share of 1 / count below float32's resolution of 2^-24 would freeze them; and so far below 2^24
# the count itself is exact.
COUNT_LIMIT = 4_194_304.0

# Normalised values are clipped to +-LIMIT: wide, because a commanded goal may lie dozens of
# standard deviations from what a young policy visits, and must not look like its neighbours.
LIMIT = 100.0

# Least standard deviation that values are divided by [observation units]: a component that hardly
# ever moves is not blown up into noise.
STD_FLOOR = 1e-2


class Moments(NamedTuple):
    """Statistics of the O components of what was observed.

    Attributes:
      seen: how many samples, at most COUNT_LIMIT.
      mean: [O].
      variance: [O].
    """

    seen: Float[Array, ""]
    mean: Float[Array, " O"]
    variance: Float[Array, " O"]


def make_moments(size: int) -> Moments:
    """No samples yet; normalisation by these leaves a value as it is."""
    return Moments(jnp.zeros(()), jnp.zeros(size), jnp.ones(size))


def update_moments(moments: Moments, samples: Float[Array, "N O"]) -> Moments:
    """The statistics with N samples more."""
    number = samples.shape[0]
    mean = jnp.mean(samples, axis=0)
    variance = jnp.mean(jnp.square(samples - mean), axis=0)
    count = moments.seen + number
    share = number / count
    difference = mean - moments.mean
    return Moments(
        seen=jnp.minimum(count, COUNT_LIMIT),
        mean=moments.mean + share * difference,
        variance=moments.variance
        + share * (variance - moments.variance + (1.0 - share) * jnp.square(difference)),
    )


def normalize(
    value: Float[Array, "*batch K"], mean: Float[Array, " K"], variance: Float[Array, " K"]
) -> Float[Array, "*batch K"]:
    """(value - mean) / standard deviation, clipped to +-LIMIT."""
    std = jnp.maximum(jnp.sqrt(variance), STD_FLOOR)
    return jnp.clip((value - mean) / std, -LIMIT, LIMIT)
