"""Starts from which little is missing: the hand above a cube, astride of it, or around it.

An arm that moves at random hardly ever touches a cube, and learns nothing about cubes before it
does. A share of training episodes begins here; success is never measured from these starts.
"""

from collections.abc import Sequence
from typing import NamedTuple

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
ASTRIDE = 0.015  # how far a cube between open fingers may lie off along them, in x [m]
CLEAR = 0.07  # of the tip over the floor: the pads have left the cube [m]
READY = 0.18  # of the tip where episodes begin that are no practice [m]


class _Poses(NamedTuple):
    """Of the hand, one a row, and what lies below it.

    Attributes:
      joints: of the arm [rad].
      tip: in the world [m].
      finger: half of the gap, least and greatest [m].
      beside: how far from below the tip the cube may lie, along x and y [m].
      slack: and of the room that the fingers leave it, this share along y.
      cube_z: of its center [m].
    """

    joints: Float[np.ndarray, "poses 7"]
    tip: Float[np.ndarray, "poses 3"]
    finger: Float[np.ndarray, "poses 2"]
    beside: Float[np.ndarray, "poses 2"]
    slack: Float[np.ndarray, " poses"]
    cube_z: Float[np.ndarray, " poses"]


def close_starts(
    model: mujoco.MjModel, regions: Sequence[Region], *, holding: float = 0.0, astride: float = 0.0
) -> SampleStart:
    """Starts at rest of the gripper close to the cube, over the regions in turn.

    Args:
      model: of the task.
      regions: of the tip.
      holding: the share in which the cube is between the fingers, on the floor or in the air: the
        first action grips it or lets it go.
      astride: the share in which the hand is on its way to the cube. In half of them the fingers
        are on its two sides, from all but closed to open: the arm lifts within one control step and
        the fingers close in four, so that of open fingers alone none learns to wait for them. In
        the other half the hand is above, and the higher, the further beside. In the other starts
        the cube lies somewhere below the hand.
    """
    poses = _find_poses(model, regions, round(NUM_POSES * holding), round(NUM_POSES * astride))
    centers, halves = (np.array(part, np.float32) for part in zip(*regions, strict=True))

    def sample(key: jax.Array, /) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        pose_key, beside_key, finger_key = jax.random.split(key, 3)
        index = jax.random.randint(pose_key, (), 0, NUM_POSES)
        joints, tip, fingers, beside, slack, cube_z = (jnp.asarray(part)[index] for part in poses)
        finger = jax.random.uniform(finger_key, minval=fingers[0], maxval=fingers[1])
        most = beside.at[1].add(slack * (finger - FINGER))
        off = jax.random.uniform(beside_key, (2,), minval=-1.0, maxval=1.0) * most
        region = index % len(regions)
        center, half = jnp.asarray(centers)[region], jnp.asarray(halves)[region]
        # beyond the region there may be walls
        place = jnp.append(jnp.clip(tip[:2] + off, center - half, center + half), cube_z)
        upright = jnp.array((1.0, 0.0, 0.0, 0.0))
        qpos = jnp.concatenate((joints, jnp.stack((finger, finger)), place, upright))
        return qpos, jnp.zeros(RESTING_VELOCITIES)

    return sample


def _find_poses(
    model: mujoco.MjModel, regions: Sequence[Region], num_holding: int, num_astride: int
) -> _Poses:
    rng, rows = np.random.default_rng(0), []
    for i in range(NUM_POSES):
        # sampled by the function that places cubes, so that the arm reaches it
        tip = np.array(sample_place(jax.random.key(i), regions[i % len(regions)]))
        beside, slack, cube_z = (0.0, 0.0), 0.0, LYING
        if i < num_holding:
            tip[2] = cube_z = rng.uniform(LYING, HIGHEST)
            finger = (FINGER, FINGER)
        elif i < num_holding + num_astride:
            if i // len(regions) % 2:  # both in each region
                tip[2] = rng.uniform(LYING, CLEAR)
                finger, beside, slack = (FINGER, FINGER_OPEN), (ASTRIDE, 0.0), 0.5
            else:
                tip[2] = rng.uniform(CLEAR, READY)
                off = ASTRIDE + (BESIDE - ASTRIDE) * (tip[2] - CLEAR) / (READY - CLEAR)
                finger, beside = (0.0, FINGER_OPEN), (off, off)
        else:
            tip[2] = ABOVE
            finger, beside = (0.0, FINGER_OPEN), (BESIDE, BESIDE)
        joints, error = reach_down(model, np.array(GRIPPER_READY), tip)
        assert error < 1e-3, (tip, error)
        rows.append((joints, tip, finger, beside, slack, cube_z))
    return _Poses(*(np.array(part, np.float32) for part in zip(*rows, strict=True)))
