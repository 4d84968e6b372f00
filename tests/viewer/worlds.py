"""A cart on a plane beside a box, and what shows it: no JAX, no policy file."""

import mujoco
import numpy as np

from robot_gcrl.contract import ActionMap, Contract, Field, GoalField, SuccessGroup
from robot_gcrl.contract.observe import make_layout
from robot_gcrl.policy.runtime.file import Scenarios
from robot_gcrl.viewer.scene import Act, Show
from tests.bridge.fakes import TowardsGoal, cart_contract

SUBSTEPS = 4
TIMESTEP = 0.005
CART = """
<mujoco>
  <option timestep="0.005"/>
  <worldbody>
    <camera name="scene" pos="0 0 5"/>
    <geom name="ground" type="plane" size="5 5 0.1"/>
    <body name="cart" pos="0 0 0.1">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="y" type="slide" axis="0 1 0"/>
      <geom name="cart" size="0.08" mass="1"/>
    </body>
    <body name="box" pos="0.5 0.5 0.3">
      <freejoint name="box"/>
      <geom name="box" type="box" size="0.1 0.1 0.1"/>
    </body>
  </worldbody>
  <actuator>
    <position name="x" joint="x" kp="200" kv="20"/>
    <position name="y" joint="y" kp="200" kv="20"/>
  </actuator>
</mujoco>
"""
STARTS = ((-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (0.0, -0.5))
GOALS = ((0.5, 0.5), (-0.25, 1.5), (1.75, -1.5))


def make_scenarios(model: mujoco.MjModel, goals: tuple[tuple[float, ...], ...]) -> Scenarios:
    qpos = np.tile(model.qpos0, (len(STARTS), 1))
    if model.nq > 2:
        qpos[:, :2] = STARTS
    qvel = np.zeros((len(STARTS), model.nv))
    qvel[:, 0] = np.linspace(-0.1, 0.1, len(STARTS))
    return Scenarios(*(np.array(value, np.float32) for value in (qpos, qvel, goals)))


def make_show(
    act: Act | None = None,
    *,
    contract: Contract | None = None,
    xml: str = CART,
    goals: tuple[tuple[float, ...], ...] = GOALS,
) -> Show:
    contract = contract or cart_contract()
    spec = mujoco.MjSpec.from_string(xml)
    model = spec.compile()
    return Show(
        name="cart",
        contract=contract,
        layout=make_layout(contract, model),
        spec=spec,
        substeps=SUBSTEPS,
        episode_length=100,
        camera="scene",
        scenarios=make_scenarios(model, goals),
        act=act or TowardsGoal(),
        engine="C MuJoCo, by hand",
    )


HINGES = tuple(f"hinge{i}" for i in range(5))


def chain_contract() -> Contract:
    """Five angles are the goal: no place in the world."""
    angles = [Field(source="qpos", name=name, unit="rad") for name in HINGES]
    return Contract(
        name="chain",
        robot="chain",
        control_dt=SUBSTEPS * TIMESTEP,
        observation=(*angles,),
        goal=tuple(
            GoalField(label=name, source="qpos", name=name, unit="rad", low=-1.0, high=1.0)
            for name in HINGES
        ),
        success=(SuccessGroup(labels=HINGES, radius=0.2),),
        action=ActionMap(
            actuators=HINGES,
            joints=HINGES,
            modes=("torque",) * 5,
            scale=(0.01,) * 5,
            offset=(0.0,) * 5,
            low=(-0.01,) * 5,
            high=(0.01,) * 5,
        ),
    )


def chain_xml() -> str:
    bodies = "".join(
        f'<body pos="0.1 0 0"><joint name="{name}" axis="0 0 1" damping="0.1"/>'
        '<geom size="0.02" pos="0.05 0 0"/>'
        for name in HINGES
    )
    motors = "".join(f'<motor name="{name}" joint="{name}"/>' for name in HINGES)
    return (
        f'<mujoco><option timestep="{TIMESTEP}"/><worldbody><camera name="scene" pos="0 0 5"/>'
        f"{bodies}{'</body>' * 5}</worldbody><actuator>{motors}</actuator></mujoco>"
    )
