"""The settings of the algorithms that stand beside the contrastive one. Imports no JAX.

Sizes of networks, learning rates, the discount, the batch and, of SAC, the temperature are those of
`agents.crl.config.CrlConfig`: every algorithm has the same. What is here is read by some algorithms
alone (`UNREAD` says by which not).
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from robot_gcrl.env.reward import Reward
from robot_gcrl.errors import ConfigError

Algorithm = Literal["crl", "sac", "sac_her", "td3_her", "ppo", "gcbc"]
"""crl is contrastive; sac_her, td3_her and gcbc learn from hindsight; ppo and sac are brax's."""
Hindsight = Literal["future", "geometric", "final"]

BRAX: tuple[Algorithm, ...] = ("ppo", "sac")
"""Algorithms that brax's own trainers run."""

_CHOICES = {"reward": Reward, "hindsight": Hindsight}
# Each with its least and its greatest value
_RANGES = {
    "hindsight_share": (0.0, 1.0),
    "exploration_noise": (0.0, 2.0),
    "random_share": (0.0, 1.0),
    "target_noise": (0.0, 2.0),
    "target_noise_limit": (0.0, 2.0),
    "entropy_cost": (0.0, math.inf),
    "gae_lambda": (0.0, 1.0),
}
_ABOVE_ZERO = ("target_rate", "clipping", "reward_scale")
_LEASTS = {"policy_delay": 1, "unroll": 1, "minibatches": 1, "epochs": 1}


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """Settings of algorithms other than the contrastive one.

    Attributes:
      reward: "sparse" is 0 at the goal and -1 elsewhere, "dense" minus the distance to it, in
        success radii: see `robot_gcrl.env.reward`. Every task has both.
      hindsight: which row of the rest of the episode a relabelled goal is taken from: "future" each
        with equal probability, "geometric" as the contrastive agent does, "final" the last stored.
      hindsight_share: share of the batch whose goal is relabelled; the rest has the commanded one.
      num_critics: 1 or 2; of two, the lower value counts.
      target_rate: share of the way that target networks go to the learned ones in an update (tau).
      exploration_noise: standard deviation of the noise that is added to actions in training.
      random_share: share of the actions in training that are drawn uniformly instead.
      policy_delay: updates of the critics for one of the actor and of the targets.
      target_noise: standard deviation of the noise on the action whose value is the target.
      target_noise_limit: the most that this noise is.
      reward_scale: factor of the reward.
      unroll: control steps of each world between two updates.
      minibatches: into which these control steps are divided, by worlds.
      epochs: how often they are gone through.
      entropy_cost: weight of the policy's entropy in the loss.
      gae_lambda: of the generalised advantage.
      clipping: how far the ratio of probabilities may depart from 1 before it is clipped.
    """

    reward: Reward = "sparse"
    hindsight: Hindsight = "future"
    hindsight_share: float = 0.8
    num_critics: int = 2
    target_rate: float = 0.005
    exploration_noise: float = 0.1
    random_share: float = 0.0
    policy_delay: int = 2
    target_noise: float = 0.2
    target_noise_limit: float = 0.5
    reward_scale: float = 1.0
    unroll: int = 16
    minibatches: int = 8
    epochs: int = 4
    entropy_cost: float = 1e-3
    gae_lambda: float = 0.95
    clipping: float = 0.2

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in get_args(choices):
                raise _refuse(name, getattr(self, name), f"one of {', '.join(get_args(choices))}")
        for name, (low, high) in _RANGES.items():
            if not (math.isfinite(value := getattr(self, name)) and low <= value <= high):
                most = "more" if high == math.inf else f"to {high:g}"
                raise _refuse(name, value, f"a number from {low:g} {most}")
        for name in _ABOVE_ZERO:
            if not (math.isfinite(value := getattr(self, name)) and value > 0.0):
                raise _refuse(name, value, "a number above 0")
        if self.target_rate > 1.0:
            raise _refuse("target_rate", self.target_rate, "a number of at most 1")
        if self.num_critics not in (1, 2):
            raise _refuse("num_critics", self.num_critics, "1 or 2")
        for name, least in _LEASTS.items():
            if getattr(self, name) < least:
                raise _refuse(name, getattr(self, name), f"a whole number of {least} or more")


def _refuse(name: str, value: object, expected: str) -> ConfigError:
    return ConfigError(f"Baseline setting {name} is {value!r}. Expected {expected}. Change {name}.")


_OFF_POLICY = ("num_critics", "target_rate")
_HINDSIGHT = ("hindsight", "hindsight_share")
_READ: dict[Algorithm, tuple[str, ...]] = {
    "crl": (),
    "sac_her": ("reward", "reward_scale", "random_share", *_HINDSIGHT, *_OFF_POLICY),
    "td3_her": (
        "reward",
        "reward_scale",
        "exploration_noise",
        "random_share",
        "policy_delay",
        "target_noise",
        "target_noise_limit",
        *_HINDSIGHT,
        *_OFF_POLICY,
    ),
    "gcbc": ("hindsight", "random_share"),
    # brax's SAC takes the lowest of however many critics it is given
    "sac": ("reward", "reward_scale", *_OFF_POLICY),
    "ppo": (
        "reward",
        "reward_scale",
        "unroll",
        "minibatches",
        "epochs",
        "entropy_cost",
        "gae_lambda",
        "clipping",
    ),
}
_CONTRASTIVE = (
    "agent.embedding_size",
    "agent.logsumexp_penalty",
    "agent.loss",
    "agent.critic",
    "agent.time_bins",
    "agent.chunk",
    "agent.replan",
    "agent.energy",
    "agent.cosine_scale",
    "agent.learn_cosine_scale",
    "agent.num_critics",
    "agent.cloning",
    "agent.random_goals",
    "agent.horizon_spread",
    "agent.rows_per_episode",
    "agent.moving_share",
    "agent.bootstrap",
    "agent.target_rate",
    "start_from",
    "from_checkpoint",
    "dataset",
)
_TEMPERATURE = (
    "agent.temperature_learning_rate",
    "agent.initial_log_temperature",
    "agent.target_entropy_scale",
)
# brax's programs have neither our ring, overlap, iterations and averages, nor goals from a replay
_OUR_LOOP = ("agent.ema_decay", "rollout", "overlap", "goal_proposal", "goal_proposal_share",
             "goal_noise", "curriculum_radius", "checkpoint_interval")  # fmt: skip
_ALSO: dict[Algorithm, tuple[str, ...]] = {
    "crl": (),
    "sac_her": (),
    "td3_her": (*_TEMPERATURE, "agent.eval_action"),
    "gcbc": (*_TEMPERATURE, "agent.depth"),
    # The initial temperature and its learning rate are constants in brax's SAC
    "sac": (*_TEMPERATURE, *_OUR_LOOP),
    "ppo": (
        *_TEMPERATURE,
        *_OUR_LOOP,
        "agent.batch_size",
        "control_steps_per_update",
        "replay_capacity",
        "prefill",
    ),
}


def unread(algorithm: Algorithm) -> frozenset[str]:
    """Names of settings that an algorithm does not read, by dotted name."""
    fields = BaselineConfig.__dataclass_fields__
    own = {f"baseline.{name}" for name in fields if name not in _READ[algorithm]}
    theirs = () if algorithm == "crl" else (*_CONTRASTIVE, *_ALSO[algorithm])
    return frozenset(own).union(theirs)
