"""Where episodes start and which goals they are given.

Training may depart from the task's own distribution: goals near the robot, starts anywhere, another
goal during the episode. `Practice` says by how much, `Sampler` draws for N worlds.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from robot_gcrl.contract.observe import Report
from robot_gcrl.env.proposal import GoalProposal
from robot_gcrl.errors import ConfigError, unknown_name
from robot_gcrl.task.task import Distribution, Task

_CANDIDATES = 16


@dataclass(frozen=True, kw_only=True)
class Practice:
    """How training episodes depart from the task's distribution; by default not at all.

    Attributes:
      goal_switch_probability: of another goal, per control step.
      near_goal_radius: distance from the achieved goal within which near goals are drawn, in the
        goal's unit; None for no near goals.
      near_goal_share: share of the commanded goals that are near ones.
      random_start_share: share of episodes that start from `Task.anywhere`.
      goal_proposal: what a share of the goals is replaced by; "task" replaces none.
      goal_proposal_share: that share.
      goal_noise: standard deviation of the noise of visited_noise, in the goal's unit; None takes
        the success radius of each component.
      curriculum_radius: the first and least radius of a curriculum, in the goal's unit; None takes
        twice the largest success radius.
      stagger: whether the first episode of each world has a random length, so that the worlds do
        not all end at once.
    """

    goal_switch_probability: float = 0.0
    near_goal_radius: float | None = None
    near_goal_share: float = 0.0
    random_start_share: float = 0.0
    goal_proposal: GoalProposal = "task"
    goal_proposal_share: float = 0.5
    goal_noise: float | None = None
    curriculum_radius: float | None = None
    stagger: bool = False

    def __post_init__(self) -> None:
        for name in (
            "goal_switch_probability",
            "near_goal_share",
            "random_start_share",
            "goal_proposal_share",
        ):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ConfigError(
                    f"Practice.{name} is {value}. Expected a number from 0 to 1. Choose one."
                )
        if self.near_goal_radius is not None and not self.near_goal_radius > 0.0:
            raise ConfigError(
                f"Practice.near_goal_radius is {self.near_goal_radius}. Expected a distance above "
                "0, or None for no near goals."
            )
        for name in ("goal_noise", "curriculum_radius"):
            value = getattr(self, name)
            if value is not None and not value > 0.0:
                raise ConfigError(
                    f"Practice.{name} is {value}. Expected a number above 0, or None for its "
                    "default. Choose one."
                )
        if self.near_goal_radius is None and self.near_goal_share > 0.0:
            raise ConfigError(
                f"Practice.near_goal_share is {self.near_goal_share} without near_goal_radius. "
                "Expected both or neither. Set near_goal_radius."
            )


def check_goals(goals: str) -> None:
    """Refuses a distribution of starts and goals that no task has.

    Raises:
      UnknownNameError: it is neither "train" nor "eval".
    """
    if goals not in ("train", "eval"):
        raise unknown_name("goals", goals, ("train", "eval"), see="docs/adapters.md")


class Sampler:
    """Draws starts and goals of N worlds."""

    def __init__(self, task: Task, distribution: Distribution, practice: Practice) -> None:
        """Draws from `distribution` of `task`, as far as `practice` does not depart from it."""
        self._distribution = distribution
        self._anywhere = task.anywhere or distribution.start
        self._practice = practice

    def starts(
        self, key: Array, num_worlds: int
    ) -> tuple[Float[Array, "N nq"], Float[Array, "N nv"]]:
        """N starts: qpos and qvel."""
        start_key, anywhere_key, share_key = jax.random.split(key, 3)
        starts = jax.vmap(self._distribution.start)(jax.random.split(start_key, num_worlds))
        if self._practice.random_start_share == 0.0:
            return starts
        random = jax.vmap(self._anywhere)(jax.random.split(anywhere_key, num_worlds))
        is_random = jax.random.bernoulli(
            share_key, self._practice.random_start_share, (num_worlds, 1)
        )
        return jax.tree.map(lambda a, b: jnp.where(is_random, a, b), random, starts)

    def goals(
        self, key: Array, report: Report, achieved: Float[Array, "N G"]
    ) -> Float[Array, "N G"]:
        """A goal for each of N worlds that measure `report` and have achieved `achieved`."""
        keys = jax.random.split(key, len(achieved))
        return jax.vmap(self._goal)(keys, report, achieved)

    def near_goals(
        self,
        key: Array,
        report: Report,
        achieved: Float[Array, "N G"],
        radius: Float[Array, ""],
    ) -> Float[Array, "N G"]:
        """As `goals`, but within `radius` of what was achieved, or the nearest of some goals."""

        def draw(key: Array, report: Report, achieved: Float[Array, " G"]) -> Array:
            candidates = self._candidates(key, report)
            return candidates[_near(candidates, achieved, radius)]

        keys = jax.random.split(key, len(achieved))
        return jax.vmap(draw)(keys, report, achieved)

    def _goal(self, key: Array, report: Report, achieved: Float[Array, " G"]) -> Array:
        radius, share = self._practice.near_goal_radius, self._practice.near_goal_share
        if radius is None or share == 0.0:
            return self._distribution.goal(key, report)
        candidates_key, near_key = jax.random.split(key)
        candidates = self._candidates(candidates_key, report)
        near = _near(candidates, achieved, radius)
        return candidates[jnp.where(jax.random.bernoulli(near_key, share), near, 0)]

    def _candidates(self, key: Array, report: Report) -> Float[Array, "K G"]:
        keys = jax.random.split(key, _CANDIDATES)
        return jax.vmap(self._distribution.goal, (0, None))(keys, report)


def _near(candidates: Array, achieved: Array, radius: float | Array) -> Array:
    """Which of the candidates is near enough, else the nearest."""
    distance = jnp.linalg.norm(candidates - achieved, axis=-1)
    # The first that is near enough is a fair draw among the near ones.
    return jnp.where((distance <= radius).any(), (distance <= radius).argmax(), distance.argmin())
