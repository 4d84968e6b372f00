"""The settings of the contrastive agent, checked where they are made. Imports no JAX."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from robot_gcrl.errors import ConfigError

HeadInit = Literal["published", "small"]
BlockInit = Literal["published", "zero"]
Loss = Literal["infonce", "backward_infonce", "symmetric_infonce"]
Critic = Literal["contrastive", "survival", "temporal_distance"]
EvalAction = Literal["mode", "mean"]
Norm = Literal["layer", "rms", "hyperspherical"]
Energy = Literal["l2", "squared_l2", "dot", "cosine"]

LEARNING = frozenset(
    {
        "batch_size",
        "head_init",
        "block_init",
        "input_bias",
        "learning_rate",
        "ema_decay",
        "temperature_learning_rate",
        "initial_log_temperature",
        "target_entropy_scale",
        "logsumexp_penalty",
        "gamma",
        "horizon_spread",
        "rows_per_episode",
        "loss",
        "cloning",
        "random_goals",
        "moving_share",
        "bootstrap",
        "target_rate",
    }
)
"""Settings that say how is learned: what given parameters compute does not depend on them.

A run that starts from another one may differ in these alone; what is not named here is refused.
"""

LAYERS_PER_BLOCK = 4
MAX_DEPTH = 1024
MAX_CHUNK = 32

_CHOICES = {
    "head_init": HeadInit,
    "block_init": BlockInit,
    "loss": Loss,
    "energy": Energy,
    "critic": Critic,
    "eval_action": EvalAction,
    "norm": Norm,
}
# What does not go together with `bootstrap`, and why
_NOT_BOOTSTRAPPED = {
    "critic": "only the contrastive critic predicts which goal comes next",
    "chunk": "one step later the chunk is not over",
    "horizon_spread": "one step later every row has the same discount",
    "rows_per_episode": "the goals of the batch have to be draws of any episode",
}
# Of whole numbers
_LEASTS = {
    "width": 1,
    "actor_width": 1,
    "embedding_size": 1,
    "batch_size": 2,
    "time_bins": 2,
}


@dataclass(frozen=True, kw_only=True)
class CrlConfig:
    """Settings of the contrastive agent; the defaults are the published ones.

    Attributes:
      depth: Dense layers inside the residual blocks of each encoder: a multiple of 4 in 4..1024.
      actor_depth: likewise of the actor.
      width: of every layer.
      actor_width: of the actor's layers, if they are to have another width.
      embedding_size: of phi(s, a) and psi(g).
      batch_size: rows per gradient step; every row is a negative of every other.
      final_norm: whether a LayerNorm (or what stands for it) stands before each head.
      norm: "layer" is LayerNorm, "rms" RMSNorm in its place; "hyperspherical" keeps features and
        weights on spheres, with learned scales, and moves a block's input towards its output.
      head_init: "small" begins each head at a tenth of the published standard deviation, so that
        deep actors do not begin saturated.
      block_init: "zero" begins each residual block as the identity.
      input_bias: the biases of every network's first layer begin uniform within +- this. At 0, the
        published form, the LayerNorm behind that layer takes away how large an input is, and a goal
        of two numbers begins as a direction; the constant that arXiv 2502.15280 appends to its
        inputs (which "hyperspherical" has) is for the same.
      normalize_observations: whether observations and goals are normalised by running moments.
      learning_rate: of actor and critic (Adam).
      ema_decay: of the exponential moving average of the actor's weights, per gradient step, that
        is evaluated, kept and exported in place of the newest; 0 for the newest. Exploring and
        learning go by the newest alone. The n-th step's decay is at most (1 + n) / (10 + n).
        Averages of a policy's weights: Nikishin et al. 2018, openreview.net/forum?id=h_pqG28iST0.
      temperature_learning_rate: of the log-temperature (Adam).
      initial_log_temperature: natural logarithm of the first temperature.
      target_entropy_scale: the policy's target entropy is minus this times the numbers that it
        decides on at once, action size times chunk [nat].
      logsumexp_penalty: weight of mean(logsumexp^2) in the critic's loss, if that is an InfoNCE.
      gamma: discount per control step of the futures that goals are drawn from.
      horizon_spread: how far the horizon 1 / (1 - gamma) of each row is spread about that of
        gamma: its logarithm is uniform between 1 / S and S times it; 1 for one horizon. Goals
        close by teach where to stop, goals far away where to begin.
      rows_per_episode: rows of a batch that are of one episode, a divisor of batch_size: with more
        than one the critic cannot tell goals apart by what all of an episode has in common.
      loss: "infonce" tells goals apart for each state-action; "backward_infonce" state-actions for
        each goal; "symmetric_infonce" both.
      critic: "contrastive" has the energy that `energy` names, "temporal_distance" minus a
        quasimetric, which need not be the same there and back; "survival" learns in which bin of
        time a goal is reached, from goals that were reached and from episodes that ended before,
        and its energy is the log of the discounted time there.
      time_bins: of the survival critic; each has its share of the embeddings.
      chunk: actions that the actor decides on at once and that are executed open loop (H); the
        critic judges them together.
      replan: whether a policy with chunks, once it does not explore, executes the first action of
        each and then decides anew: in evaluations, in recordings of its mean, in policy files.
      energy: of a contrastive critic, between an embedded state-action and an embedded goal: minus
        their distance ("l2"), minus its square, their product ("dot"), or the cosine of their angle
        times a scale.
      cosine_scale: what the cosine is multiplied by, at first: the inverse temperature of the
        softmax over it.
      learn_cosine_scale: whether the logarithm of that scale is learned with the encoders.
      num_critics: pairs of encoders that learn side by side, 1 or 2; of two, the actor believes the
        lower energy.
      eval_action: how the policy acts when it does not explore: by tanh of its distribution's mean
        ("mode"), or by the distribution's mean after tanh ("mean").
      cloning: weight of behaviour cloning in the actor's loss: of minus log pi of the stored action
        for the goal that it led to; the rest of the loss is then divided by the mean energy.
      random_goals: share of the rows for which the actor learns to reach what another row led to,
        wherever that is, instead of what its own episode went on to: goals farther than gamma sees.
      moving_share: share of a batch whose goal lies elsewhere than what was achieved at the row, by
        more than a tenth of the success radius, as far as eight draws for each row find such ones:
        most rows of an arm that has not learned to touch a cube say nothing about cubes.
      bootstrap: share of the critic's loss that learns from its own prediction one step later,
        under the actor as it is now, instead of what the episode went on to: see
        `robot_gcrl.agents.crl.bootstrap`; 0 for none.
      target_rate: how far the slow critic that predicts moves towards the critic in each step.
    """

    depth: int = 4
    actor_depth: int = 4
    width: int = 256
    actor_width: int | None = None
    embedding_size: int = 64
    batch_size: int = 512
    final_norm: bool = False
    norm: Norm = "layer"
    head_init: HeadInit = "published"
    block_init: BlockInit = "published"
    input_bias: float = 0.0
    normalize_observations: bool = False
    learning_rate: float = 3e-4
    ema_decay: float = 0.0
    temperature_learning_rate: float = 3e-4
    initial_log_temperature: float = 0.0
    target_entropy_scale: float = 0.5
    logsumexp_penalty: float = 0.1
    gamma: float = 0.99
    horizon_spread: float = 1.0
    rows_per_episode: int = 1
    loss: Loss = "infonce"
    critic: Critic = "contrastive"
    time_bins: int = 8
    chunk: int = 1
    replan: bool = False
    energy: Energy = "l2"
    cosine_scale: float = 10.0
    learn_cosine_scale: bool = True
    num_critics: int = 1
    eval_action: EvalAction = "mode"
    cloning: float = 0.0
    random_goals: float = 0.0
    moving_share: float = 0.0
    bootstrap: float = 0.0
    target_rate: float = 0.02

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
        for name, least in _LEASTS.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise _refuse(name, value, f"a whole number of {least} or more")
        if not 1 <= self.chunk <= MAX_CHUNK:
            raise _refuse("chunk", self.chunk, f"a whole number from 1 to {MAX_CHUNK}")
        if self.replan and self.chunk == 1:
            raise ConfigError(
                "Agent setting replan is True and chunk is 1: every action is decided on anew "
                "anyhow. Expected replan with chunks. Raise chunk, or leave replan out."
            )
        for name in ("learning_rate", "temperature_learning_rate", "cosine_scale"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise _refuse(name, value, "a number above 0")
        for name in ("target_entropy_scale", "logsumexp_penalty", "cloning", "input_bias"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise _refuse(name, value, "a number of 0 or more")
        for name in ("random_goals", "moving_share"):
            share = getattr(self, name)
            if not 0.0 <= share <= 1.0:
                raise _refuse(name, share, "a share from 0 to 1")
            if share > 0.0 and int(share * self.batch_size) == 0:
                raise _refuse(name, share, f"one row or more of batch_size {self.batch_size}")
        if not 0.0 <= self.ema_decay < 1.0:
            raise _refuse("ema_decay", self.ema_decay, "a number from 0 to below 1")
        if self.num_critics not in (1, 2):
            raise _refuse("num_critics", self.num_critics, "1 or 2")
        if not math.isfinite(self.initial_log_temperature):
            raise _refuse(
                "initial_log_temperature", self.initial_log_temperature, "a finite number"
            )
        if not 0.0 < self.gamma < 1.0:
            raise _refuse("gamma", self.gamma, "a number between 0 and 1, both excluded")
        if self.rows_per_episode < 1 or self.batch_size % self.rows_per_episode:
            raise _refuse(
                "rows_per_episode",
                self.rows_per_episode,
                f"a divisor of batch_size {self.batch_size}",
            )
        if not 1.0 <= self.horizon_spread < math.inf:
            raise _refuse("horizon_spread", self.horizon_spread, "a finite number of 1 or more")
        if self.cloning > 0.0 and self.random_goals == 1.0:
            raise ConfigError(
                "Agent settings cloning is above 0 and random_goals is 1.0: actions are cloned for "
                "the goals that they led to, and no row has that. Expected a share below 1. Lower "
                "random_goals, or leave cloning out."
            )
        self._check_choices()
        self._check_cosine()
        self._check_critic()
        self._check_bootstrap()

    def _check_choices(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in get_args(choices):
                raise _refuse(name, getattr(self, name), f"one of {', '.join(get_args(choices))}")

    def _check_cosine(self) -> None:
        for name in ("cosine_scale", "learn_cosine_scale"):
            value = getattr(self, name)
            if self.energy != "cosine" and value != getattr(type(self), name):
                raise ConfigError(
                    f"Agent setting {name} is {value!r} and energy is {self.energy!r}, which does "
                    f"not read it. Expected energy 'cosine'. Change energy, or leave {name} out."
                )
        if self.critic != "survival" and self.time_bins != type(self).time_bins:
            raise ConfigError(
                f"Agent setting time_bins is {self.time_bins} and critic is {self.critic!r}, which "
                "does not read it. Expected critic 'survival'. Change critic, or leave time_bins "
                "out."
            )

    def _check_critic(self) -> None:
        """What goes together; each setting is in its own range."""
        if self.critic != "contrastive" and self.energy != "l2":
            raise ConfigError(
                f"Agent setting energy is {self.energy!r} with critic {self.critic!r}, which has "
                "an energy of its own. Expected 'l2', the default. Leave energy out."
            )
        if self.critic == "survival" and self.logsumexp_penalty != type(self).logsumexp_penalty:
            raise ConfigError(
                f"Agent setting logsumexp_penalty is {self.logsumexp_penalty} with critic "
                "'survival', which has no InfoNCE to add it to. Expected the default. Leave "
                "logsumexp_penalty out."
            )
        if self.critic == "survival" and self.horizon_spread != 1.0:
            raise ConfigError(
                f"Agent setting horizon_spread is {self.horizon_spread} with critic 'survival', "
                "whose bins of time undo one discount. Expected 1. Leave horizon_spread out."
            )
        if self.critic == "survival" and self.rows_per_episode != 1:
            raise ConfigError(
                f"Agent setting rows_per_episode is {self.rows_per_episode} with critic "
                "'survival', to which the goals of the other rows are draws of any episode. "
                "Expected 1. Leave rows_per_episode out."
            )
        parts = {"survival": self.time_bins, "temporal_distance": 2}.get(self.critic, 1)
        if self.embedding_size % parts:
            raise _refuse(
                "embedding_size",
                self.embedding_size,
                f"a multiple of {parts}: the critic {self.critic!r} divides the embedding into "
                f"{parts} equal parts",
            )

    def _check_bootstrap(self) -> None:
        if not 0.0 <= self.bootstrap <= 1.0:
            raise _refuse("bootstrap", self.bootstrap, "a share from 0 to 1")
        if not 0.0 < self.target_rate <= 1.0:
            raise _refuse("target_rate", self.target_rate, "a number above 0, at most 1")
        if self.bootstrap == 0.0:
            if self.target_rate != type(self).target_rate:
                raise ConfigError(
                    f"Agent setting target_rate is {self.target_rate} and bootstrap is 0: there is "
                    "no slow critic. Expected it with a share. Raise bootstrap, or leave "
                    "target_rate out."
                )
            return
        for name, why in _NOT_BOOTSTRAPPED.items():
            value = getattr(self, name)
            if value != getattr(type(self), name):
                raise ConfigError(
                    f"Agent setting bootstrap is {self.bootstrap} and {name} is {value!r}: {why}. "
                    f"Expected the default of either. Leave bootstrap or {name} out."
                )


def _refuse(name: str, value: object, expected: str) -> ConfigError:
    return ConfigError(f"Agent setting {name} is {value!r}. Expected {expected}. Change {name}.")
