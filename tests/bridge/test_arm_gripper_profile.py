import pytest

from robot_gcrl.bridge.guard import fit
from robot_gcrl.bridge.profile_file import load_profile
from robot_gcrl.task.registry import load_task
from tests.task.arm_script import CLOSE, OPEN, ScriptedArm

TASKS = ("arm_push", "arm_push_hard", "arm_binpick", "arm_binpick_hard", "arm_grasp")


@pytest.mark.parametrize("name", TASKS)
def test_the_profile_fits_every_task_of_the_arm_with_a_gripper(name):
    # seen to fail with the gripper's unit in rad, and with an acceleration_limit of 0.5 m/s^2
    contract = load_task(name).contract
    limits = fit(contract, load_profile("arm_gripper"))
    low, high = contract.action.ctrl_range
    assert [(axis.low, axis.high) for axis in limits.axes] == list(zip(low, high, strict=True))
    assert tuple(axis.velocity for axis in limits.axes) == contract.action.velocity_limit
    assert tuple(axis.acceleration for axis in limits.axes) == contract.action.acceleration_limit


def test_a_closed_or_open_gripper_is_within_its_margin():
    # a finger measured beyond the margin stops the arm
    # seen to fail with a damping of the fingers of 20 N s/m
    gripper = fit(load_task("arm_push").contract, load_profile("arm_gripper")).axes[-1]
    arm = ScriptedArm("arm_push", cube=(0.1, 0.6, 0.03))
    for action in (CLOSE, OPEN, CLOSE):
        for _ in range(30):
            arm.wait(action, 1)
            finger = arm.data.joint("left_finger").qpos[0]
            assert finger > gripper.position_low - gripper.margin / 2
            assert finger < gripper.position_high + gripper.margin / 2
