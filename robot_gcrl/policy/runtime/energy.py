"""The energy of the encoders' outputs, in NumPy: formulas in `robot_gcrl.policy.runtime.critic`."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from robot_gcrl.policy.runtime.critic import CriticNetwork


def pair_energy(
    critic: "CriticNetwork", phi: np.ndarray, psi: np.ndarray, scale: np.float32 | float = 1.0
) -> np.ndarray:
    """The energy of each pair of the encoders' outputs, float32 [B]; `scale` is the cosine's."""
    epsilon = critic.energy_epsilon
    if critic.critic == "temporal_distance":
        ahead, beside = np.split(phi - psi[:, :-1], 2, axis=-1)
        return -np.maximum(ahead.max(axis=-1), np.float32(0.0)) - _length(beside, 0.0)
    if critic.critic == "contrastive":
        return _contrastive_energy(critic.energy, epsilon, phi, psi, np.float32(scale))
    weights, size = np.asarray(critic.log_weights, np.float32), critic.embedding_size
    points = (phi - psi)[:, :size].reshape(len(phi), len(weights), -1)
    levels = phi[:, size:] + psi[:, size:]
    logs = weights + levels - _length(points, epsilon)
    return np.logaddexp.reduce(logs, axis=-1)


def _contrastive_energy(
    kind: str, epsilon: float, phi: np.ndarray, psi: np.ndarray, scale: np.float32
) -> np.ndarray:
    if kind == "dot":
        return np.vecdot(phi, psi)
    if kind == "cosine":
        return scale * np.vecdot(phi, psi) / (_length(phi, epsilon) * _length(psi, epsilon))
    difference = phi - psi
    if kind == "squared_l2":
        return -np.vecdot(difference, difference)
    return -_length(difference, epsilon)


def _length(x: np.ndarray, epsilon: float) -> np.ndarray:
    return np.sqrt(np.vecdot(x, x) + np.float32(epsilon))
