"""Start samplers that tasks share, for one world; callers vmap them."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from robot_gcrl.task.goals import sample_near
from robot_gcrl.task.task import SampleStart

_X_Y = slice(0, 2)
_QUATERNION = slice(3, 7)


def jittered_starts(
    qpos: Sequence[float], *, nv: int, position: float = 0.0, velocity: float = 0.0
) -> SampleStart:
    """Starts at `qpos`, each coordinate within +-position [m, rad], velocity within +-velocity.

    Only for models without quaternions (hinges and slides).
    """
    center = np.array(qpos, np.float32)

    def sample(key: jax.Array, /) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        position_key, velocity_key = jax.random.split(key)
        moved = jax.random.uniform(position_key, center.shape, minval=-position, maxval=position)
        return (
            jnp.asarray(center) + moved,
            jax.random.uniform(velocity_key, (nv,), minval=-velocity, maxval=velocity),
        )

    return sample


def planar_starts(positions: np.ndarray, *, jitter: float) -> SampleStart:
    """Starts at rest of a body on two slides, at one of `positions` [K, 2], within +-jitter [m]."""
    centers = np.array(positions, np.float32)

    def sample(key: jax.Array, /) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        return sample_near(key, centers, jitter), jnp.zeros(2)

    return sample


def floating_starts(
    qpos: Sequence[float],
    positions: np.ndarray,
    *,
    jitter: float,
    joints: float,
    velocity: float,
    any_heading: bool,
) -> SampleStart:
    """Starts of a robot whose qpos begins with a free joint.

    Args:
      qpos: [nq], the pose; upright, that is quaternion (1, 0, 0, 0).
      positions: [K, 2], x, y of the root, all equally likely [m].
      jitter: the root lies within +-jitter of such a position, in x and y [m].
      joints: every joint behind the root lies within +-joints of its value in `qpos` [rad].
      velocity: every velocity lies within +-velocity [m/s, rad/s].
      any_heading: turned about the vertical by any angle, else as in `qpos`.
    """
    pose = np.array(qpos, np.float32)
    centers = np.array(positions, np.float32)
    num_joints = len(pose) - _QUATERNION.stop

    def sample(key: jax.Array, /) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        place_key, heading_key, joints_key, velocity_key = jax.random.split(key, 4)
        half = jax.random.uniform(heading_key, maxval=np.pi) if any_heading else jnp.zeros(())
        moved = jax.random.uniform(joints_key, (num_joints,), minval=-joints, maxval=joints)
        start = (
            jnp.asarray(pose)
            .at[_X_Y]
            .set(sample_near(place_key, centers, jitter))
            .at[_QUATERNION]
            .set(jnp.stack((jnp.cos(half), 0.0 * half, 0.0 * half, jnp.sin(half))))
            .at[_QUATERNION.stop :]
            .add(moved)
        )
        # a quaternion has one velocity less than numbers
        speeds = (len(pose) - 1,)
        return start, jax.random.uniform(velocity_key, speeds, minval=-velocity, maxval=velocity)

    return sample
