"""A pool of goals that were achieved before, drawn from the replay.

The pool is filled once per rollout and drawn from at every reset and goal switch, so that the
replay need not be at hand there. Distances are in success radii: two goals within one radius are
the same goal to the task, whatever their units. Letters: P goals in the pool, G goal.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from robot_gcrl.contract.contract import Contract
from robot_gcrl.replay.buffer import Replay, row_index, stored_rows

# P: enough that 256 worlds, which are given some hundred goals per rollout, see few of them twice
POOL_SIZE = 1024
# Each goal of a frontier is the rarest of so many: it lies in the rarest 1 / 17 on average
FRONTIER_CANDIDATES = 16


class Pool(NamedTuple):
    """Goals to draw from.

    Attributes:
      goals: [P, G], SI; those to draw from come first.
      size: how many those are; 0 before anything was visited.
    """

    goals: Float[Array, "P G"]
    size: Int[Array, ""]


def make_pool(goal_size: int) -> Pool:
    """A pool without goals."""
    return Pool(jnp.zeros((POOL_SIZE, goal_size)), jnp.int32(0))


def filled(goals: Float[Array, "P G"], usable: Bool[Array, " P"]) -> Pool:
    """The pool of the usable ones among `goals`, in their order."""
    return Pool(goals[jnp.argsort(~usable, stable=True)], usable.sum(dtype=jnp.int32))


def draw(pool: Pool, key: Array, number: int) -> Float[Array, "N G"]:
    """`number` goals of the pool, each equally likely; meaningless while it has none."""
    return pool.goals[jax.random.randint(key, (number,), 0, jnp.maximum(pool.size, 1))]


def sample_visited(
    replay: Replay, key: Array, number: int, *, goal_index: np.ndarray, goal_scale: np.ndarray
) -> Float[Array, "P G"]:
    """What was achieved in stored control steps, each equally likely; zeros while there are none.

    Args:
      replay: what is drawn from.
      key: used once.
      number: P.
      goal_index: int [G], where a row holds what was achieved.
      goal_scale: [G], observation units per SI unit.

    Returns:
      [P, G], SI.
    """
    row_key, world_key = jax.random.split(key)
    rows = jax.random.randint(row_key, (number,), 0, jnp.maximum(stored_rows(replay), 1))
    worlds = jax.random.randint(world_key, (number,), 0, replay.episode.shape[1])
    row = row_index(replay, rows)[:, None]
    return replay.observation[row, worlds[:, None], goal_index] / goal_scale


def log_density(
    goals: Float[Array, "K G"], visited: Float[Array, "P G"], radii: Float[np.ndarray, " G"]
) -> Float[Array, " K"]:
    """How often the surroundings of goals were visited, as a logarithm but for a constant.

    A kernel density with a normal kernel whose bandwidth is one success radius in each component;
    as a logarithm it also orders what lies far from everything.

    Args:
      goals: whose density is asked for, SI.
      visited: a sample of what was achieved, SI.
      radii: success radius of each component, SI.
    """
    apart = (goals[:, None] - visited[None]) / radii
    return jax.nn.logsumexp(-0.5 * jnp.square(apart).sum(-1), axis=1)


def sample_rarest(
    goals: Float[Array, "P G"], density: Float[Array, " P"], key: Array
) -> Float[Array, "P G"]:
    """As many goals again, each the one of least density among FRONTIER_CANDIDATES of them.

    To pursue what was achieved, where it was achieved sparsely, is the proposal of arXiv
    2007.02832; to draw goals with a weight that falls with their density that of arXiv 1903.03698.
    The rarest of a few stands between them: it depends on the order of densities alone, so that
    neither a scale nor an exponent has to be chosen.
    """
    number = len(goals)
    candidates = jax.random.randint(key, (number, FRONTIER_CANDIDATES), 0, number)
    rarest = jnp.argmin(density[candidates], axis=1)
    return goals[jnp.take_along_axis(candidates, rarest[:, None], axis=1)[:, 0]]


def component_radii(contract: Contract) -> Float[np.ndarray, " G"]:
    """float32 [G]: the success radius of the group that each goal component belongs to, SI."""
    radius = {label: group.radius for group in contract.success for label in group.labels}
    return np.array([radius[field.label] for field in contract.goal], np.float32)
