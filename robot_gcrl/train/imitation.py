"""How far a student's policy is from what its teacher says.

The student learns mean and standard deviation before tanh. Where the teacher saturates an action it
is enough that the student does: beyond +-SATURATED tanh hardly changes.
"""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from robot_gcrl.nets.tanh_normal import TanhNormal, mode

# tanh is within 0.005 of 1 [before tanh]
SATURATED = 3.0
# Of a label's difference before tanh, from where on the loss grows linearly (Huber)
_LINEAR_FROM = 1.0
# Of the standard deviation beside the mean: it does not decide what a served policy does
_SPREAD_WEIGHT = 0.1


def imitation_loss(
    policy: TanhNormal, label: TanhNormal, spreads: bool
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """How far a policy is from its labels: the mean of Huber losses over rows and components.

    Args:
      policy: the student's, [B, A].
      label: the teacher's, [B, A].
      spreads: whether the standard deviations count.

    Returns:
      The loss, and what is worth watching: the mean difference of the mean actions, in [0, 2], and
      of the log standard deviations.
    """
    # Of a saturated action, only what is missing to saturation
    low = jnp.minimum(label.mean, SATURATED)
    high = jnp.maximum(label.mean, -SATURATED)
    short = jnp.minimum(policy.mean - low, 0.0) + jnp.maximum(policy.mean - high, 0.0)
    spread = policy.log_std - label.log_std
    value = optax.losses.huber_loss(short, delta=_LINEAR_FROM).mean()
    if spreads:
        value += _SPREAD_WEIGHT * optax.losses.huber_loss(spread, delta=_LINEAR_FROM).mean()
    return value, {
        "imitation_loss": value,
        "action_difference": jnp.abs(mode(policy) - mode(label)).mean(),
        "spread_difference": jnp.abs(spread).mean(),
    }
