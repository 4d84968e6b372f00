"""A critic that knows when: the hazard of being at the goal, in bins of time.

Time after the anchor is cut into K bins, geometric in width. Hindsight looks into an episode at one
offset, which it draws by the geometric law truncated at the L control steps that remain (see
`robot_gcrl.replay.hindsight`); w_b(L) is the probability that it looks into bin b, 0 where nothing
was watched. The hazard of finding goal g there, if not in a bin before, is

    h_b = sigmoid(r_b(s, a, g) + log w_b(L) - log(B - 1))
    r_b = u_b(s, a) + v_b(g) - |phi_b(s, a) - psi_b(g)|

An anchor and its own goal are an event in the offset's bin: log h_b + sum_{j < b} log(1 - h_j). An
anchor and the goal of another row are censored when the episode ends: sum_j log(1 - h_j), in which
what was not watched weighs nothing. The sum of both is maximised. Where events are rare its maximum
is r_b = log p(g | s, a, bin b) / p(g), whatever L and B: a goal that another row meets by chance,
within whatever tolerance, is part of p(g), so such pairs need no search and no label.

The energy is the log of the discounted time at the goal, the cumulative hazard of an endless
episode: log sum_b w_b(infinity) exp r_b = log sum_k (1 - gamma) gamma^(k - 1) p_k(g | s, a) / p(g).
The discount is already in w: the offsets are drawn with it. Staying at the goal counts, which a
first arrival, 1 - prod_b (1 - h_b), would not see. Hazards and right-censoring as in arXiv
2604.17551, dwell time as in arXiv 2605.31273; the parametrisation and the weights are ours.
Letters: B batch, K bins, E embedding with the K numbers u or v at its end, F = (E - K) / K.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from robot_gcrl.agents.crl.energies import energy_matrix, paired_energy
from robot_gcrl.agents.crl.losses import CriticTerms, watched_terms

# The last bin begins after so many times the horizon 1 / (1 - gamma) and has no end: an offset lies
# in it with a probability of exp(-2).
_LAST_BEGINS = 2.0

# Log of the weight of a bin that was not watched: it adds less than float32 resolves to any loss.
_NOTHING = -60.0


class Parts(NamedTuple):
    """What an encoder says about each bin.

    Attributes:
      point: [.., K, F].
      level: [.., K], u or v.
    """

    point: Float[Array, "*batch K F"]
    level: Float[Array, "*batch K"]


def last_offsets(gamma: float, num_bins: int) -> np.ndarray:
    """Last offset of every bin but the last, int32 [K - 1]: geometric from 1 to two horizons."""
    end = _LAST_BEGINS / (1.0 - gamma)
    lasts = np.rint(np.geomspace(1.0, max(end, 1.0), num_bins - 1)).astype(np.int32)
    # At least one offset a bin
    return np.maximum.accumulate(lasts - np.arange(num_bins - 1)) + np.arange(num_bins - 1)


def bin_of(offset: Int[Array, "*batch"], lasts: np.ndarray) -> Int[Array, "*batch"]:
    """The bin, from 0, of an offset of 1 or more."""
    return jnp.sum(offset[..., None] > lasts, axis=-1)


def log_watched(
    remaining: Int[Array, " B"], lasts: np.ndarray, gamma: float
) -> Float[Array, "B K"]:
    """The log of w_b(L), that an offset truncated at `remaining` lies in each bin.

    gamma^a (1 - gamma^(z - a)) / (1 - gamma^L) for the offsets a + 1..z of the bin up to L.
    """
    log_gamma = np.log(gamma).astype(np.float32)
    length = remaining[:, None]
    begin = jnp.minimum(np.append(0, lasts), length)
    end = jnp.minimum(np.append(lasts, np.iinfo(np.int32).max), length)
    watched = end > begin
    width = jnp.where(watched, end - begin, 1)
    log_share = begin * log_gamma + jnp.log(-jnp.expm1(width * log_gamma))
    return jnp.where(watched, log_share - jnp.log(-jnp.expm1(length * log_gamma)), _NOTHING)


def log_discounted(lasts: np.ndarray, gamma: float) -> np.ndarray:
    """The log of w_b(infinity), float32 [K]."""
    ends = np.append(0, lasts).astype(np.float64)
    reached = gamma**ends
    return np.log(reached - np.append(reached[1:], 0.0)).astype(np.float32)


def parts_of(embedding: Float[Array, "*batch E"], num_bins: int) -> Parts:
    """An embedding's parts by bin."""
    points, level = embedding[..., :-num_bins], embedding[..., -num_bins:]
    return Parts(points.reshape(*points.shape[:-1], num_bins, -1), level)


def log_rates(sa: Parts, g: Parts) -> Float[Array, "*batch K"]:
    """r_b of each pair."""
    return sa.level + g.level + paired_energy(sa.point, g.point)


def survival_energy(
    phi: Float[Array, "*batch E"], psi: Float[Array, "*batch E"], *, gamma: float, num_bins: int
) -> Float[Array, "*batch"]:
    """The log of the discounted time at the goal, of each pair."""
    weights = log_discounted(last_offsets(gamma, num_bins), gamma)
    rates = log_rates(parts_of(phi, num_bins), parts_of(psi, num_bins))
    return jax.nn.logsumexp(rates + weights, axis=-1)


def survival_terms(
    phi: Float[Array, "B E"],
    psi: Float[Array, "B E"],
    *,
    offset: Int[Array, " B"],
    remaining: Int[Array, " B"],
    gamma: float,
    num_bins: int,
) -> CriticTerms:
    """Minus the mean over rows of the log-likelihood, and the energies beside it.

    One bin after the other, computed again in the backward pass: of B x B matrices about six exist
    at a time (1.5 MiB at B = 256, 24 MiB at 1024), none of B x B x K.
    """
    size = phi.shape[0]
    own = jnp.eye(size, dtype=bool)
    lasts = last_offsets(gamma, num_bins)
    event = bin_of(offset, lasts)
    sa, g = parts_of(phi, num_bins), parts_of(psi, num_bins)
    positive = log_rates(sa, g)  # exact: these are the small distances
    watched = log_watched(remaining, lasts, gamma) - np.log(size - 1).astype(np.float32)
    weights = log_discounted(lasts, gamma)

    @jax.checkpoint
    def add_bin(
        carry: tuple[Float[Array, ""], Float[Array, "B B"]], of_bin: tuple[Array, ...]
    ) -> tuple[tuple[Float[Array, ""], Float[Array, "B B"]], None]:
        loss, energies = carry
        number, point, level, goal_point, goal_level, exact, log_odds, weight = of_bin
        rates = level[:, None] + goal_level + energy_matrix(point, goal_point)
        rates = jnp.where(own, exact[:, None], rates)
        at_risk = ~own | (event >= number)[:, None]
        survived = jnp.where(at_risk, jax.nn.softplus(rates + log_odds[:, None]), 0.0)
        happened = jnp.where(event == number, exact + log_odds, 0.0)
        loss = loss + jnp.sum(survived) - jnp.sum(happened)
        return (loss, jnp.logaddexp(energies, lax.stop_gradient(rates) + weight)), None

    of_bins = (*(jnp.moveaxis(x, 1, 0) for x in (*sa, *g, positive, watched)), weights)
    start = (jnp.zeros(()), jnp.full((size, size), -jnp.inf))
    (loss, energies), _ = lax.scan(add_bin, start, (jnp.arange(num_bins), *of_bins))
    return watched_terms(
        loss / size, jnp.diagonal(energies), energies, jax.nn.logsumexp(energies, axis=1)
    )
