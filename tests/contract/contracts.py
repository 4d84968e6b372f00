"""A contract with every kind of field, and a model that it fits."""

from dataclasses import replace

import mujoco

from robot_gcrl.contract import ActionMap, Contract, Field, GoalField, Healthy, SuccessGroup

XML = """
<mujoco>
  <worldbody>
    <body name="box" pos="0 0 1">
      <freejoint name="root"/>
      <geom size="0.1"/>
      <body pos="0 0 0.2">
        <joint name="hinge" axis="0 1 0"/>
        <geom size="0.05" pos="0.1 0 0"/>
        <site name="tip" pos="0.2 0 0"/>
        <body pos="0.2 0 0">
          <joint name="slide" type="slide"/>
          <geom size="0.02"/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor name="push" joint="slide"/>
    <position name="turn" joint="hinge"/>
    <motor name="pull" site="tip" gear="1 0 0 0 0 0"/>
  </actuator>
  <sensor>
    <framepos name="tip_in_world" objtype="site" objname="tip"/>
    <accelerometer name="tip_acceleration" site="tip"/>
  </sensor>
</mujoco>
"""


def make_spec() -> mujoco.MjSpec:
    return mujoco.MjSpec.from_string(XML)


def make_model() -> mujoco.MjModel:
    return make_spec().compile()


ACTION_MAP = ActionMap(
    actuators=("turn", "push", "pull"),
    joints=("hinge", "slide", None),
    modes=("joint_position_delta", "torque", "gripper"),
    scale=(0.1, 2.0, 1.0),
    offset=(9.0, 0.5, 0.0),
    low=(-1.0, -2.0, -1.0),
    high=(1.0, 2.0, 1.0),
)


CONTRACT = Contract(
    name="demo",
    robot="box",
    control_dt=0.1,
    observation=(
        Field(source="sensor", name="tip_in_world", components=(2, 0), unit="m", scale=2.0),
        Field(source="qpos", name="hinge", unit="rad", transform="cos"),
        Field(source="qpos", name="hinge", unit="rad", transform="sin", scale=3.0),
        Field(source="previous_action", name="push", unit="1"),
        Field(source="qvel", name="root", components=(3, 5), unit="rad/s", scale=0.1),
        Field(source="qpos", name="root", components=(0, 1), unit="m", frame="world"),
        Field(source="qpos", name="slide", unit="m"),
    ),
    goal=(
        GoalField(
            label="z",
            source="sensor",
            name="tip_in_world",
            component=2,
            unit="m",
            low=0.0,
            high=2.0,
        ),
        GoalField(label="x", source="qpos", name="root", unit="m", low=-1.0, high=1.0),
        GoalField(label="y", source="qpos", name="root", component=1, unit="m", low=-1.0, high=1.0),
    ),
    success=(
        SuccessGroup(labels=("x", "y"), radius=0.5),
        SuccessGroup(labels=("z",), radius=0.1),
    ),
    action=ACTION_MAP,
    healthy=(
        Healthy(
            field=Field(source="qpos", name="root", components=(2,), unit="m"), low=0.2, high=2.0
        ),
        Healthy(
            field=Field(source="qpos", name="hinge", unit="rad", transform="cos"), low=0.0, high=1.0
        ),
    ),
)


# The last three actions, of one actuator out of order
REMEMBERING = replace(
    CONTRACT,
    observation=(
        *CONTRACT.observation,
        Field(source="previous_action", name="pull", components=(2, 1), unit="1", scale=0.5),
    ),
)


def make_action_map(**changes) -> ActionMap:
    return replace(ACTION_MAP, **changes)


def make_contract(**changes) -> Contract:
    return replace(CONTRACT, **changes)
