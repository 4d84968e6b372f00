"""Which energy and which loss belong to each critic of `CrlConfig.critic`.

A critic is two encoders' outputs phi(s, a) and psi(g), an energy of a pair, which the actor
maximises, and a loss of a batch. Letters: B batch, E and F the sizes of `output_sizes`.
"""

from jaxtyping import Array, Float, Int

from robot_gcrl.agents.crl.config import CrlConfig
from robot_gcrl.agents.crl.energies import paired_energy
from robot_gcrl.agents.crl.losses import CriticTerms, critic_terms
from robot_gcrl.agents.crl.quasimetric import temporal_energy, temporal_terms
from robot_gcrl.agents.crl.survival import survival_energy, survival_terms


def output_sizes(config: CrlConfig) -> tuple[int, int]:
    """How many numbers the encoders of (s, a) and of g give: embeddings and what stands beside."""
    beside = {
        "contrastive": (0, 0),
        "survival": (config.time_bins, config.time_bins),
        "temporal_distance": (0, 1),
    }
    sa, g = beside[config.critic]
    return config.embedding_size + sa, config.embedding_size + g


def energy_of(
    config: CrlConfig,
    phi: Float[Array, "*batch E"],
    psi: Float[Array, "*batch F"],
    scale: Float[Array, ""] | float,
) -> Float[Array, "*batch"]:
    """f(s, a, g) of each pair; `scale` is the cosine's."""
    if config.critic == "survival":
        return survival_energy(phi, psi, gamma=config.gamma, num_bins=config.time_bins)
    if config.critic == "temporal_distance":
        return temporal_energy(phi, psi)
    return paired_energy(phi, psi, config.energy, scale)


def terms_of(
    config: CrlConfig,
    phi: Float[Array, "B E"],
    psi: Float[Array, "B F"],
    scale: Float[Array, ""] | float,
    *,
    offset: Int[Array, " B"],
    remaining: Int[Array, " B"],
) -> CriticTerms:
    """The critic's loss and what is worth watching.

    Args:
      config: of the agent.
      phi: of each row.
      psi: of each row's own goal.
      scale: of the cosine.
      offset: control steps from the row to its goal.
      remaining: control steps that are stored after the row in its episode.
    """
    if config.critic == "survival":
        return survival_terms(
            phi,
            psi,
            offset=offset,
            remaining=remaining,
            gamma=config.gamma,
            num_bins=config.time_bins,
        )
    penalty, loss = config.logsumexp_penalty, config.loss
    if config.critic == "temporal_distance":
        return temporal_terms(phi, psi, logsumexp_penalty=penalty, loss=loss)
    return critic_terms(
        phi, psi, logsumexp_penalty=penalty, loss=loss, energy=config.energy, scale=scale
    )
