"""A seven-joint arm pushes a cube to places on the floor before it."""

import functools

import numpy as np

from robot_gcrl.contract import SuccessGroup
from robot_gcrl.task.arm_objects import (
    LYING,
    Region,
    cube_contract,
    cube_goal_fields,
    cube_scene,
    cube_starts,
    place_goals,
)
from robot_gcrl.task.arm_practice import close_starts
from robot_gcrl.task.arm_realism import cube_levels
from robot_gcrl.task.budgets import budgets
from robot_gcrl.task.regions import distance_regions
from robot_gcrl.task.task import Budget, Distribution, Hints, Task

RADIUS = 0.1  # [m]
CENTER = 0.5  # y of both regions [m]
# half sides of the region of starts, on the right, and of that of goals, beside it on the left [m]
HALF_SIZES = {"arm_push": 0.1, "arm_push_hard": 0.25}
EPISODE_LENGTHS = {"arm_push": 160, "arm_push_hard": 200}  # control steps
HORIZONS = {"arm_push": 4.0, "arm_push_hard": 5.0}  # [s]
TURN = 0.785  # of the cube: by its symmetry any [rad]


def arm_push(name: str) -> Task:
    """The task with the regions of this name."""
    half = HALF_SIZES[name]
    starts, goals = (Region(center=(x, CENTER), half_size=(half, half)) for x in (half, -half))
    distribution = Distribution(start=cube_starts(starts, turn=TURN), goal=place_goals(goals))
    scene = cube_scene()
    return Task(
        contract=cube_contract(
            name,
            # also where cubes start: they may be sent back
            goal=cube_goal_fields((-2 * half, CENTER - half), (2 * half, CENTER + half)),
            success=(SuccessGroup(labels=("cube.x", "cube.y", "cube.z"), radius=RADIUS),),
        ),
        scene=scene,
        episode_length=EPISODE_LENGTHS[name],
        train=distribution,
        eval=distribution,
        anywhere=close_starts(scene.compile(), (starts, goals)),
        regions=distance_regions(
            tuple((np.array((0.75, 1.25, 2.25)) * half).tolist()),
            origin=(0.0, CENTER, LYING),
            unit="m left of the middle",
        ),
        realism=cube_levels(goal=("cube.x", "cube.y", "cube.z")),
        hints=Hints(
            horizon=HORIZONS[name],
            random_start_share=0.5,
            budgets=budgets(laptop=Budget(control_steps=3_000_000, gradient_steps=120_000)),
            # A cube that nobody touches lies still: nine rows of ten say nothing of cubes
            agent={"moving_share": 0.9},
        ),
        summary=(
            f"A seven-joint arm with a gripper pushes a 6 cm cube from one {2 * half:g} m square "
            "to the next."
        ),
    )


TASKS = {name: functools.partial(arm_push, name) for name in HALF_SIZES}
