"""Worlds whose simulation diverged: found in the compiled program, counted and named outside.

The engine keeps such a world's numbers of before the step and the environment starts it again, so
that nothing of it is learned. What is left is to say so: an iteration hands out how many worlds
diverged and which one did first, as three numbers among its sums.
"""

import sys
import time
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# Between two lines on stderr [s]: a model that diverges often would fill the terminal
_INTERVAL = 10.0

_COUNT, _STEP, _WORLD = "divergence/count", "divergence/step", "divergence/world"


def first_divergence(diverged: Bool[Array, "T N"]) -> dict[str, Float[Array, ""]]:
    """How many worlds diverged in T control steps, and step and world of the first.

    Computed once for all control steps, so that none of them waits for it.

    Returns:
      "divergence/count", "divergence/step" and "divergence/world", counted from 0; the last two
      mean nothing where the first is 0. Whole numbers as float32, exact below 2^24.
    """
    first = diverged.any(axis=1).argmax()
    numbers = {
        _COUNT: diverged.sum(),
        _STEP: first,
        _WORLD: diverged[first].argmax(),
    }
    return {name: number.astype(jnp.float32) for name, number in numbers.items()}


class DivergenceLog:
    """Counts a run's worlds that diverged, and names the first of them on stderr."""

    def __init__(self, task: str, *, num_envs: int, rollout: int) -> None:
        """Has counted nothing yet.

        Args:
          task: name of the task, for the line.
          num_envs: N.
          rollout: control steps of each world in an iteration.
        """
        self._task, self._num_envs, self._rollout = task, num_envs, rollout
        self._total = self._unlogged = self._unsaid = 0
        self._said = -_INTERVAL

    def take(self, sums: dict[str, Any], *, iteration: int) -> dict[str, Any]:
        """Counts what an iteration's sums say of divergence; returns the other sums.

        Args:
          sums: of one iteration; that of an offline run, which has no worlds, says nothing of it.
          iteration: that they are of, from 0.
        """
        count = int(sums.get(_COUNT, 0))
        self._total += count
        self._unlogged += count
        self._unsaid += count
        if count and time.monotonic() - self._said >= _INTERVAL:
            self._said = time.monotonic()
            step = iteration * self._rollout + int(sums[_STEP]) + 1
            self._say(world=int(sums[_WORLD]), step=step)
        return {name: value for name, value in sums.items() if name not in (_COUNT, _STEP, _WORLD)}

    def close_line(self) -> dict[str, int]:
        """What a line of metrics says: {"diverged": worlds since the last line}, or nothing."""
        count, self._unlogged = self._unlogged, 0
        return {"diverged": count} if count else {}

    def _say(self, *, world: int, step: int) -> None:
        more = self._unsaid - 1
        others = f" {more} more since the last such line," if more else ""
        sys.stderr.write(
            f"{self._task}: the simulation of world {world} (of 0 to {self._num_envs - 1}) "
            f"diverged in its control step {step:,}; it starts a new episode.{others} "
            f"{self._total} in all. Where many do, lower the timestep of the model.\n"
        )
        sys.stderr.flush()
        self._unsaid = 0
