"""A seven-joint arm brings its fingertips to points in space by changing its joint targets."""

import functools

from robot_gcrl.contract import Contract, Field, GoalField, SuccessGroup
from robot_gcrl.task.arm import CAMERA, CONTROL_DT, JOINTS, READY, START_JITTER, arm_actions
from robot_gcrl.task.arm_realism import REACH_LEVELS
from robot_gcrl.task.budgets import budgets
from robot_gcrl.task.goals import box_goals
from robot_gcrl.task.regions import distance_regions
from robot_gcrl.task.scene import make_scene
from robot_gcrl.task.starts import jittered_starts
from robot_gcrl.task.task import Budget, Distribution, Hints, Task

EPISODE_LENGTH = 100  # control steps
RADII = {"arm_reach_easy": 0.3, "arm_reach": 0.1, "arm_reach_hard": 0.03}  # [m]
GOAL_CENTER = (0.0, 0.5, 0.3)  # [m], in front of the arm
GOAL_HALF_SIZE = 0.2  # [m]


def make_contract(name: str) -> Contract:
    """Joint angles, the tip and its velocity; joint position deltas."""
    tip = ("tip_in_world", "m"), ("tip_velocity_in_world", "m/s")
    return Contract(
        name=name,
        robot="arm",
        control_dt=CONTROL_DT,
        observation=(
            *(Field(source="qpos", name=joint, unit="rad") for joint in JOINTS),
            *(
                Field(source="sensor", name=sensor, components=(0, 1, 2), unit=unit, frame="world")
                for sensor, unit in tip
            ),
        ),
        goal=tuple(
            GoalField(
                label=label,
                source="sensor",
                name="tip_in_world",
                component=i,
                unit="m",
                low=center - GOAL_HALF_SIZE,
                high=center + GOAL_HALF_SIZE,
            )
            for i, (label, center) in enumerate(zip("xyz", GOAL_CENTER, strict=True))
        ),
        success=(SuccessGroup(labels=("x", "y", "z"), radius=RADII[name]),),
        action=arm_actions(),
    )


def arm_reach(name: str) -> Task:
    """The task with the radius of this name."""
    distribution = Distribution(
        start=jittered_starts(READY, nv=len(JOINTS), position=START_JITTER),
        goal=box_goals(
            [c - GOAL_HALF_SIZE for c in GOAL_CENTER], [c + GOAL_HALF_SIZE for c in GOAL_CENTER]
        ),
    )
    return Task(
        contract=make_contract(name),
        scene=make_scene("arm", camera=CAMERA, tile=0.25),
        episode_length=EPISODE_LENGTH,
        train=distribution,
        eval=distribution,
        regions=distance_regions(
            (0.15, 0.25, 0.35), origin=GOAL_CENTER, unit="m from the box's center"
        ),
        realism=REACH_LEVELS,
        hints=Hints(
            horizon=5.0,
            budgets=budgets(laptop=Budget(control_steps=100_000, gradient_steps=5_000)),
        ),
        summary=(
            "A seven-joint arm brings its fingertips to a point in a 0.4 m box, within "
            f"{RADII[name]:g} m."
        ),
    )


TASKS = {name: functools.partial(arm_reach, name) for name in RADII}
