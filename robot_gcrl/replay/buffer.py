"""A ring of control steps on the device, one column per world.

Time-major: row t of every world is written together, at `inserted % C`; nothing is ever moved.
A row holds what was observed, the action taken there and the episode's number; the sign bit of the
number marks the last row of an episode that terminated.
Letters: C rows per world, N worlds, O observation, A action.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

# episode & EPISODE_NUMBER is the number whether or not the sign bit is set.
EPISODE_NUMBER = 0x7FFFFFFF


class Replay(NamedTuple):
    """The ring.

    Attributes:
      observation: [C, N, O], in observation units.
      action: [C, N, A]; of an episode's last row it is meaningless.
      episode: int32 [C, N]; its number grows along a world's time.
      inserted: int32, rows written per world so far; the next row index is inserted % C.
    """

    observation: Float[Array, "C N O"]
    action: Float[Array, "C N A"]
    episode: Int[Array, "C N"]
    inserted: Int[Array, ""]


def make_replay(
    *, capacity: int, num_worlds: int, observation_size: int, action_size: int
) -> Replay:
    """An empty ring of `capacity` (C) control steps for each of N worlds."""
    return Replay(
        observation=jnp.zeros((capacity, num_worlds, observation_size)),
        action=jnp.zeros((capacity, num_worlds, action_size)),
        episode=jnp.zeros((capacity, num_worlds), jnp.int32),
        inserted=jnp.zeros((), jnp.int32),
    )


def add(
    replay: Replay,
    observation: Float[Array, "N O"],
    action: Float[Array, "N A"],
    episode: Int[Array, " N"],
) -> Replay:
    """The ring with one control step of all worlds more, over the oldest one once it is full.

    In place where the caller donates `replay` or carries it through a scan.
    """
    row = replay.inserted % replay.episode.shape[0]
    return Replay(
        observation=lax.dynamic_update_index_in_dim(replay.observation, observation, row, 0),
        action=lax.dynamic_update_index_in_dim(replay.action, action, row, 0),
        episode=lax.dynamic_update_index_in_dim(replay.episode, episode, row, 0),
        inserted=replay.inserted + 1,
    )


def stored_rows(replay: Replay) -> Int[Array, ""]:
    """How many rows of each world are stored: at most C."""
    return jnp.minimum(replay.inserted, replay.episode.shape[0])


def row_index(replay: Replay, age_order: Int[Array, "*batch"]) -> Int[Array, "*batch"]:
    """Where the ring keeps its rows counted from the oldest stored one (0)."""
    oldest = replay.inserted - stored_rows(replay)
    return (oldest + age_order) % replay.episode.shape[0]
