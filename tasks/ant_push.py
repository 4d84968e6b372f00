"""The ant pushes a block aside that stands in the way to a chamber.

The room has the shape and scale of the classic one (arXiv 1805.08296, squares of 8 m): a block
fills the square ahead of the start. Pushed straight ahead it closes the chamber; the ant has to go
around to its left and to push it to the right. Squares are four cells of a maze here.
"""

from robot_gcrl.contract import Field
from robot_gcrl.task.ant import (
    CONTROL_DT,
    FREE_JITTER,
    LEVELS,
    ant_contract,
    ant_starts,
    plane_goals,
    velocity_field,
)
from robot_gcrl.task.budgets import budgets
from robot_gcrl.task.goals import in_cells, point_goals
from robot_gcrl.task.maze import CELL, Maze
from robot_gcrl.task.regions import cell_regions
from robot_gcrl.task.scene import Prop, make_scene
from robot_gcrl.task.starts import resting_prop_starts
from robot_gcrl.task.task import Budget, Distribution, Hints, Task

ROOM = Maze(
    name="push",
    rows=(
        "########",
        "#..S.###",
        "#....###",
        "#......#",
        "#......#",
        "###GG###",
        "###GG###",
        "########",
    ),
)
# around it are the start and the squares of block and chamber
START_CELLS = ((1, 3), (1, 4), (2, 3), (2, 4))
# x ahead, y to the right; the slides count from here [m]
BLOCK_CENTER = (2.5 * CELL, 0.5 * CELL, 0.0)
BLOCK_SLIDES = ("block/x", "block/y")
GOAL_JITTER = 0.9  # of goals in training [m]

# 30 m of way around the block, 60 s at the ant's 0.5 m/s, and as long for pushing
EPISODE_LENGTH = 1200  # control steps


def ant_push() -> Task:
    """The task: from the start's square into the chamber behind the block."""
    free, goals = ROOM.positions(ROOM.free_cells), ROOM.positions(ROOM.goal_cells)
    start = resting_prop_starts(
        ant_starts(ROOM.positions(START_CELLS), jitter=FREE_JITTER, any_heading=True),
        (0.0, 0.0),
        nv=2,
    )
    return Task(
        contract=ant_contract(
            "ant_push",
            plane_goals("root", free.min(0) - CELL / 2, free.max(0) + CELL / 2),
            props=(
                Field(
                    source="sensor",
                    name="block/position",
                    components=(0, 1),
                    unit="m",
                    frame="world",
                ),
                *(velocity_field(slide, (0,), "m/s", "world") for slide in BLOCK_SLIDES),
            ),
            needs=("world position and velocity of the block",),
        ),
        scene=make_scene(
            "ant",
            walls=ROOM.walls,
            camera=ROOM.camera(),
            props=(Prop("block", name="block", position=BLOCK_CENTER),),
        ),
        episode_length=EPISODE_LENGTH,
        # Goals all over the room in training: from those the ant learns to walk and to push.
        train=Distribution(start=start, goal=point_goals(free, jitter=GOAL_JITTER)),
        eval=Distribution(start=start, goal=point_goals(goals)),
        admits=in_cells(free, side=ROOM.cell),
        regions=cell_regions(ROOM),
        realism=LEVELS,
        hints=Hints(
            horizon=10.0,
            goal_switch_interval=CONTROL_DT / 0.01,
            near_goal_radius=5.0,
            near_goal_share=0.5,
            budgets=budgets(laptop=Budget(control_steps=20_000_000, gradient_steps=300_000)),
        ),
        summary="The ant pushes a block of 7.2 m aside and walks into the chamber behind it.",
    )


TASKS = {"ant_push": ant_push}
