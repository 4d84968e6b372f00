"""What the critic learns from its own prediction: contrastive difference predictive coding.

The contrastive loss judges an action by what its episode went on to, under all the policies whose
rows are in the replay. Here an action is judged by the state that it led to at once, and from there
by a slow copy of the critic under an action of the actor as it is now (arXiv 2310.20141, TD
InfoNCE; for a binary classifier arXiv 2011.08909). Of the discounted future of (s, a),

    p(g | s, a) = (1 - gamma) [g is achieved in s'] + gamma E_{a' ~ pi(s', g_i)} p(g | s', a'),

the first part is a contrastive pair like any other, one step apart. Of the second there are no
draws, but the batch's goals are draws of p(g), and f(s', a', g) is log p(g | s', a') / p(g) up to
what does not depend on g: its softmax over the batch says how much of each goal's draw belongs to
the future of (s', a'). Here phi sees no goal, unlike there: the actor that a' is drawn from
pursues the goal of the row's own future. So the prediction is of that actor for the row's own goal,
which the actor's loss asks for, and for the other goals what comes by on the way.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float


def future_weights(energies: Float[Array, "B B"]) -> Float[Array, "B B"]:
    """Of each row's next state and action, how much each goal belongs to its future; sums to 1.

    Through it no gradient flows.
    """
    return lax.stop_gradient(jax.nn.softmax(energies, axis=1))


def difference_loss(
    near: Float[Array, "B B"],
    energies: Float[Array, "B B"],
    *,
    weights: Float[Array, "B B"],
    terminated: Bool[Array, " B"],
    gamma: float,
    logsumexp_penalty: float,
) -> Float[Array, ""]:
    """The cross-entropies of both parts, and the penalty on the logsumexp of the second.

    mean_i((1 - g_i) CE(near_i, i) + g_i CE(energies_i, weights_i)) + penalty *
    mean_i((log sum_j exp f_ij)^2) with g_i = gamma, or 0 where the next state was the last.

    Args:
      near: f of each row with what every row's next state achieved, its own on the diagonal.
      energies: f of each row with every row's goal.
      weights: see `future_weights`.
      terminated: whether the next state terminated its episode: nothing comes after it.
      gamma: discount per control step.
      logsumexp_penalty: as of the contrastive loss.
    """
    normalizer = jax.nn.logsumexp(energies, axis=1)
    at_once = jax.nn.logsumexp(near, axis=1) - jnp.diagonal(near)
    later = normalizer - jnp.sum(weights * energies, axis=1)
    discount = jnp.where(terminated, 0.0, gamma)
    loss = jnp.mean((1.0 - discount) * at_once + discount * later)
    return loss + logsumexp_penalty * jnp.mean(jnp.square(normalizer))
