"""How arms of this kind, and a cube that a camera sees, differ from their models.

The numbers are chosen: repeatability and calibration of such an arm are far below them, a cube's
place from a camera on a table is about as good as they say.
"""

from robot_gcrl.contract.realism import (
    Delay,
    GoalBias,
    Noise,
    Pose,
    Realism,
    Variation,
    softened,
)
from robot_gcrl.task.arm import FINGER, GRIPPER, JOINTS
from robot_gcrl.task.realism import SOFTER

_LINKS = ("link1", "link2", "link3", "link4", "link5", "link6", "link7", "hand")
_MODEL = (
    Variation(quantity="mass", names=_LINKS, low=0.9, high=1.1),
    Variation(quantity="actuator_gain", names=JOINTS, low=0.85, high=1.15),
    Variation(quantity="damping", names=JOINTS, low=0.8, high=1.25),
    Variation(quantity="armature", names=JOINTS, low=0.8, high=1.25),
)
_NOISES = (
    Noise(source="qpos", names=JOINTS, std=0.002, bias=0.005),
    Noise(source="sensor", names=("tip_in_world",), std=0.002, bias=0.005),
    Noise(source="sensor", names=("tip_velocity_in_world",), std=0.02),
)
_POSES = tuple(Pose(joint=joint, low=-0.05, high=0.05) for joint in JOINTS)

# Without delay: the arm that reaches observes no previous action.
_REACH = Realism(
    variations=_MODEL,
    poses=_POSES,
    noises=_NOISES,
    goal_bias=(GoalBias(labels=("x", "y", "z"), bias=0.01),),
)
REACH_LEVELS: dict[str, Realism] = {"low": softened(_REACH, SOFTER), "full": _REACH}
"""Realism of the arm alone."""


def cube_levels(*, goal: tuple[str, ...], sensors: tuple[str, ...] = ()) -> dict[str, Realism]:
    """Realism of the arm with a cube.

    Args:
      goal: labels of the places among the goal fields.
      sensors: of places on the hand that are observed beside the tip.
    """
    full = Realism(
        variations=(
            *_MODEL,
            Variation(quantity="mass", names=("cube/body",), low=0.5, high=2.0),
            # the pads' counts where fingers hold, the cube's where it lies
            Variation(quantity="friction", low=0.7, high=1.2, together=True),
            Variation(quantity="actuator_gain", names=(GRIPPER,), low=0.9, high=1.1),
        ),
        poses=_POSES,
        noises=(
            *_NOISES,
            Noise(source="qpos", names=(FINGER,), std=0.0005),
            *((Noise(source="sensor", names=sensors, std=0.002),) if sensors else ()),
            Noise(source="sensor", names=("cube/position",), std=0.003, bias=0.005),
            Noise(source="sensor", names=("cube/velocity",), std=0.03),
            Noise(source="sensor", names=("cube/x_axis",), std=0.03),
        ),
        goal_bias=(GoalBias(labels=goal, bias=0.005),),
        # a camera's frame and its evaluation; a command over a network. Together at most one
        # control step: that many previous actions are observed.
        observation_delay=Delay(low=0.005, high=0.025, jitter=0.005, hold=0.02),
        action_delay=Delay(low=0.0, high=0.015, jitter=0.005, hold=0.01),
    )
    return {"low": softened(full, SOFTER), "full": full}
