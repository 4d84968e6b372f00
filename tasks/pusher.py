"""A seven-joint arm with a fork pushes one or two cylinders to places on a table."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from robot_gcrl.contract import ActionMap, Contract, Field, GoalField, SuccessGroup
from robot_gcrl.contract.observe import Report, achieved_goal, make_layout, read_inputs
from robot_gcrl.task.budgets import budgets
from robot_gcrl.task.realism import bench_levels
from robot_gcrl.task.regions import distance_regions
from robot_gcrl.task.scene import Camera, Prop, make_scene
from robot_gcrl.task.task import Budget, Distribution, Hints, SampleGoal, SampleStart, Task

CONTROL_DT = 0.05  # [s]
VELOCITY_SCALE = 0.2
NEAREST = 0.17  # no goal is nearer to where its object starts, as in Gymnasium's pusher [m]

# assets/README.md names the sources of these.
JOINTS = (
    "shoulder_pan",
    "shoulder_lift",
    "upper_arm_roll",
    "elbow_flex",
    "forearm_roll",
    "wrist_flex",
    "wrist_roll",
)
JOINT_LOW = (-2.2854, -0.5236, -1.5, -2.3213, -1.5, -1.094, -1.5)  # [rad]
JOINT_HIGH = (1.7146, 1.3963, 1.7, 0.0, 1.5, 0.0, 1.5)  # [rad]
# The fork hangs above the middle of the table, higher than the objects.
READY = (0.0, 1.22, 0.0, -1.5, 0.0, -0.06, 0.0)  # [rad]
START_JITTER = 0.05  # [rad]
TARGET_CHANGE = 0.05  # of a joint per control step, 1 rad/s at most [rad]

TABLE = 0.35  # height of an object's origin, 5 cm above the table's top [m]
SECOND_COLOR = (0.10, 0.45, 0.72, 1.0)

CAMERA = Camera(position=(1.85, -1.35, 1.4), target=(0.5, 0.0, 0.38), fovy=40.0)

Box = tuple[tuple[float, float], tuple[float, float]]  # (low, high) of x and of y [m]


@dataclass(frozen=True, kw_only=True)
class _Variant:
    """Where objects start and shall go.

    Attributes:
      starts: a box for each object.
      goals: likewise.
      radius: of each object's success [m].
      episode_length: control steps.
      laptop: budget.
      summary: one sentence.
    """

    starts: tuple[Box, ...]
    goals: tuple[Box, ...]
    radius: float
    episode_length: int
    laptop: Budget
    summary: str

    @property
    def objects(self) -> tuple[str, ...]:
        """Names of the objects in the scene."""
        count = len(self.starts)
        return ("object",) if count == 1 else tuple(f"object_{i + 1}" for i in range(count))


_RIGHT, _LEFT = (-0.25, -0.085), (0.085, 0.25)  # y, on either side of the middle [m]
_WIDE: Box = ((0.56, 0.7), (-0.3, 0.3))
# x of two bands, an object's width apart, which lead outward a little: the fork opens outward [m]
_NEAR, _FAR = (0.54, 0.57), (0.67, 0.7)
_NEAR_END, _FAR_END = (0.57, 0.6), (0.7, 0.72)

VARIANTS = {
    "pusher": _Variant(
        starts=(((0.55, 0.65), _RIGHT),),
        goals=(((0.6, 0.68), _LEFT),),
        radius=0.1,
        episode_length=100,
        laptop=Budget(control_steps=250_000, gradient_steps=12_500),
        summary="An arm pushes a cylinder from the right to the left of a table, within 0.1 m.",
    ),
    "pusher_hard": _Variant(
        starts=(_WIDE,),
        goals=(_WIDE,),
        radius=0.05,
        episode_length=150,
        laptop=Budget(control_steps=600_000, gradient_steps=30_000),
        summary="An arm pushes a cylinder from anywhere to anywhere on a table, within 0.05 m.",
    ),
    "pusher_two": _Variant(
        starts=((_NEAR, _RIGHT), (_FAR, _RIGHT)),
        goals=((_NEAR_END, _LEFT), (_FAR_END, _LEFT)),
        radius=0.1,
        episode_length=200,
        laptop=Budget(control_steps=600_000, gradient_steps=30_000),
        summary="An arm pushes two cylinders to the left, each along its band of the table.",
    ),
}


def make_contract(name: str) -> Contract:
    """Joint angles and velocities, the fork's tip, the objects' places; joint position deltas."""
    variant, count = VARIANTS[name], len(JOINTS)
    return Contract(
        name=name,
        robot="pusher",
        control_dt=CONTROL_DT,
        observation=(
            *(Field(source="qpos", name=joint, unit="rad") for joint in JOINTS),
            *(
                Field(source="qvel", name=joint, scale=VELOCITY_SCALE, unit="rad/s")
                for joint in JOINTS
            ),
            _place("tip_in_world", 3),
            *(_place(f"{thing}/position", 2) for thing in variant.objects),
        ),
        goal=tuple(
            GoalField(
                label=f"{thing}.{'xy'[i]}",
                source="sensor",
                name=f"{thing}/position",
                component=i,
                unit="m",
                low=low,
                high=high,
            )
            for thing, box in zip(variant.objects, variant.goals, strict=True)
            for i, (low, high) in enumerate(box)
        ),
        success=tuple(
            SuccessGroup(labels=(f"{thing}.x", f"{thing}.y"), radius=variant.radius)
            for thing in variant.objects
        ),
        action=ActionMap(
            actuators=JOINTS,
            joints=JOINTS,
            modes=("joint_position_delta",) * count,
            scale=(TARGET_CHANGE,) * count,
            offset=(0.0,) * count,
            low=JOINT_LOW,
            high=JOINT_HIGH,
        ),
        needs=("places of the objects on the table",),
    )


def _place(sensor: str, size: int) -> Field:
    return Field(
        source="sensor", name=sensor, components=tuple(range(size)), unit="m", frame="world"
    )


def table_starts(boxes: tuple[Box, ...]) -> SampleStart:
    """The arm near its ready pose, each object somewhere in its box; all at rest."""
    low, high = np.array(boxes, np.float32).reshape(-1, 2).T
    ready = np.array(READY, np.float32)
    nv = len(ready) + len(low)

    def sample(key: jax.Array, /) -> tuple[jax.Array, jax.Array]:
        arm_key, place_key = jax.random.split(key)
        moved = jax.random.uniform(arm_key, ready.shape, minval=-START_JITTER, maxval=START_JITTER)
        places = jax.random.uniform(place_key, low.shape, minval=low, maxval=high)
        return jnp.concatenate((ready + moved, places)), jnp.zeros(nv)

    return sample


def table_goals(contract: Contract, model: mujoco.MjModel, boxes: tuple[Box, ...]) -> SampleGoal:
    """Goals x, y of each object, uniform over its box but for what is nearer than `NEAREST`."""
    layout = make_layout(contract, model)
    low, high = np.array(boxes, np.float32).reshape(-1, 2).T
    # At most 0.6 of the wide box is too near: all of 32 draws are for fewer than one goal in 10^7.
    tries = 32

    def sample(key: jax.Array, report: Report, /) -> jax.Array:
        objects = achieved_goal(contract, read_inputs(layout, report, jnp)).reshape(-1, 2)
        drawn = jax.random.uniform(key, (tries, len(low)), minval=low, maxval=high)
        places = drawn.reshape(tries, -1, 2)
        far = jnp.linalg.norm(places - objects, axis=-1) >= NEAREST
        # Each object takes the first of its draws that is far enough.
        first = far.argmax(0)
        return places[first, jnp.arange(len(objects))].ravel()

    return sample


def _make_scene(objects: tuple[str, ...]) -> mujoco.MjSpec:
    scene = make_scene(
        "pusher",
        camera=CAMERA,
        tile=0.25,
        props=tuple(Prop("cylinder", name=thing, position=(0.0, 0.0, TABLE)) for thing in objects),
    )
    for thing in objects[1:]:
        scene.material(f"{thing}/body").rgba = SECOND_COLOR
    return scene


def pusher(name: str) -> Task:
    """The task of this name."""
    variant, contract = VARIANTS[name], make_contract(name)
    scene = _make_scene(variant.objects)
    distribution = Distribution(
        start=table_starts(variant.starts),
        goal=table_goals(contract, scene.compile(), variant.goals),
    )
    centers = np.array(variant.goals).mean(-1).ravel()
    return Task(
        contract=contract,
        scene=scene,
        episode_length=variant.episode_length,
        train=distribution,
        eval=distribution,
        regions=distance_regions(
            (0.1, 0.3), origin=tuple(centers.tolist()), unit="m from the middle of the goals"
        ),
        realism=bench_levels(
            JOINTS, ("tip_in_world", *(f"{thing}/position" for thing in variant.objects))
        ),
        hints=Hints(horizon=5.0, budgets=budgets(laptop=variant.laptop)),
        summary=variant.summary,
    )


TASKS = {name: functools.partial(pusher, name) for name in VARIANTS}
