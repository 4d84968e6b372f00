"""Goal samplers that tasks share, for one world; callers vmap them."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from robot_gcrl.contract.observe import Report
from robot_gcrl.task.task import AdmitsGoal, SampleGoal

_X_Y = slice(0, 2)


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


def pair_goals(positions: np.ndarray, pairs: np.ndarray, *, jitter: float = 0.0) -> SampleGoal:
    """Goals x, y at a cell that goes with the one where the robot is.

    Args:
      positions: [K, 2], centers of cells [m]; the robot is in the nearest.
      pairs: bool [K, K], which goals go with each cell, all equally likely. Where a robot is in
        a cell without any, because it has moved, every cell may be its goal.
      jitter: goals lie within +-jitter of the center, in x and y [m].
    """
    centers = np.array(positions, np.float32)
    allowed = pairs | ~pairs.any(1, keepdims=True)

    def sample(key: jax.Array, report: Report, /) -> Float[Array, " G"]:
        cell_key, jitter_key = jax.random.split(key)
        here = jnp.linalg.norm(centers - report.qpos[_X_Y], axis=-1).argmin()
        logits = jnp.where(jnp.asarray(allowed)[here], 0.0, -jnp.inf)
        center = jnp.asarray(centers)[jax.random.categorical(cell_key, logits)]
        return center + jax.random.uniform(jitter_key, (2,), minval=-jitter, maxval=jitter)

    return sample


def beyond_goals(radius: float, *, address: int, spread: float) -> SampleGoal:
    """Goals x, y on a circle around the origin, where the way from it through a thing leads.

    Args:
      radius: of the circle [m].
      address: of the thing's x in qpos; its y follows.
      spread: the direction differs by up to +-spread from the thing's [rad].
    """

    def sample(key: jax.Array, report: Report, /) -> Float[Array, " G"]:
        x, y = report.qpos[address], report.qpos[address + 1]
        angle = jnp.arctan2(y, x) + jax.random.uniform(key, minval=-spread, maxval=spread)
        return radius * jnp.stack((jnp.cos(angle), jnp.sin(angle)))

    return sample


def in_cells(positions: np.ndarray, *, side: float) -> AdmitsGoal:
    """Goals whose x, y lie in a square cell, `side` wide, around one of `positions` [m], [K, 2]."""
    centers = np.array(positions, np.float32)

    def admits(goal: Float[Array, " G"], /) -> Bool[Array, ""]:
        return (jnp.abs(goal[_X_Y] - centers).max(-1) <= side / 2).any()

    return admits
