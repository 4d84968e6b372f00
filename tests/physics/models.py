"""Tiny models and tasks: an arm without contact, and a box that slides, tips and falls."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from robot_gcrl.contract import ActionMap, Contract, Field, GoalField, Healthy, SuccessGroup
from robot_gcrl.task.task import Budget, Distribution, Hints, Regions, Task

ARM = """
<mujoco model="arm">
  <option timestep="0.01" gravity="0 0 0"><flag contact="disable"/></option>
  <worldbody>
    <body name="upper"><joint name="shoulder" axis="0 0 1" damping="0.05"/>
      <geom type="capsule" fromto="0 0 0 0.1 0 0" size="0.01"/>
      <body name="lower" pos="0.1 0 0"><joint name="elbow" axis="0 0 1" damping="0.05"/>
        <geom type="capsule" fromto="0 0 0 0.1 0 0" size="0.01"/>
        <site name="tip" pos="0.1 0 0"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor name="elbow_motor" joint="elbow" gear="0.1"/>
    <general name="shoulder_motor" joint="shoulder" gear="0.1" dyntype="filter" dynprm="0.05"
      gainprm="1"/>
  </actuator>
  <sensor>
    <framepos name="tip_position" objtype="site" objname="tip"/>
    <framelinvel name="tip_velocity" objtype="site" objname="tip"/>
  </sensor>
</mujoco>
"""

BOX = """
<mujoco model="box">
  <option timestep="0.005" iterations="4" ls_iterations="8"/>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1" contype="1" conaffinity="0"/>
    <body name="box" pos="0 0 0.1"><freejoint name="root"/>
      <geom name="box" type="box" size="0.1 0.1 0.1" mass="1" contype="0" conaffinity="1"/>
      <site name="centre"/>
    </body>
  </worldbody>
  <actuator>
    <motor name="push_x" site="centre" gear="1 0 0 0 0 0"/>
    <motor name="push_y" site="centre" gear="0 1 0 0 0 0"/>
  </actuator>
  <sensor>
    <framepos name="position" objtype="body" objname="box"/>
    <framelinvel name="velocity" objtype="body" objname="box"/>
  </sensor>
</mujoco>
"""


def arm_model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(ARM)


def box_model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(BOX)


def _hints() -> Hints:
    return Hints(horizon=5.0, budgets={"smoke": Budget(control_steps=1, gradient_steps=1)})


def _regions() -> Regions:
    return Regions(names=("all",), label=lambda goals: np.zeros(goals.shape[:-1], int))


def arm_task(*, episode_length: int = 10) -> Task:
    """Two links, goals for the tip; never terminates. Contract order is not the model's."""

    def start(key):
        return jax.random.uniform(key, (2,), minval=-0.5, maxval=0.5), jnp.zeros(2)

    def goal(key, report):
        return jax.random.uniform(key, (2,), minval=-0.15, maxval=0.15)

    joints = ("shoulder", "elbow")
    contract = Contract(
        name="arm",
        robot="arm",
        control_dt=0.05,
        observation=(
            *(Field(source="qpos", name=j, transform="cos", unit="rad") for j in joints),
            *(Field(source="qvel", name=j, scale=0.1, unit="rad/s") for j in joints),
            Field(source="sensor", name="tip_position", components=(0, 1), scale=2.0, unit="m"),
            Field(source="previous_action", name="elbow_motor", components=(0, 1), unit="1"),
        ),
        goal=tuple(
            GoalField(
                label="xy"[i],
                source="sensor",
                name="tip_position",
                component=i,
                unit="m",
                low=-0.2,
                high=0.2,
            )
            for i in range(2)
        ),
        success=(SuccessGroup(labels=("x", "y"), radius=0.08),),
        action=ActionMap(
            actuators=("shoulder_motor", "elbow_motor"),
            joints=("shoulder", "elbow"),
            modes=("torque", "torque"),
            scale=(0.1, 0.2),
            offset=(0.0, 0.0),
            low=(-0.1, -0.2),
            high=(0.1, 0.2),
        ),
    )
    return Task(
        contract=contract,
        scene=mujoco.MjSpec.from_string(ARM),
        episode_length=episode_length,
        train=Distribution(start=start, goal=goal),
        eval=Distribution(start=start, goal=lambda key, report: goal(key, report) * 0.5),
        anywhere=lambda key: (jax.random.uniform(key, (2,), minval=2.0, maxval=3.0), jnp.zeros(2)),
        regions=_regions(),
        hints=_hints(),
        summary="An arm for tests.",
    )


def box_task(*, episode_length: int = 10, highest: float = 10.0) -> Task:
    """A box that is dropped, terminal above `highest` m/s of falling; goals beside where it is."""

    def start(key):
        height = jax.random.uniform(key, (), minval=0.1, maxval=1.0)
        return jnp.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]).at[2].set(height), jnp.zeros(6)

    def goal(key, report):
        return report.qpos[:2] + jax.random.uniform(key, (2,), minval=-1.0, maxval=1.0)

    contract = Contract(
        name="box",
        robot="box",
        control_dt=0.02,
        observation=(
            Field(source="qpos", name="root", components=tuple(range(7)), unit="m"),
            Field(source="sensor", name="velocity", components=(0, 1, 2), unit="m/s"),
        ),
        goal=tuple(
            GoalField(
                label="xy"[i], source="qpos", name="root", component=i, unit="m", low=-5.0, high=5.0
            )
            for i in range(2)
        ),
        success=(SuccessGroup(labels=("x", "y"), radius=0.3),),
        action=ActionMap(
            actuators=("push_x", "push_y"),
            joints=(None, None),
            modes=("torque", "torque"),
            scale=(5.0, 5.0),
            offset=(0.0, 0.0),
            low=(-5.0, -5.0),
            high=(5.0, 5.0),
        ),
        healthy=(
            Healthy(
                field=Field(source="sensor", name="velocity", components=(2,), unit="m/s"),
                low=-highest,
                high=highest,
            ),
        ),
    )
    return Task(
        contract=contract,
        scene=mujoco.MjSpec.from_string(BOX),
        episode_length=episode_length,
        train=Distribution(start=start, goal=goal),
        eval=Distribution(start=start, goal=goal),
        regions=_regions(),
        hints=_hints(),
        summary="A box for tests.",
    )
