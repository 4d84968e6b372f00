"""A script that drags objects to their goals with the fork of the pusher, for tests."""

import mujoco
import numpy as np

NUM_JOINTS = 7
TABLE_TOP = 0.3  # [m]
ABOVE, LOW = 0.19, 0.055  # heights of the wrist above the table: over the objects, beside them [m]
BACK = 0.085  # from the wrist to the object between the prongs [m]
TWIST = 0.6  # most that the fork turns towards the goal [rad]
# of roll, pitch and yaw of the fork beside errors of its place [m/rad]
TURN_WEIGHTS = np.array((0.3, 0.1, 0.2))
REST = np.array((0.0, 1.0, 0.0, -1.3, 0.0, -0.1, 0.0))  # posture among equally good ones [rad]
POSTURE = np.array((0.0, 0.02, 0.05, 0.02, 0.05, 0.02, 0.05))  # its weight


def approach(model, scratch, targets, wrist, heading):
    """Joint targets one control step nearer to a place and heading of the level fork.

    Returns:
      Targets [7], at most 0.05 rad from the old ones, and the distance from the place [m].
    """
    fork = model.body("fork").id
    scratch.qpos[:NUM_JOINTS] = targets
    mujoco.mj_kinematics(model, scratch)
    mujoco.mj_comPos(model, scratch)
    move, turn = np.zeros((2, 3, model.nv))
    mujoco.mj_jacBody(model, scratch, move, turn, fork)
    frame = scratch.xmat[fork].reshape(3, 3)
    cos, sin = np.cos(heading), np.sin(heading)
    wanted = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    rotation = frame.T @ np.cross(frame, wanted, axis=0).sum(1) / 2
    place = wrist - scratch.xpos[fork]
    jacobian = np.vstack((move, TURN_WEIGHTS[:, None] * (frame.T @ turn)))[:, :NUM_JOINTS]
    rows = np.vstack((jacobian, np.diag(POSTURE)))
    errors = np.concatenate(
        (
            place.clip(-0.05, 0.05),
            TURN_WEIGHTS * rotation.clip(-0.3, 0.3),
            POSTURE * (REST - targets).clip(-0.3, 0.3),
        )
    )
    step = np.linalg.solve(rows.T @ rows + 1e-3 * np.eye(NUM_JOINTS), rows.T @ errors)
    step *= min(1.0, 0.05 / abs(step).max())
    low, high = model.actuator_ctrlrange.T
    return np.clip(targets + step, low, high), np.linalg.norm(place)


def wrist_behind(point, twist, height):
    """Wrist and heading of a fork around a point of the table, that opens outward but for twist."""
    heading = np.arctan2(point[1], point[0]) + twist
    back = BACK * np.array((np.cos(heading), np.sin(heading)))
    return np.array((*(point - back), TABLE_TOP + height)), heading


def push(task, data, goal, order, close=0.02):
    """Drags the objects to goals [2 n], in this order; yields the targets of each control step."""
    model, scratch = task.model, mujoco.MjData(task.model)
    targets = data.qpos[:NUM_JOINTS].copy()
    for thing in order:
        name = task.contract.success[thing].labels[0].split(".")[0]
        place, end = data.sensor(f"{name}/position").data[:2], goal[2 * thing : 2 * thing + 2]
        for height in (ABOVE, LOW):
            for _ in range(25):
                wrist, heading = wrist_behind(place, 0.0, height)
                targets, distance = approach(model, scratch, targets, wrist, heading)
                yield targets
                if distance < 0.02:
                    break
        turned = np.arctan2(end[1], end[0]) - np.arctan2(place[1], place[0])
        aim, twist = np.clip(1.5 * turned, -TWIST, TWIST), 0.0
        while np.linalg.norm(end - place) > close:
            twist += np.clip(aim - twist, -0.06, 0.06)
            ahead = 0.06 if abs(aim - twist) < 0.2 else 0.0
            wrist, heading = wrist_behind(
                place + (1.5 * (end - place)).clip(-ahead, ahead), twist, LOW
            )
            targets, _ = approach(model, scratch, targets, wrist, heading)
            yield targets
        for _ in range(8 if len(order) > 1 else 0):
            wrist, heading = wrist_behind(place, twist, ABOVE)
            targets, _ = approach(model, scratch, targets, wrist, heading)
            yield targets
