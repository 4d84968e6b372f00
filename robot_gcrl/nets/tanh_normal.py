"""A normal distribution squashed by tanh into (-1, 1): its samples and their log-densities.

u = mean + std * noise, action = tanh(u) (arXiv 1812.05905). A network gives the mean
and a raw number per action component, of which the standard deviation is made.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

LOG_STD_MIN = -5.0
LOG_STD_MAX = 2.0

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)
# Of an action whose density is asked for: at 1 it has none, and as float32 atanh ends soon before
_MOST_MAGNITUDE = 1.0 - 1e-4


class TanhNormal(NamedTuple):
    """The distribution of A independent components before and after tanh.

    Attributes:
      mean: [.., A], before tanh.
      log_std: [.., A], before tanh, in [LOG_STD_MIN, LOG_STD_MAX].
    """

    mean: Float[Array, "*batch A"]
    log_std: Float[Array, "*batch A"]


def make_tanh_normal(output: Float[Array, "*batch two_A"]) -> TanhNormal:
    """The distribution that a network's output of size 2A describes: means, then raw log-stds.

    log-std = -5 + 3.5 (tanh(raw) + 1), so that its gradient never ends abruptly at a bound.
    """
    mean, raw = jnp.split(output, 2, axis=-1)
    half_range = 0.5 * (LOG_STD_MAX - LOG_STD_MIN)
    return TanhNormal(mean, LOG_STD_MIN + half_range * (jnp.tanh(raw) + 1.0))


def mode(distribution: TanhNormal) -> Float[Array, "*batch A"]:
    """The action at the mean: its tanh."""
    return jnp.tanh(distribution.mean)


def mean_action(distribution: TanhNormal) -> Float[Array, "*batch A"]:
    """The mean of tanh(u), nearly: tanh(mean / sqrt(1 + pi / 2 * std^2)).

    tanh(u) is 2 S(2 u) - 1 with S the logistic function, and S(x) is nearly Phi(sqrt(pi / 8) x),
    with the same slope at 0, Phi being the normal distribution function. The mean of Phi(a u) is
    exactly Phi(a mean / sqrt(1 + a^2 std^2)); here a^2 = 4 pi / 8 = pi / 2. It is the probit
    approximation of Bayesian logistic regression.

    Measured against quadrature for all means and std up to exp(LOG_STD_MAX): wrong by at most
    0.035, by 0.004 up to a std of 0.3, by 0.02 up to 1. tanh(mean) is off by up to 0.76.
    """
    spread = jnp.sqrt(1.0 + 0.5 * math.pi * jnp.exp(2.0 * distribution.log_std))
    return jnp.tanh(distribution.mean / spread)


def sample_tanh_normal(
    distribution: TanhNormal, *, key: PRNGKeyArray
) -> tuple[Float[Array, "*batch A"], Float[Array, "*batch"]]:
    """A reparameterised sample in (-1, 1) and its log-density.

    The density is taken at u, not at tanh(u), so that it stays finite where tanh rounds to 1.
    """
    mean, log_std = distribution
    noise = jax.random.normal(key, mean.shape, mean.dtype)
    u = mean + jnp.exp(log_std) * noise
    return jnp.tanh(u), _log_density(u, noise, log_std)


def log_density(
    distribution: TanhNormal, action: Float[Array, "*batch A"]
) -> Float[Array, "*batch"]:
    """The log-density of an action in [-1, 1] that something else has taken.

    Its u = atanh(action) is that of +-(1 - 1e-4) at most, +-4.95: actions are stored that limits
    have clipped to +-1, where there is no density. The gradient in the distribution is finite
    everywhere; there is none in such an action.
    """
    mean, log_std = distribution
    u = jnp.arctanh(jnp.clip(action, -_MOST_MAGNITUDE, _MOST_MAGNITUDE))
    return _log_density(u, (u - mean) * jnp.exp(-log_std), log_std)


def _log_density(
    u: Float[Array, "*batch A"], noise: Float[Array, "*batch A"], log_std: Float[Array, "*batch A"]
) -> Float[Array, "*batch"]:
    normal = -0.5 * jnp.square(noise) - log_std - _HALF_LOG_TWO_PI
    # log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2 u)): no difference of nearly equal numbers
    log_slope = 2.0 * (math.log(2.0) - u - jax.nn.softplus(-2.0 * u))
    return jnp.sum(normal - log_slope, axis=-1)
