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
        # Half of -180 to 180 degrees: of the two quaternions of each heading the one with w >= 0,
        # so that headings a little to the left and to the right of 0 are neighbours
        half = jnp.zeros(())
        if any_heading:
            half = jax.random.uniform(heading_key, minval=-np.pi / 2, maxval=np.pi / 2)
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


def resting_prop_starts(robot: SampleStart, qpos: Sequence[float], *, nv: int) -> SampleStart:
    """Starts of `robot`, and behind it in qpos a prop that rests at `qpos` and has `nv` speeds."""
    pose = np.array(qpos, np.float32)

    def sample(key: jax.Array, /) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        position, velocity = robot(key)
        return jnp.concatenate((position, pose)), jnp.concatenate((velocity, jnp.zeros(nv)))

    return sample


def ball_around_starts(
    robot: SampleStart, *, radii: tuple[float, float], height: float
) -> SampleStart:
    """Starts of `robot` with a ball at rest somewhere around it.

    Args:
      robot: starts whose qpos begins with a free joint; the ball's free joint follows it.
      radii: between which the ball is away from the root, in any direction [m].
      height: of the ball's center [m].
    """

    def sample(key: jax.Array, /) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        robot_key, radius_key, angle_key = jax.random.split(key, 3)
        start = robot(robot_key)
        radius = jax.random.uniform(radius_key, minval=radii[0], maxval=radii[1])
        angle = jax.random.uniform(angle_key, maxval=2 * np.pi)
        offset = radius * jnp.stack((jnp.cos(angle), jnp.sin(angle)))
        return _with_ball(start, start[0][_X_Y] + offset, height)

    return sample


def ball_beside_starts(
    robot: SampleStart, robots: np.ndarray, balls: np.ndarray, *, jitter: float, height: float
) -> SampleStart:
    """Starts of `robot` at one of several places with a ball at rest at a place of its own.

    Args:
      robot: starts around the origin whose qpos begins with a free joint; the ball's follows.
      robots: [K, 2], where the robot's starts are moved to, x and y, all equally likely [m].
      balls: [K, 2], where the ball then lies [m].
      jitter: the ball lies within +-jitter of its place, in x and y [m].
      height: of the ball's center [m].
    """
    places = np.stack((robots, balls), 1).astype(np.float32)

    def sample(key: jax.Array, /) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        robot_key, place_key, jitter_key = jax.random.split(key, 3)
        qpos, qvel = robot(robot_key)
        place, ball = jnp.asarray(places)[jax.random.randint(place_key, (), 0, len(places))]
        moved = jax.random.uniform(jitter_key, (2,), minval=-jitter, maxval=jitter)
        return _with_ball((qpos.at[_X_Y].add(place), qvel), ball + moved, height)

    return sample


def _with_ball(
    start: tuple[jax.Array, jax.Array], position: jax.Array, height: float
) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
    upright = jnp.array((height, 1.0, 0.0, 0.0, 0.0))
    qpos, qvel = start
    return jnp.concatenate((qpos, position, upright)), jnp.concatenate((qvel, jnp.zeros(6)))
