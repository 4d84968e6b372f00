"""A seven-joint arm brings its two fingertips to the sides of a cube."""

import jax
import jax.numpy as jnp
import mujoco

from robot_gcrl.contract import Field, GoalField, SuccessGroup
from robot_gcrl.contract.observe import Report
from robot_gcrl.task.arm import FINGER_OPEN
from robot_gcrl.task.arm_objects import (
    CUBE_SIZE,
    LYING,
    Region,
    cube_contract,
    cube_scene,
    cube_starts,
)
from robot_gcrl.task.arm_practice import close_starts
from robot_gcrl.task.arm_realism import cube_levels
from robot_gcrl.task.budgets import budgets
from robot_gcrl.task.regions import distance_regions
from robot_gcrl.task.scene import Camera
from robot_gcrl.task.task import Budget, Distribution, Hints, SampleGoal, Task

# Fingertips that hold the cube's middle are 0.03 m from its center each, 0.042 m together.
TIP_RADIUS = 0.05  # of both together [m]
GAP_RADIUS = 0.02  # [m]
EPISODE_LENGTH = 120  # control steps
PLACES = Region(center=(0.0, 0.5), half_size=(0.3, 0.3))
TURN = 0.1  # of the cube [rad]
# From the side and low: the hand hides neither the cube nor where it is gripped.
CAMERA = Camera(position=(1.5, 0.95, 0.62), target=(0.0, 0.38, 0.22), fovy=34.0)

TIPS = ("left", "right")


def make_goal_fields() -> tuple[GoalField, ...]:
    """Both fingertips' positions, which is where the cube is, and the gap between them."""
    (x, y), (dx, dy) = PLACES
    bounds = ((x - dx, x + dx), (y - dy, y + dy), (LYING - 0.01, LYING + 0.01))
    tips = tuple(
        GoalField(
            label=f"{tip}.{axis}",
            source="sensor",
            name=f"{tip}_tip_in_world",
            component=i,
            unit="m",
            low=low,
            high=high,
        )
        for tip in TIPS
        for i, (axis, (low, high)) in enumerate(zip("xyz", bounds, strict=True))
    )
    gap = GoalField(
        label="gap", source="sensor", name="gap", unit="m", low=0.0, high=2 * FINGER_OPEN
    )
    return (*tips, gap)


def cube_goals(model: mujoco.MjModel) -> SampleGoal:
    """Goals [7] at the cube of the start, which stay there when it is moved."""
    address = int(model.sensor("cube/position").adr[0])

    def sample(key: jax.Array, report: Report, /) -> jax.Array:
        del key
        cube = report.sensordata[address : address + 3]
        return jnp.concatenate((cube, cube, jnp.array([CUBE_SIZE])))

    return sample


def arm_grasp() -> Task:
    """The task."""
    tip_labels = tuple(f"{tip}.{axis}" for tip in TIPS for axis in "xyz")
    tips = tuple(
        Field(
            source="sensor",
            name=f"{tip}_tip_in_world",
            components=(0, 1, 2),
            unit="m",
            frame="world",
        )
        for tip in TIPS
    )
    scene = cube_scene(camera=CAMERA)
    model = scene.compile()
    distribution = Distribution(start=cube_starts(PLACES, turn=TURN), goal=cube_goals(model))
    return Task(
        contract=cube_contract(
            "arm_grasp",
            goal=make_goal_fields(),
            success=(
                SuccessGroup(labels=tip_labels, radius=TIP_RADIUS),
                SuccessGroup(labels=("gap",), radius=GAP_RADIUS),
            ),
            more=(*tips, Field(source="sensor", name="gap", unit="m")),
        ),
        scene=scene,
        episode_length=EPISODE_LENGTH,
        train=distribution,
        eval=distribution,
        anywhere=close_starts(model, (PLACES,)),
        regions=distance_regions(
            (0.15, 0.3, 0.45),
            origin=(*(*PLACES.center, LYING) * 2, CUBE_SIZE),
            unit="m from the middle, over both fingertips",
        ),
        realism=cube_levels(goal=tip_labels, sensors=tuple(field.name for field in tips)),
        hints=Hints(
            horizon=3.0,
            random_start_share=0.5,
            budgets=budgets(laptop=Budget(control_steps=400_000, gradient_steps=20_000)),
        ),
        summary="A seven-joint arm brings both fingertips to the sides of a 6 cm cube.",
    )


TASKS = {"arm_grasp": arm_grasp}
