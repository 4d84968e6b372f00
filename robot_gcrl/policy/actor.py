"""The trained actor as a `Network` and named NumPy arrays."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from robot_gcrl.agents.crl.agent import Agent
from robot_gcrl.agents.crl.state import AgentState
from robot_gcrl.contract import Contract
from robot_gcrl.errors import PolicyError
from robot_gcrl.nets.hyperspherical import SHIFT
from robot_gcrl.nets.moments import LIMIT, STD_FLOOR
from robot_gcrl.nets.residual import LAYER_NORM_EPSILON
from robot_gcrl.nets.tanh_normal import LOG_STD_MAX, LOG_STD_MIN
from robot_gcrl.policy.runtime.network import Network, Normalizer


def actor_network(contract: Contract, agent: Agent) -> Network:
    """What the agent's actor computes for a robot of this contract."""
    config = agent.config
    return Network(
        observation_size=contract.observation_size,
        goal_size=contract.goal_size,
        action_size=contract.action_size,
        width=config.actor_width or config.width,
        depth=config.actor_depth,
        final_norm=config.final_norm,
        layer_norm_epsilon=LAYER_NORM_EPSILON,
        goal_index=tuple(contract.goal_index.tolist()),
        goal_scale=tuple(contract.goal_scale.tolist()),
        normalizer=(
            Normalizer(std_floor=STD_FLOOR, limit=LIMIT) if config.normalize_observations else None
        ),
        log_std_range=(LOG_STD_MIN, LOG_STD_MAX) if config.eval_action == "mean" else None,
        norm=config.norm,
        shift=SHIFT if config.norm == "hyperspherical" else 0.0,
        chunk=agent.served_chunk,
    )


def actor_weights(network: Network, state: AgentState) -> dict[str, np.ndarray]:
    """The arrays of `network.shapes`; of the head, what the action is made of.

    Raises:
      PolicyError: a weight is not finite.
    """
    params = jax.device_get(state.actor)
    weights = named_arrays(params)
    for name in ("head/kernel", "head/bias"):
        # Means stand before log-standard-deviations, and of each the first action's come first
        both = np.split(weights[name], 2, axis=-1)[: network.num_outputs // network.decided]
        weights[name] = np.concatenate([part[..., : network.decided] for part in both], axis=-1)
    if network.normalizer is not None:
        weights["moments/mean"] = np.asarray(state.moments.mean, np.float32)
        weights["moments/variance"] = np.asarray(state.moments.variance, np.float32)
    shapes = {name: value.shape for name, value in weights.items()}
    assert shapes == network.shapes, "the actor has the arrays that its description names"
    require_finite(weights)
    return weights


def named_arrays(params: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Parameters as float32 arrays by name: those of nested parts joined by slashes."""
    return {name: np.asarray(value, np.float32) for name, value in _flat(params)}


def require_finite(weights: Mapping[str, np.ndarray]) -> None:
    """Fails unless all weights are finite.

    Raises:
      PolicyError: one is not.
    """
    for name, value in weights.items():
        if not np.isfinite(value).all():
            raise PolicyError(
                f"The policy cannot be exported: {int((~np.isfinite(value)).sum())} of its weights "
                f"in {name} are not finite. Expected numbers. The training diverged: export "
                "another checkpoint, or train again."
            )


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            yield prefix + name, value
