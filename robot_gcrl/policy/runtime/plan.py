"""Contract and network as index arrays and constants: what the runtimes are made of."""

from collections.abc import Mapping

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.policy.runtime.network import Network


def observed_columns(contract: Contract) -> np.ndarray:
    """Int [O]: of (inputs, previous actions), the column that each observation component reads."""
    position = {entry: i for i, entry in enumerate(contract.inputs)}
    return np.array(
        [
            len(position)
            + component * contract.action_size
            + contract.action.actuators.index(field.name)
            if field.source == "previous_action"
            else position[field.source, field.name, component]
            for field, component in contract.components
        ],
        np.int64,
    )


def input_moments(
    network: Network, weights: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation, float32 [O + G], of observation and goal.

    Without a normalizer 0 and 1, which leave a number as it is.
    """
    size = network.observation_size + network.goal_size
    if network.normalizer is None:
        return np.zeros(size, np.float32), np.ones(size, np.float32)
    index = np.concatenate((np.arange(network.observation_size), network.goal_index))
    std = np.maximum(np.sqrt(weights["moments/variance"]), np.float32(network.normalizer.std_floor))
    return weights["moments/mean"][index], std[index]
