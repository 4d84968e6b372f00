"""Targets and losses of the agents that learn values, as pure functions of arrays.

Q(s, a, g) is the discounted sum of rewards from (s, a) on while g is pursued. Letters: B batch, C
critics that learn side by side, G goal, A action.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, PRNGKeyArray


def target_value(
    reward: Float[Array, " B"],
    terminated: Bool[Array, " B"],
    next_value: Float[Array, " B"],
    *,
    gamma: float,
) -> Float[Array, " B"]:
    """Reward + gamma V(s'), without V where the episode terminated; through it no gradient flows.

    At a time limit V counts: the robot would have gone on, and what limits its time is observed
    nowhere.
    """
    return lax.stop_gradient(reward + gamma * jnp.where(terminated, 0.0, next_value))


def value_loss(values: Float[Array, "C B"], target: Float[Array, " B"]) -> Float[Array, ""]:
    """Half the mean squared error of each critic, summed: each learns as if it were alone."""
    return 0.5 * jnp.sum(jnp.mean(jnp.square(values - target), axis=1))


def soft_value(
    values: Float[Array, "C B"], log_density: Float[Array, " B"], temperature: Float[Array, ""]
) -> Float[Array, " B"]:
    """V(s') of the maximum-entropy objective: min_c Q_c - temperature log pi (arXiv 1812.05905)."""
    return jnp.min(values, axis=0) - temperature * log_density


def smoothed(
    action: Float[Array, "B A"], *, key: PRNGKeyArray, noise: float, limit: float
) -> Float[Array, "B A"]:
    """An action with clipped normal noise, in [-1, 1] (arXiv 1802.09477)."""
    drawn = jnp.clip(noise * jax.random.normal(key, action.shape), -limit, limit)
    return jnp.clip(action + drawn, -1.0, 1.0)
