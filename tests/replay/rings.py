"""Replay rings filled with episodes of given lengths, every row recognisable in its observation."""

import jax
import jax.numpy as jnp
import numpy as np

from robot_gcrl.replay.buffer import Replay, add, make_replay

SIGN_BIT = np.int32(-(2**31))

_add = jax.jit(add)


def fill(capacity: int, lengths: list[list[int]], steps: int) -> Replay:
    """A ring of one world per list of episode lengths (rows each, repeated for ever).

    Every other episode terminated. The observation of a row is (world, time).
    """
    worlds = len(lengths)
    replay = make_replay(capacity=capacity, num_worlds=worlds, observation_size=2, action_size=1)
    columns = np.array([episodes(cycle, steps) for cycle in lengths], np.int32).T
    for time in range(steps):
        observation = jnp.array([[world, time] for world in range(worlds)], jnp.float32)
        action = jnp.full((worlds, 1), time, jnp.float32)
        replay = _add(replay, observation, action, jnp.asarray(columns[time]))
    return replay


def episodes(cycle: list[int], steps: int) -> list[np.int32]:
    """The episode column of one world."""
    column: list[np.int32] = []
    while len(column) < steps:
        number = (int(column[-1] & 0x7FFFFFFF)) + 1 if column else 0
        rows = [np.int32(number)] * cycle[number % len(cycle)]
        if number % 2:
            rows[-1] = rows[-1] | SIGN_BIT
        column += rows
    return column[:steps]
