"""A radius about the robot that grows with the success of training within it.

Goals are drawn within the radius, and those in its outer half are counted. A goal that is switched
or whose episode is over before it is reached is no failure but was not waited for; so success is
estimated from the rate at which goals are reached per control step of pursuing them,
    success = 1 - exp(-T reached / pursued),
the maximum likelihood estimate for exponential waiting times that are cut off at any time, taken
at T control steps, an episode. An episode that terminates counts as T steps: it is a failure.
Goals of a difficulty that suits the agent at any time are the idea of arXiv 1705.06366.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# Goals that are counted before the radius changes: an estimate of 0.5 is then good to +-0.13
JUDGED = 64
GROW_AT, SHRINK_AT = 0.7, 0.3
# Ten changes are a factor of 6 upwards, so that one wrong judgement costs little
FACTOR = 1.2


class Curriculum(NamedTuple):
    """Where a curriculum stands.

    Attributes:
      radius: within which goals are drawn, in the goal's unit.
      reached: goals of the outer half that were reached since the radius changed.
      pursued: control steps in which such goals were pursued and not yet reached.
      over: such goals that were reached or given up.
    """

    radius: Float[Array, ""]
    reached: Float[Array, ""]
    pursued: Float[Array, ""]
    over: Float[Array, ""]


def make_curriculum(radius: float) -> Curriculum:
    """A curriculum that begins at `radius`."""
    zero = jnp.zeros(())
    return Curriculum(jnp.float32(radius), zero, zero, zero)


def estimated_success(curriculum: Curriculum, length: int) -> Float[Array, ""]:
    """Success within `length` control steps (T), in [0, 1]; 0 while nothing was pursued."""
    rate = curriculum.reached / jnp.maximum(curriculum.pursued, 1.0)
    return -jnp.expm1(-length * rate)


def advance(
    curriculum: Curriculum,
    *,
    counted: Bool[Array, " N"],
    success: Bool[Array, " N"],
    given_up: Bool[Array, " N"],
    terminated: Bool[Array, " N"],
    length: int,
    bounds: tuple[float, float],
) -> Curriculum:
    """The curriculum one control step later.

    Args:
      curriculum: before the step.
      counted: worlds that pursued a goal of the outer half and had not reached it before.
      success: worlds that are at their goal now.
      given_up: worlds that are given another goal, or whose episode is over.
      terminated: those of them whose episode terminated.
      length: of an episode [control steps].
      bounds: the least and the greatest radius.
    """
    failed = counted & terminated & ~success
    added = Curriculum(
        radius=curriculum.radius,
        reached=curriculum.reached + (counted & success).sum(),
        pursued=curriculum.pursued + counted.sum() + length * failed.sum(),
        over=curriculum.over + (counted & (success | given_up)).sum(),
    )
    estimate = estimated_success(added, length)
    factor = jnp.where(
        estimate >= GROW_AT, FACTOR, jnp.where(estimate < SHRINK_AT, 1.0 / FACTOR, 1.0)
    )
    judged = added.over >= JUDGED
    kept = jnp.where(judged, 0.0, 1.0)
    return Curriculum(
        radius=jnp.where(judged, jnp.clip(added.radius * factor, *bounds), added.radius),
        reached=kept * added.reached,
        pursued=kept * added.pursued,
        over=kept * added.over,
    )
