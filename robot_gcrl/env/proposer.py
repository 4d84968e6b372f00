"""Goals that training proposes beside the task's own, and what became of them.

A `Proposer` replaces a share of the goals that the task gives; `Proposing` is all that it must
remember, a part of the worlds' state, so that a resumed run proposes what the run would have. Goals
from what was visited: arXiv 1811.11359; the rare ones of it: arXiv 2007.02832, arXiv 1903.03698; of
a difficulty that suits the agent: arXiv 1705.06366. The noise of visited_noise is ours.
Letters: N worlds, G goal.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from robot_gcrl.contract.observe import Report
from robot_gcrl.env.curriculum import Curriculum, advance, make_curriculum
from robot_gcrl.env.pool import (
    POOL_SIZE,
    Pool,
    component_radii,
    draw,
    filled,
    log_density,
    make_pool,
    sample_rarest,
    sample_visited,
)
from robot_gcrl.env.practice import Practice, Sampler
from robot_gcrl.replay.buffer import Replay, stored_rows
from robot_gcrl.task.task import Task

# The first radius of a curriculum in success radii: goals of its outer half are not reached yet
_FIRST_RADIUS = 2.0


class Pursuit(NamedTuple):
    """The goals that N worlds pursue.

    Attributes:
      proposed: [N], whether the goal was proposed; else it is the task's.
      apart: [N], its distance from what was achieved when it was given, in the goal's unit.
      reached: [N], whether it was reached since.
    """

    proposed: Bool[Array, " N"]
    apart: Float[Array, " N"]
    reached: Bool[Array, " N"]


class Tally(NamedTuple):
    """What happened in the last control step, for metrics, each a number of goals or a sum.

    Attributes:
      given: goals that were given.
      apart: sum of their distances from what was achieved, in the goal's unit.
      over: proposed goals that were replaced, or whose episode is over.
      reached: those of them that had been reached.
    """

    given: Float[Array, ""]
    apart: Float[Array, ""]
    over: Float[Array, ""]
    reached: Float[Array, ""]


class Proposing(NamedTuple):
    """All that proposals remember.

    Attributes:
      source: the pool or the curriculum that goals come from.
      pursuit: of each world.
      tally: of the last control step.
    """

    source: Pool | Curriculum
    pursuit: Pursuit
    tally: Tally


class Proposer:
    """Proposes goals to N worlds."""

    def __init__(self, task: Task, sampler: Sampler, practice: Practice) -> None:
        """Proposes as `practice` says, for goals of `task`; `sampler` draws the task's own."""
        contract = task.contract
        self._task, self._sampler, self._practice = task, sampler, practice
        self._low, self._high = contract.goal_bounds
        self._radii = component_radii(contract)
        self._noise = self._radii if practice.goal_noise is None else practice.goal_noise
        widest = float(np.linalg.norm(self._high - self._low))
        first = practice.curriculum_radius or _FIRST_RADIUS * float(self._radii.max())
        # Beyond the whole goal space a radius could only grow to no effect
        self._bounds = (first, max(first, widest))

    @property
    def has_pool(self) -> bool:
        """Whether goals come from a pool, which `refill` fills."""
        return self._practice.goal_proposal != "curriculum"

    def begin(self, num_worlds: int) -> Proposing:
        """The state before anything was visited or given."""
        none, zero = jnp.zeros(num_worlds, bool), jnp.zeros(())
        source = (
            make_pool(self._task.contract.goal_size)
            if self.has_pool
            else make_curriculum(self._bounds[0])
        )
        return Proposing(
            source=source,
            pursuit=Pursuit(none, jnp.zeros(num_worlds), none),
            tally=Tally(zero, zero, zero, zero),
        )

    def refill(
        self, proposing: Proposing, replay: Replay, key: Array, *, goal_index: np.ndarray
    ) -> Proposing:
        """The state with a pool drawn anew from what is stored.

        Args:
          proposing: the state before.
          replay: what is stored; while that is nothing the pool stays empty.
          key: used once.
          goal_index: int [G], where a row holds what was achieved, in observation units.
        """
        visited_key, other_key, rare_key = jax.random.split(key, 3)
        place = {"goal_index": goal_index, "goal_scale": self._task.contract.goal_scale}
        goals = sample_visited(replay, visited_key, POOL_SIZE, **place)
        if self._practice.goal_proposal == "visited_noise":
            goals = goals + self._noise * jax.random.normal(other_key, goals.shape)
        if self._practice.goal_proposal == "frontier":
            others = sample_visited(replay, other_key, POOL_SIZE, **place)
            goals = sample_rarest(goals, log_density(goals, others, self._radii), rare_key)
        usable = self._is_admitted(goals) & (stored_rows(replay) > 0)
        return proposing._replace(source=filled(goals, usable))

    def goals(
        self,
        key: Array,
        goals: Float[Array, "N G"],
        source: Pool | Curriculum,
        report: Report,
        achieved: Float[Array, "N G"],
    ) -> tuple[Float[Array, "N G"], Pursuit]:
        """A goal for each of N worlds, and its pursuit.

        Args:
          key: used once.
          goals: the task's, kept by those that are proposed none.
          source: what is proposed from.
          report: what the worlds measure.
          achieved: what they have achieved, SI.
        """
        share_key, goal_key = jax.random.split(key)
        number = len(goals)
        proposed = jax.random.bernoulli(share_key, self._practice.goal_proposal_share, (number,))
        if isinstance(source, Pool):
            others = draw(source, goal_key, number)
            proposed &= source.size > 0
        else:
            others = self._sampler.near_goals(goal_key, report, achieved, source.radius)
        goals = jnp.where(proposed[:, None], others, goals)
        apart = jnp.linalg.norm(goals - achieved, axis=-1)
        return goals, Pursuit(proposed, apart, jnp.zeros(number, bool))

    def record(
        self,
        proposing: Proposing,
        *,
        success: Bool[Array, " N"],
        reset: Bool[Array, " N"],
        ended: Bool[Array, " N"],
        terminated: Bool[Array, " N"],
        replaced: Bool[Array, " N"],
    ) -> Proposing:
        """The state with what a control step did, before goals are replaced.

        Args:
          proposing: before the step.
          success: worlds that are at their goal now.
          reset: worlds that the step put at a new start; their goal was over before.
          ended: worlds whose episode is over.
          terminated: those of them whose episode terminated.
          replaced: worlds that will be given another goal.
        """
        pursuit, source = proposing.pursuit, proposing.source
        live = pursuit.proposed & ~reset
        over = live & (ended | replaced)
        reached = pursuit.reached | (success & ~reset)
        if isinstance(source, Curriculum):
            source = advance(
                source,
                counted=live & ~pursuit.reached & (pursuit.apart > source.radius / 2),
                success=success,
                given_up=over,
                terminated=terminated,
                length=self._task.episode_length,
                bounds=self._bounds,
            )
        tally = proposing.tally._replace(
            over=over.sum(dtype=jnp.float32), reached=(over & reached).sum(dtype=jnp.float32)
        )
        return Proposing(source, pursuit._replace(reached=reached), tally)

    def _is_admitted(self, goals: Float[Array, "P G"]) -> Bool[Array, " P"]:
        inside = ((goals >= self._low) & (goals <= self._high)).all(-1)
        if self._task.admits is None:
            return inside
        return inside & jax.vmap(self._task.admits)(goals)


def given(proposing: Proposing, pursuit: Pursuit, mask: Bool[Array, " N"]) -> Proposing:
    """The state with the pursuits of worlds that were given a goal (`mask`), counted."""
    merged = jax.tree.map(lambda new, old: jnp.where(mask, new, old), pursuit, proposing.pursuit)
    tally = proposing.tally._replace(
        given=mask.sum(dtype=jnp.float32), apart=jnp.where(mask, pursuit.apart, 0.0).sum()
    )
    return proposing._replace(pursuit=merged, tally=tally)


def none_given(proposing: Proposing) -> Proposing:
    """The state after a step in which no world was given a goal."""
    zero = jnp.zeros(())
    return proposing._replace(tally=proposing.tally._replace(given=zero, apart=zero))
