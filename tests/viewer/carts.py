"""The cart of the bridge's tests as something to look at."""

import mujoco
import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.contract.observe import make_layout
from robot_gcrl.policy.runtime.file import Scenarios
from robot_gcrl.viewer.scene import Show, make_act
from tests.bridge.fakes import cart_contract


def cart_spec(*, on_a_base: bool = False) -> mujoco.MjSpec:
    """A box on two slides; on a base that floats, of which the contract says nothing."""
    spec = mujoco.MjSpec()
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=(3.0, 3.0, 0.1))
    spec.worldbody.add_light(pos=(0.0, 0.0, 4.0))
    spec.worldbody.add_camera(name="side", pos=(0.0, -6.0, 6.0), xyaxes=(1, 0, 0, 0, 0.7, 0.7))
    parent = spec.worldbody
    if on_a_base:
        parent = spec.worldbody.add_body(name="base", gravcomp=1.0)
        parent.add_freejoint(name="root")
        parent.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=(0.05, 0, 0))
    cart = parent.add_body(name="cart", pos=(0.0, 0.0, 0.2), gravcomp=1.0)
    cart.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=(0.1, 0.1, 0.1), rgba=(0.9, 0.5, 0.1, 1.0))
    for name, axis in (("x", (1, 0, 0)), ("y", (0, 1, 0))):
        cart.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis, damping=20.0)
        actuator = spec.add_actuator(
            name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT, ctrlrange=(-2.0, 2.0)
        )
        actuator.set_to_position(kp=200.0)
    return spec


def cart_show(contract: Contract | None = None, *, on_a_base: bool = False) -> Show:
    contract = contract or cart_contract()
    spec = cart_spec(on_a_base=on_a_base)
    model = spec.compile()
    qpos = np.zeros((3, model.nq), np.float32)
    if on_a_base:
        qpos[:, 2:4] = (0.7, 1.0)  # height, and no rotation
    goals = np.array([[1.0, 1.0], [-1.0, 0.5], [0.5, -1.5]], np.float32)
    return Show(
        name="cart",
        contract=contract,
        layout=make_layout(contract, model),
        spec=spec,
        substeps=10,
        episode_length=100,
        camera="side",
        scenarios=Scenarios(qpos=qpos, qvel=np.zeros((3, model.nv), np.float32), goal=goals),
        act=make_act(contract, "zero"),
        engine="C MuJoCo, zero",
    )
