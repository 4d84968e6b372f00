"""The trained critic as a `CriticNetwork`, named NumPy arrays, and energies to check them by."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from robot_gcrl.agents.crl.agent import Agent
from robot_gcrl.agents.crl.energies import ENERGY_EPSILON
from robot_gcrl.agents.crl.state import AgentState
from robot_gcrl.agents.crl.survival import last_offsets, log_discounted
from robot_gcrl.contract import Contract
from robot_gcrl.contract.observe import observe
from robot_gcrl.errors import PolicyError
from robot_gcrl.nets.hyperspherical import SHIFT
from robot_gcrl.nets.residual import LAYER_NORM_EPSILON
from robot_gcrl.policy.actor import named_arrays, require_finite
from robot_gcrl.policy.compare import ENERGY_TOLERANCE, energy_difference
from robot_gcrl.policy.golden import in_float64
from robot_gcrl.policy.runtime import archive
from robot_gcrl.policy.runtime.critic import Critic, CriticNetwork
from robot_gcrl.policy.runtime.file import GOLDEN_ENERGY, Golden
from robot_gcrl.policy.runtime.network import Network
from robot_gcrl.policy.write import arrays_bytes


def critic_entries(
    contract: Contract,
    agent: Agent,
    state: AgentState,
    *,
    network: Network,
    weights: dict[str, np.ndarray],
    golden: Golden,
) -> dict[str, bytes]:
    """The entries of a policy file that hold the critic.

    Args:
      contract: of the task.
      agent: that was trained.
      state: of the agent.
      network: of its actor.
      weights: of its actor.
      golden: examples, whose energies are kept too.

    Raises:
      PolicyError: a weight is not finite, or NumPy does not give the agent's own energies.
    """
    description = critic_network(agent)
    arrays = critic_weights(description, network, state)
    energies = golden_energies(contract, agent, state, golden)
    critic = Critic(contract, network, weights, description, arrays)
    worst = energy_difference(critic, golden, energies)
    if not worst <= ENERGY_TOLERANCE:
        raise PolicyError(
            f"The critic cannot be exported: its energies differ in NumPy by {worst:.1e} of the "
            f"greatest of them. Expected at most {ENERGY_TOLERANCE:.0e}. Export another "
            "checkpoint, or leave the critic out."
        )
    return {
        archive.CRITIC: description.to_json().encode(),
        archive.CRITIC_WEIGHTS: arrays_bytes(arrays | {GOLDEN_ENERGY: energies}),
    }


def critic_network(agent: Agent) -> CriticNetwork:
    """What the agent's encoders compute."""
    config = agent.config
    weights = ()
    if config.critic == "survival":
        lasts = last_offsets(config.gamma, config.time_bins)
        weights = tuple(log_discounted(lasts, config.gamma).tolist())
    return CriticNetwork(
        embedding_size=config.embedding_size,
        width=config.width,
        depth=config.depth,
        final_norm=config.final_norm,
        layer_norm_epsilon=LAYER_NORM_EPSILON,
        # A quasimetric is 0 between equals
        energy_epsilon=0.0 if config.critic == "temporal_distance" else ENERGY_EPSILON,
        energy=config.energy,
        num_critics=config.num_critics,
        norm=config.norm,
        shift=SHIFT if config.norm == "hyperspherical" else 0.0,
        critic=config.critic,
        log_weights=weights,
    )


def critic_weights(
    critic: CriticNetwork, network: Network, state: AgentState
) -> dict[str, np.ndarray]:
    """The arrays of `critic.shapes(network)`.

    Raises:
      PolicyError: a weight is not finite.
    """
    weights = named_arrays(jax.device_get(state.critic))
    shapes = {name: value.shape for name, value in weights.items()}
    assert shapes == critic.shapes(network), "the critic has the arrays that its description names"
    require_finite(weights)
    return weights


def golden_energies(
    contract: Contract, agent: Agent, state: AgentState, golden: Golden
) -> np.ndarray:
    """[32], what the agent computes in float64 for the golden examples, then float32."""
    # The energy needs no more of it
    state = state._replace(
        actor={}, actor_optimizer=(), critic_optimizer=(), temperature_optimizer=()
    )
    rows = (golden.inputs, golden.previous_action, golden.judged, golden.goal)
    energy = jax.jit(functools.partial(_energy, contract, agent))
    with jax.enable_x64(True):
        exact = jax.device_get(energy(*in_float64((jax.device_get(state), *rows))))
    return np.asarray(exact, np.float32)


def _energy(
    contract: Contract,
    agent: Agent,
    state: AgentState,
    inputs: jax.Array,
    previous_action: jax.Array,
    action: jax.Array,
    goal: jax.Array,
) -> jax.Array:
    observation = observe(contract, inputs, previous_action, jnp)
    return agent.energy(state, observation, action, goal * contract.goal_scale)
