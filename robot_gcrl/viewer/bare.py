"""A scene without a robot: the floor and the goal, for who has no policy file."""

import mujoco
import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.contract.observe import Layout
from robot_gcrl.policy.runtime.file import Scenarios
from robot_gcrl.viewer.goals import make_markers
from robot_gcrl.viewer.scene import Show, make_act

_FLOOR = (0.35, 0.37, 0.4, 1.0)
# Of the floor beyond the bounds of the goal, in their size
_MARGIN = 0.5
_NOTHING = np.zeros(0, np.int32)


def bare_show(contract: Contract, name: str) -> Show:
    """The floor and a light; no joints, starts or goals of an evaluation.

    Args:
      contract: of the robot that is not seen.
      name: for the window's title.
    """
    low, high = contract.goal_bounds
    corners = [
        marker.position(bound, 0.0) for marker in make_markers(contract) for bound in (low, high)
    ]
    places = np.array(corners or [(-1.0, -1.0, 0.0), (1.0, 1.0, 0.0)])
    center = (places.min(0) + places.max(0))[:2] / 2
    reach = float(np.ptp(places, axis=0)[:2].max())
    spec = mujoco.MjSpec()
    spec.modelname = contract.name
    spec.stat.center, spec.stat.extent = (*center, 0.0), reach
    spec.worldbody.add_light(
        pos=(*center, 2.0 * reach), type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
    )
    spec.worldbody.add_geom(
        name="floor",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        pos=(*center, 0.0),
        size=(half := (0.5 + _MARGIN) * reach, half, 0.01),
        rgba=_FLOOR,
    )
    return Show(
        name=name,
        contract=contract,
        layout=Layout(inputs=_NOTHING, healthy=_NOTHING, actuators=_NOTHING),
        spec=spec,
        substeps=1,
        episode_length=1,
        camera="",
        scenarios=Scenarios(
            qpos=np.zeros((0, 0), np.float32),
            qvel=np.zeros((0, 0), np.float32),
            goal=np.zeros((0, contract.goal_size), np.float32),
        ),
        act=make_act(contract, "zero"),
        engine="a policy server",
    )
