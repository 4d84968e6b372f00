"""The seven-joint arm that several tasks share: its joints, limits, ready pose and action map.

`assets/README.md` names the sources of these numbers.
"""

from robot_gcrl.contract import ActionMap
from robot_gcrl.contract.fields import Mode
from robot_gcrl.task.scene import Camera

CONTROL_DT = 0.05  # [s]

JOINTS = ("joint1", "joint2", "joint3", "joint4", "joint5", "joint6", "joint7")
JOINT_LOW = (-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973)  # [rad]
JOINT_HIGH = (2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973)  # [rad]
VELOCITY_LIMIT = (2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61)  # [rad/s]
ACCELERATION_LIMIT = (15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0)  # [rad/s^2]
READY = (0.0, -0.7854, 0.0, -2.3562, 0.0, 1.5708, 0.7854)  # [rad]
START_JITTER = 0.05  # [rad]
# 1 rad/s at most, under half of the joints' limits
TARGET_CHANGE = 0.05  # of a joint per control step [rad]

GRIPPER = "gripper"
FINGER = "left_finger"  # the joint that the gripper's motor drives; the other one follows it
FINGER_OPEN = 0.04  # of each finger: the gap is twice that [m]
FINGER_SPEED = 0.05  # [m/s]
# Above what friction lets a finger reach in the simulation, which has no such limit.
FINGER_ACCELERATION = 1.0  # [m/s^2]

CAMERA = Camera(position=(1.35, 1.45, 0.95), target=(0.0, 0.24, 0.36), fovy=40.0)


def arm_actions() -> ActionMap:
    """Changes of the seven joint targets."""
    count = len(JOINTS)
    return ActionMap(
        actuators=JOINTS,
        joints=JOINTS,
        modes=("joint_position_delta",) * count,
        scale=(TARGET_CHANGE,) * count,
        offset=(0.0,) * count,
        low=JOINT_LOW,
        high=JOINT_HIGH,
        velocity_limit=VELOCITY_LIMIT,
        acceleration_limit=ACCELERATION_LIMIT,
    )


def gripper_actions() -> ActionMap:
    """Changes of the seven joint targets, and the finger's position: -1 closes, 1 opens."""
    count, middle = len(JOINTS), FINGER_OPEN / 2
    modes: tuple[Mode, ...] = (*("joint_position_delta" for _ in JOINTS), "gripper")
    return ActionMap(
        actuators=(*JOINTS, GRIPPER),
        joints=(*JOINTS, FINGER),
        modes=modes,
        scale=(*(TARGET_CHANGE,) * count, middle),
        offset=(*(0.0,) * count, middle),
        low=(*JOINT_LOW, 0.0),
        high=(*JOINT_HIGH, FINGER_OPEN),
        velocity_limit=(*VELOCITY_LIMIT, FINGER_SPEED),
        acceleration_limit=(*ACCELERATION_LIMIT, FINGER_ACCELERATION),
    )
