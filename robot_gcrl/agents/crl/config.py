"""The settings of the contrastive agent, checked where they are made. Imports no JAX."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from robot_gcrl.errors import ConfigError

HeadInit = Literal["published", "small"]
BlockInit = Literal["published", "zero"]
Loss = Literal["infonce", "symmetric_infonce"]

LEARNING = frozenset(
    {
        "batch_size",
        "head_init",
        "block_init",
        "learning_rate",
        "temperature_learning_rate",
        "initial_log_temperature",
        "target_entropy_scale",
        "logsumexp_penalty",
        "gamma",
        "loss",
    }
)
"""Settings that say how is learned: what given parameters compute does not depend on them.

A run that starts from another one may differ in these alone; what is not named here is refused.
"""

LAYERS_PER_BLOCK = 4
MAX_DEPTH = 1024


@dataclass(frozen=True, kw_only=True)
class CrlConfig:
    """Settings of the contrastive agent; the defaults are the published ones.

    Attributes:
      depth: Dense layers inside the residual blocks of each encoder: a multiple of 4 in 4..1024.
      actor_depth: likewise of the actor.
      width: of every layer.
      embedding_size: of phi(s, a) and psi(g).
      batch_size: rows per gradient step; every row is a negative of every other.
      final_norm: whether a LayerNorm stands before each head.
      head_init: "small" begins each head at a tenth of the published standard deviation, so that
        deep actors do not begin saturated.
      block_init: "zero" begins each residual block as the identity.
      normalize_observations: whether observations and goals are normalised by running moments.
      learning_rate: of actor and critic (Adam).
      temperature_learning_rate: of the log-temperature (Adam).
      initial_log_temperature: natural logarithm of the first temperature.
      target_entropy_scale: the policy's target entropy is minus this times the action size [nat].
      logsumexp_penalty: weight of mean(logsumexp^2) in the critic's loss.
      gamma: discount per control step of the futures that goals are drawn from.
      loss: "infonce" tells goals apart for each state-action; "symmetric_infonce" also
        state-actions for each goal.
    """

    depth: int = 4
    actor_depth: int = 4
    width: int = 256
    embedding_size: int = 64
    batch_size: int = 512
    final_norm: bool = False
    head_init: HeadInit = "published"
    block_init: BlockInit = "published"
    normalize_observations: bool = False
    learning_rate: float = 3e-4
    temperature_learning_rate: float = 3e-4
    initial_log_temperature: float = 0.0
    target_entropy_scale: float = 0.5
    logsumexp_penalty: float = 0.1
    gamma: float = 0.99
    loss: Loss = "infonce"

    def __post_init__(self) -> None:
        for name in ("depth", "actor_depth"):
            depth = getattr(self, name)
            if depth % LAYERS_PER_BLOCK or not LAYERS_PER_BLOCK <= depth <= MAX_DEPTH:
                raise _refuse(
                    name,
                    depth,
                    f"a multiple of {LAYERS_PER_BLOCK} from {LAYERS_PER_BLOCK} to {MAX_DEPTH}: "
                    f"a residual block has {LAYERS_PER_BLOCK} layers",
                )
        for name, least in (("width", 1), ("embedding_size", 1), ("batch_size", 2)):
            if getattr(self, name) < least:
                raise _refuse(name, getattr(self, name), f"a whole number of {least} or more")
        for name in ("learning_rate", "temperature_learning_rate"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise _refuse(name, value, "a number above 0")
        for name in ("target_entropy_scale", "logsumexp_penalty"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise _refuse(name, value, "a number of 0 or more")
        if not math.isfinite(self.initial_log_temperature):
            raise _refuse(
                "initial_log_temperature", self.initial_log_temperature, "a finite number"
            )
        if not 0.0 < self.gamma < 1.0:
            raise _refuse("gamma", self.gamma, "a number between 0 and 1, both excluded")
        for name, choices in (("head_init", HeadInit), ("block_init", BlockInit), ("loss", Loss)):
            if getattr(self, name) not in get_args(choices):
                raise _refuse(name, getattr(self, name), f"one of {', '.join(get_args(choices))}")


def _refuse(name: str, value: object, expected: str) -> ConfigError:
    return ConfigError(f"Agent setting {name} is {value!r}. Expected {expected}. Change {name}.")
