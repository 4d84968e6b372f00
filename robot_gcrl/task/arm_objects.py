"""The arm with a gripper before a cube: observations, where cubes lie, the scene.

Places are drawn where the gripper, pointing down, reaches: in a ring around the arm's base.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Float

from robot_gcrl.contract import Contract, Field, GoalField, SuccessGroup
from robot_gcrl.contract.observe import Report
from robot_gcrl.task.arm import (
    CONTROL_DT,
    FINGER,
    FINGER_OPEN,
    GRIPPER,
    JOINTS,
    START_JITTER,
    gripper_actions,
)
from robot_gcrl.task.scene import Box, Camera, Prop, make_scene
from robot_gcrl.task.task import SampleGoal, SampleStart

CUBE_SIZE = 0.06  # edge [m]
LYING = CUBE_SIZE / 2  # height of its center [m]
REACH = (0.3, 0.74)  # from the base's axis to a cube's center [m]
# The tip 0.15 m above the middle of the places, pointing down: from Franka's ready pose, which is
# three times as high, random motions hardly ever meet a cube. The fingers close along y.
GRIPPER_READY = (0.0, 0.1513, 0.0, -2.398, 0.0, 2.5494, -0.7854)  # [rad]
RESTING_VELOCITIES = len(JOINTS) + 2 + 6  # of arm, fingers and a free cube
CAMERA = Camera(position=(1.2, 1.75, 0.9), target=(0.0, 0.4, 0.19), fovy=38.0)


class Region(NamedTuple):
    """A rectangle of cube positions, of which the reachable part counts.

    Attributes:
      center: x, y in the world [m].
      half_size: along x, y [m].
    """

    center: tuple[float, float]
    half_size: tuple[float, float]


def sample_place(key: jax.Array, region: Region) -> Float[Array, " 3"]:
    """The center [m] of a cube that lies in the region: x uniform, y uniform over what REACH has.

    Every x of the region must have such a y.
    """
    (x, y), (dx, dy) = region
    x_key, y_key = jax.random.split(key)
    at_x = jax.random.uniform(x_key, minval=x - dx, maxval=x + dx)
    near, far = (jnp.sqrt(jnp.maximum(radius**2 - at_x**2, 0.0)) for radius in REACH)
    low, high = jnp.maximum(near, y - dy), jnp.minimum(far, y + dy)
    at_y = jax.random.uniform(y_key, minval=low, maxval=high)
    return jnp.stack((at_x, at_y, jnp.asarray(LYING)))


def cube_starts(region: Region, *, turn: float) -> SampleStart:
    """Starts at rest: the arm near its ready pose, any gap, the cube in the region.

    Args:
      region: of the cube.
      turn: the cube is turned about the vertical by up to +-turn [rad].
    """
    ready = np.array(GRIPPER_READY, np.float32)

    def sample(key: jax.Array, /) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        joints_key, finger_key, place_key, turn_key = jax.random.split(key, 4)
        joints = ready + jax.random.uniform(
            joints_key, ready.shape, minval=-START_JITTER, maxval=START_JITTER
        )
        finger = jax.random.uniform(finger_key, maxval=FINGER_OPEN)
        half = jax.random.uniform(turn_key, minval=-turn / 2, maxval=turn / 2)
        turned = jnp.stack((jnp.cos(half), 0.0 * half, 0.0 * half, jnp.sin(half)))
        place = sample_place(place_key, region)
        qpos = jnp.concatenate((joints, jnp.stack((finger, finger)), place, turned))
        return qpos, jnp.zeros(RESTING_VELOCITIES)

    return sample


def place_goals(region: Region) -> SampleGoal:
    """Goals x, y, z [m] for the cube, where it lies in the region."""

    def sample(key: jax.Array, report: Report, /) -> Float[Array, " G"]:
        del report
        return sample_place(key, region)

    return sample


def cube_goal_fields(low: Sequence[float], high: Sequence[float]) -> tuple[GoalField, ...]:
    """The cube's position, x, y within `low` and `high` [m], on the floor to within 1 cm."""
    bounds = (*zip(low, high, strict=True), (LYING - 0.01, LYING + 0.01))
    return tuple(
        GoalField(
            label=f"cube.{axis}",
            source="sensor",
            name="cube/position",
            component=i,
            unit="m",
            low=least,
            high=greatest,
        )
        for i, (axis, (least, greatest)) in enumerate(zip("xyz", bounds, strict=True))
    )


def cube_contract(
    name: str,
    *,
    goal: tuple[GoalField, ...],
    success: tuple[SuccessGroup, ...],
    more: tuple[Field, ...] = (),
) -> Contract:
    """Cube, joints, finger, tip, what was commanded last, and `more`; eight actions."""

    def sensor(label: str, unit: str) -> Field:
        return Field(source="sensor", name=label, components=(0, 1, 2), unit=unit, frame="world")

    return Contract(
        name=name,
        robot="arm_gripper",
        control_dt=CONTROL_DT,
        observation=(
            sensor("cube/position", "m"),
            sensor("cube/velocity", "m/s"),
            # how the cube is turned, without the jumps of angles and quaternions
            sensor("cube/x_axis", "1"),
            *(Field(source="qpos", name=joint, unit="rad") for joint in JOINTS),
            Field(source="qpos", name=FINGER, unit="m"),  # half of the gap
            sensor("tip_in_world", "m"),
            sensor("tip_velocity_in_world", "m/s"),
            *more,
            # Targets are ahead of the joints by what was commanded last.
            *(
                Field(source="previous_action", name=actuator, unit="1")
                for actuator in (*JOINTS, GRIPPER)
            ),
        ),
        goal=goal,
        success=success,
        action=gripper_actions(),
        needs=("world position, velocity and x axis of the cube",),
    )


def cube_scene(*, walls: Sequence[Box] = (), camera: Camera = CAMERA) -> mujoco.MjSpec:
    """The arm with its gripper, mat and cube, and walls."""
    props = (Prop("mat", name="mat"), Prop("cube", name="cube"))
    return make_scene("arm_gripper", camera=camera, tile=0.25, walls=walls, props=props)
