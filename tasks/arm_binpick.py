"""A seven-joint arm takes a cube out of one bin and puts it into the other."""

import functools
from typing import NamedTuple

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
from robot_gcrl.task.scene import Box
from robot_gcrl.task.task import Budget, Distribution, Hints, Task

RADIUS = 0.1  # [m]
EPISODE_LENGTH = 240  # control steps: a scripted arm needs half of that
TURN = 0.1  # of the cube [rad]

WALL = 0.01  # half of the walls' thickness [m]
# The hand, which is 6 cm above the floor when it holds the cube, passes over the rim but must rise
# over the wall between the bins, over which nothing can be pushed.
RIM_HEIGHT = 0.05  # [m]
DIVIDER_HEIGHT = 0.08  # [m]
# A cube that stands askew in a corner of its region stays off the walls: half its diagonal, 4.3 cm.
MARGIN = 0.05  # [m]


class Bins(NamedTuple):
    """Two bins beside each other, with one wall between; their middles at (+-x, y).

    Attributes:
      x: [m].
      y: [m].
      half: half side of the squares of starts (right bin) and goals (left bin) [m].
    """

    x: float
    y: float
    half: float


BINS = {
    "arm_binpick": Bins(x=0.16, y=0.5, half=0.09),
    "arm_binpick_hard": Bins(x=0.30, y=0.45, half=0.15),
}


def make_walls(bins: Bins) -> tuple[Box, ...]:
    """The wall between the bins and the rim around both."""
    depth = bins.half + MARGIN
    width = bins.x + depth
    return (
        Box(center=(0.0, bins.y), half_size=(WALL, depth), height=DIVIDER_HEIGHT),
        *(
            Box(center=(x, bins.y), half_size=(WALL, depth), height=RIM_HEIGHT)
            for x in (-width - WALL, width + WALL)
        ),
        *(
            Box(center=(0.0, y), half_size=(width + 2 * WALL, WALL), height=RIM_HEIGHT)
            for y in (bins.y - depth - WALL, bins.y + depth + WALL)
        ),
    )


def arm_binpick(name: str) -> Task:
    """The task with the bins of this name."""
    bins = BINS[name]
    starts, goals = (
        Region(center=(x, bins.y), half_size=(bins.half, bins.half)) for x in (bins.x, -bins.x)
    )
    outer = bins.x + bins.half
    distribution = Distribution(start=cube_starts(starts, turn=TURN), goal=place_goals(goals))
    scene = cube_scene(walls=make_walls(bins))
    return Task(
        contract=cube_contract(
            name,
            # also the bin of the starts: cubes may be sent back
            goal=cube_goal_fields((-outer, bins.y - bins.half), (outer, bins.y + bins.half)),
            success=(SuccessGroup(labels=("cube.x", "cube.y", "cube.z"), radius=RADIUS),),
        ),
        scene=scene,
        episode_length=EPISODE_LENGTH,
        train=distribution,
        eval=distribution,
        # twice as many before the wall as behind it
        anywhere=close_starts(scene.compile(), (starts, starts, goals), holding=0.25, astride=0.65),
        regions=distance_regions(
            (bins.x, 1.5 * outer), origin=(0.0, bins.y, LYING), unit="m from the wall's middle"
        ),
        realism=cube_levels(goal=("cube.x", "cube.y", "cube.z")),
        hints=Hints(
            horizon=6.0,
            random_start_share=0.5,
            budgets=budgets(laptop=Budget(control_steps=3_000_000, gradient_steps=120_000)),
            # as arm_push: most rows are of a cube at rest
            agent={"moving_share": 0.9},
        ),
        summary=(
            "A seven-joint arm with a gripper brings a 6 cm cube over a wall into the other bin, "
            f"{2 * bins.x:g} m away."
        ),
    )


TASKS = {name: functools.partial(arm_binpick, name) for name in BINS}
