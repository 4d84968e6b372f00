"""How a quadruped trots without any learning: actions by the clock, and steered to a goal."""

import numpy as np

from robot_gcrl.task.registry import load_task

TASK = load_task("quadruped")
FREQUENCY = 2.5  # of steps [Hz]
LIFT, PUSH = 0.6, 0.2  # of a foot in the air, and on the floor, as a change of its calf [rad]
LAG = 0.6  # by which the lift follows the swing, as the servos need time [rad of the phase]
GREATEST_SWING = 0.35  # of a thigh [rad]
_PHASE = np.array((0.0, np.pi, np.pi, 0.0))  # of FL, FR, RL, RR: diagonal legs together


def trot(step: int, left: float, right: float) -> np.ndarray:
    """The action [12] of a control step; the thighs of each side swing by so much [rad]."""
    phase = 2 * np.pi * FREQUENCY * step * TASK.contract.control_dt + _PHASE
    height = np.sin(phase - LAG)
    lift = LIFT * np.maximum(height, 0.0) - PUSH * np.maximum(-height, 0.0)
    change = np.zeros((4, 3))
    change[:, 1] = np.array((left, right, left, right)) * np.cos(phase) + 0.5 * lift
    change[:, 2] = -lift
    return np.clip(change.ravel() / TASK.contract.action.scale, -1.0, 1.0)


class Steering:
    """Trots to a place, turns there to a heading, and stands as long as both are right."""

    def __init__(self, goal: np.ndarray) -> None:
        self._place, self._heading = goal[:2], np.arctan2(goal[3], goal[2])
        self._turns = False

    def __call__(self, step: int, position: np.ndarray, heading: float) -> np.ndarray:
        """The action for a position [2] and a heading [rad]."""
        way = self._place - position
        distance = np.hypot(*way)
        self._turns = distance < (0.26 if self._turns else 0.12)
        wanted = self._heading if self._turns else np.arctan2(way[1], way[0])
        error = (wanted - heading + np.pi) % (2 * np.pi) - np.pi
        if self._turns and abs(error) < 0.2:
            return np.zeros(12)
        turn = np.clip(0.5 * error, -0.2, 0.2)
        ahead = 0.0 if self._turns else 0.3 * max(0.0, np.cos(error)) ** 2
        ahead *= min(1.0, distance / 0.4 + 0.3)
        left, right = np.clip((ahead - turn, ahead + turn), -GREATEST_SWING, GREATEST_SWING)
        return trot(step, left, right)
