"""A position-controlled quadruped walks to points of the floor and turns to a heading there.

It observes what such a robot measures by itself (joints, the direction of gravity, the gyro, its
own last action) and where it stands, which something else must tell it. Its velocity over the floor
is not observed: no sensor of such a robot measures it.
"""

import jax
import jax.numpy as jnp
import numpy as np

from robot_gcrl.contract import ActionMap, Contract, Field, GoalField, Healthy, SuccessGroup
from robot_gcrl.contract.observe import Report
from robot_gcrl.contract.realism import (
    Delay,
    GoalBias,
    Noise,
    Pose,
    Push,
    Realism,
    Variation,
    softened,
)
from robot_gcrl.task.budgets import budgets
from robot_gcrl.task.goals import disk_goals
from robot_gcrl.task.regions import distance_regions
from robot_gcrl.task.scene import Camera, make_scene
from robot_gcrl.task.starts import floating_starts
from robot_gcrl.task.task import Budget, Distribution, Hints, Regions, SampleGoal, Task

CONTROL_DT = 0.02  # [s]
EPISODE_LENGTH = 750  # control steps: 15 s for up to 3 m and half a turn
RADIUS = 0.3  # of success in x, y [m]
HEADING_RADIUS = 0.35  # of success in (cos, sin) of the heading, about 20 degrees
REACH = 3.0  # radius of the disk of goals [m]

LEGS = ("FL", "FR", "RL", "RR")
JOINTS = tuple(f"{leg}_{joint}" for leg in LEGS for joint in ("hip", "thigh", "calf"))
# assets/README.md names the sources of these.
JOINT_LOW = (-0.863, -0.686, -2.818) * 4  # [rad]
JOINT_HIGH = (0.863, 4.501, -0.888) * 4  # [rad]
# What action 0 commands: hips a little outwards, feet below the weight [rad]
POSE = (0.1, 0.8, -1.5, -0.1, 0.8, -1.5, 0.1, 1.0, -1.5, -0.1, 1.0, -1.5)
# What action 1 adds to it: enough for a trot, little enough that random actions seldom fall [rad]
POSE_CHANGE = (0.25, 0.5, 0.6) * 4

STANDING = (0.0, 0.0, 0.33, 1.0, 0.0, 0.0, 0.0, *POSE)  # feet 1 cm above the floor
START_JITTER = 0.1  # of the position [m]
JOINT_JITTER = 0.05  # [rad]
VELOCITY_JITTER = 0.1  # [m/s], [rad/s]

JOINT_VELOCITY_SCALE = 0.1
GYRO_SCALE = 0.2
# Tilted by more than 60 degrees it has fallen: it does not get up again within this action's range.
LEAST_UPRIGHT = 0.5

# What differs between robots of this kind, their floors and their links; assets/README.md says why.
FULL = Realism(
    variations=(
        Variation(quantity="mass", low=0.9, high=1.1),
        # a load, or none of the battery
        Variation(quantity="mass", names=("trunk",), low=0.85, high=1.3),
        Variation(quantity="center_of_mass", names=("trunk",), low=-0.03, high=0.03),
        # the feet's counts at every contact: from wet tiles to rubber
        Variation(quantity="friction", low=0.5, high=1.5, together=True),
        Variation(quantity="actuator_gain", names=JOINTS, low=0.85, high=1.15),
        Variation(quantity="damping", names=JOINTS, low=0.7, high=1.5),
        Variation(quantity="friction_loss", names=JOINTS, low=0.0, high=0.15),
        Variation(quantity="armature", names=JOINTS, low=0.7, high=1.4),
    ),
    slope=0.08,
    poses=tuple(Pose(joint=joint, low=-0.1, high=0.1) for joint in JOINTS),
    noises=(
        Noise(source="qpos", names=JOINTS, std=0.01, bias=0.02),
        Noise(source="qvel", names=JOINTS, std=0.5),
        Noise(source="qpos", names=("root",), std=0.02),
        Noise(source="sensor", names=("up_in_trunk",), std=0.02, bias=0.02),
        Noise(source="sensor", names=("gyro",), std=0.1, bias=0.05),
        Noise(source="sensor", names=("forward_in_world",), std=0.02),
    ),
    goal_bias=(GoalBias(labels=("x", "y"), bias=0.1),),
    observation_delay=Delay(low=0.0, high=0.015, jitter=0.005, hold=0.02),
    action_delay=Delay(low=0.005, high=0.025, jitter=0.005, hold=0.02),
    push=Push(joint="root", interval=4.0, velocity=0.5, spin=0.5),
)
SOFTER = 0.4  # of FULL, for the level low

CAMERA = Camera(position=(1.6, -1.3, 0.95), target=(0.0, 0.0, 0.17), fovy=35.0)


def make_contract() -> Contract:
    """Joints, gravity, gyro, last action and place; joint positions. Goals x, y and heading."""
    count = len(JOINTS)
    return Contract(
        name="quadruped",
        robot="quadruped",
        control_dt=CONTROL_DT,
        observation=(
            *(Field(source="qpos", name=joint, unit="rad") for joint in JOINTS),
            *(
                Field(source="qvel", name=joint, scale=JOINT_VELOCITY_SCALE, unit="rad/s")
                for joint in JOINTS
            ),
            # the vertical as the trunk sees it: the direction of gravity, negated
            Field(source="sensor", name="up_in_trunk", components=(0, 1, 2), unit="1",
                  frame="trunk"),
            Field(source="sensor", name="gyro", components=(0, 1, 2), scale=GYRO_SCALE,
                  unit="rad/s", frame="trunk"),
            # as many as the greatest delay of FULL spans
            *(
                Field(source="previous_action", name=joint, components=(0, 1, 2), unit="1")
                for joint in JOINTS
            ),
            # Goals compare with these: they must be observed as they are.
            Field(source="qpos", name="root", components=(0, 1), unit="m", frame="world"),
            Field(source="sensor", name="forward_in_world", components=(0, 1), unit="1",
                  frame="world"),
        ),
        goal=(
            *(
                GoalField(label=label, source="qpos", name="root", component=i, unit="m",
                          low=-REACH, high=REACH)
                for i, label in enumerate("xy")
            ),
            *(
                GoalField(label=label, source="sensor", name="forward_in_world", component=i,
                          unit="1", low=-1.0, high=1.0)
                for i, label in enumerate(("heading.cos", "heading.sin"))
            ),
        ),
        success=(
            SuccessGroup(labels=("x", "y"), radius=RADIUS),
            SuccessGroup(labels=("heading.cos", "heading.sin"), radius=HEADING_RADIUS),
        ),
        action=ActionMap(
            actuators=JOINTS,
            joints=JOINTS,
            modes=("joint_position",) * count,
            scale=POSE_CHANGE,
            offset=POSE,
            low=JOINT_LOW,
            high=JOINT_HIGH,
        ),
        healthy=(
            Healthy(
                field=Field(source="sensor", name="up_in_trunk", components=(2,), unit="1",
                            frame="trunk"),
                low=LEAST_UPRIGHT,
                high=2.0,  # above every cosine, also a rounded one
            ),
        ),
        needs=("position of the trunk in the world, x and y", "heading of the trunk in the world"),
    )  # fmt: skip


def pose_goals(radius: float) -> SampleGoal:
    """Goals [4]: x, y uniform over a disk around the origin [m], cos and sin of any heading."""
    place = disk_goals(radius)

    def sample(key: jax.Array, report: Report, /) -> jax.Array:
        place_key, heading_key = jax.random.split(key)
        heading = jax.random.uniform(heading_key, minval=-np.pi, maxval=np.pi)
        turned = jnp.stack((jnp.cos(heading), jnp.sin(heading)))
        return jnp.concatenate((place(place_key, report), turned))

    return sample


def place_regions() -> Regions:
    """Rings of the goal's place around the origin; its heading does not count."""
    rings = distance_regions((1.0, 2.0, REACH), origin=(0.0, 0.0), unit="m")
    return Regions(names=rings.names, label=lambda goals: rings.label(goals[..., :2]))


def quadruped() -> Task:
    """The task."""
    distribution = Distribution(
        start=floating_starts(
            STANDING,
            np.zeros((1, 2)),
            jitter=START_JITTER,
            joints=JOINT_JITTER,
            velocity=VELOCITY_JITTER,
            any_heading=True,
        ),
        goal=pose_goals(REACH),
    )
    return Task(
        contract=make_contract(),
        scene=make_scene("quadruped", camera=CAMERA, tile=0.25),
        episode_length=EPISODE_LENGTH,
        train=distribution,
        eval=distribution,
        regions=place_regions(),
        hints=Hints(
            horizon=4.0,
            budgets=budgets(laptop=Budget(control_steps=6_000_000, gradient_steps=80_000)),
        ),
        realism={"low": softened(FULL, SOFTER), "full": FULL},
        summary="A four-legged robot walks to a point within 3 m and turns to a heading there.",
    )


TASKS = {"quadruped": quadruped}
