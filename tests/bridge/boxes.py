"""The text of a profile for the box of tests/contract/contracts.py."""

BOX = """
robot = "box"
actuators = ["turn", "push", "pull"]
joints = ["hinge", "slide", "none"]
modes = ["joint_position_delta", "torque", "gripper"]
units = ["rad", "N", "m"]
low = -1
high = [1.0, 2.0, 1.0]
stop = ["hold_position", "damp", "hold_position"]
damping = ["none", 0.5, "none"]
"""
