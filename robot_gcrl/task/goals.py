"""Goal samplers that tasks share, for one world; callers vmap them."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from robot_gcrl.contract.observe import Report
from robot_gcrl.task.task import SampleGoal


def box_goals(low: Sequence[float], high: Sequence[float]) -> SampleGoal:
    """Goals [G] uniform in the box between two corners, SI."""
    low_corner, high_corner = np.array(low, np.float32), np.array(high, np.float32)

    def sample(key: jax.Array, report: Report, /) -> Float[Array, " G"]:
        del report
        return jax.random.uniform(key, low_corner.shape, minval=low_corner, maxval=high_corner)

    return sample


def disk_goals(radius: float, *, inner: float = 0.0) -> SampleGoal:
    """Goals x, y uniform over a disk around the origin, but for the disk of radius `inner` [m]."""

    def sample(key: jax.Array, report: Report, /) -> Float[Array, " G"]:
        del report
        radius_key, angle_key = jax.random.split(key)
        # area grows with the square of the radius
        r = jnp.sqrt(jax.random.uniform(radius_key, minval=inner**2, maxval=radius**2))
        angle = jax.random.uniform(angle_key, maxval=2 * np.pi)
        return r * jnp.stack((jnp.cos(angle), jnp.sin(angle)))

    return sample


def point_goals(positions: np.ndarray, *, jitter: float = 0.0) -> SampleGoal:
    """Goals [G] at one of `positions` [K, G], all equally likely, within +-jitter of it, SI."""
    centers = np.array(positions, np.float32)

    def sample(key: jax.Array, report: Report, /) -> Float[Array, " G"]:
        del report
        return sample_near(key, centers, jitter)

    return sample


def sample_near(key: jax.Array, centers: np.ndarray, jitter: float) -> Float[Array, " G"]:
    """One of `centers` [K, G], all equally likely, moved by up to +-jitter in each coordinate."""
    index_key, jitter_key = jax.random.split(key)
    center = jnp.asarray(centers)[jax.random.randint(index_key, (), 0, len(centers))]
    return center + jax.random.uniform(jitter_key, center.shape, minval=-jitter, maxval=jitter)
