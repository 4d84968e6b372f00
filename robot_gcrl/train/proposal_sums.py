"""What proposed goals came to, as sums for the metrics of a run."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from robot_gcrl.env.curriculum import Curriculum
from robot_gcrl.env.goal_env import EnvState


def proposal_sums(worlds: EnvState) -> dict[str, Float[Array, ""]]:
    """What became of goals in the last control step; nothing where none are proposed.

    The means are goal_distance (from what was achieved to the goal that was given, proposed or the
    task's, in the goal's unit), proposal_reached (of the proposed goals that are over, those that
    were reached) and curriculum_radius.
    """
    if not worlds.proposing:
        return {}
    source, _, tally = worlds.proposing
    sums = {
        "goals/count": tally.given,
        "goals/goal_distance": tally.apart,
        "proposals/count": tally.over,
        "proposals/proposal_reached": tally.reached,
    }
    if isinstance(source, Curriculum):
        sums |= {"curriculum/count": jnp.ones(()), "curriculum/curriculum_radius": source.radius}
    return sums
