"""Starts from which little is missing: the hand above a cube, or around one that it may hold.

An arm that moves at random hardly ever touches a cube, and learns nothing about cubes before it
does. A share of training episodes begins here; success is never measured from these starts.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Float

from robot_gcrl.task.arm import FINGER_OPEN
from robot_gcrl.task.arm_kinematics import reach_down
from robot_gcrl.task.arm_objects import (
    CUBE_SIZE,
    GRIPPER_READY,
    LYING,
    RESTING_VELOCITIES,
    Region,
    sample_place,
)
from robot_gcrl.task.task import SampleStart

NUM_POSES = 64  # of the arm, found once when the task is made
ABOVE = 0.085  # of the tip over the floor: the pads are 1.6 cm above the cube [m]
BESIDE = 0.08  # how far the cube may lie from below the tip, in x and y [m]
HIGHEST = 0.2  # of the tip around a cube [m]
FINGER = CUBE_SIZE / 2 + 0.0005  # at the cube's sides without touching them [m]


def close_starts(
    model: mujoco.MjModel, regions: Sequence[Region], *, holding: float
) -> SampleStart:
    """Starts at rest of the gripper close to the cube, over the regions in turn.

    Args:
      model: of the task.
      regions: of the tip.
      holding: the share in which the cube is between the fingers, on the floor or in the air: the
        first action grips it or lets it go. In the others it lies somewhere below the hand.
    """
    poses = _find_poses(model, regions, round(NUM_POSES * holding))
    centers, halves = (np.array(part, np.float32) for part in zip(*regions, strict=True))

    def sample(key: jax.Array, /) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        pose_key, beside_key, finger_key = jax.random.split(key, 3)
        index = jax.random.randint(pose_key, (), 0, NUM_POSES)
        pose, region = jnp.asarray(poses)[index], index % len(regions)
        joints, tip, holds = pose[:-4], pose[-4:-1], pose[-1] > 0.0
        beside = jax.random.uniform(beside_key, (2,), minval=-BESIDE, maxval=BESIDE)
        center, half = jnp.asarray(centers)[region], jnp.asarray(halves)[region]
        # beyond the region there may be walls
        below = jnp.append(jnp.clip(tip[:2] + beside, center - half, center + half), LYING)
        open_finger = jax.random.uniform(finger_key, maxval=FINGER_OPEN)
        finger = jnp.where(holds, FINGER, open_finger)
        place = jnp.where(holds, tip, below)
        upright = jnp.array((1.0, 0.0, 0.0, 0.0))
        qpos = jnp.concatenate((joints, jnp.stack((finger, finger)), place, upright))
        return qpos, jnp.zeros(RESTING_VELOCITIES)

    return sample


def _find_poses(
    model: mujoco.MjModel, regions: Sequence[Region], num_holding: int
) -> Float[np.ndarray, "poses columns"]:
    """Rows of joints, tip x, y, z and 1 where it is around the cube, 0 where it is above."""
    rng, rows = np.random.default_rng(0), []
    for i in range(NUM_POSES):
        holds = i < num_holding
        # sampled by the function that places cubes, so that the arm reaches it
        tip = np.array(sample_place(jax.random.key(i), regions[i % len(regions)]))
        tip[2] = rng.uniform(LYING, HIGHEST) if holds else ABOVE
        joints, error = reach_down(model, np.array(GRIPPER_READY), tip)
        assert error < 1e-3, (tip, error)
        rows.append((*joints, *tip, float(holds)))
    return np.array(rows, np.float32)
