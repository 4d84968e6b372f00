"""Open-loop gaits of the cheetah, found by random search in C MuJoCo, for tests."""

import numpy as np

# amplitude [share of the greatest torque], phase [rad] and mean of each motor; cycles per second
AHEAD = (
    (1.21, 1.26, 0.51, 0.6, 0.81, -0.31),
    (2.72, 4.74, 1.45, 5.21, 5.59, 1.42),
    (-0.15, -0.03, 0.45, -0.19, 0.14, -0.28),
    3.0,
)
BACK = (
    (1.48, 0.65, 0.07, 0.45, 1.38, 1.81),
    (4.93, 2.11, 4.11, 1.18, 3.7, 3.86),
    (0.13, -0.04, 0.41, -0.1, 0.28, -0.32),
    2.5,
)


def actions(gait, count, control_dt):
    """Actions [count, 6] of a gait."""
    amplitude, phase, mean, frequency = (np.array(part) for part in gait)
    time = control_dt * np.arange(count)[:, None]
    return np.clip(amplitude * np.sin(2 * np.pi * frequency * time + phase) + mean, -1.0, 1.0)
