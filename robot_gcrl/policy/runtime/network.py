"""What the actor of a policy file computes, as numbers and names; no arithmetic.

    observation = what `robot_gcrl.contract.observe.observe` makes of the inputs, [O]
    goal' = goal [SI] * goal_scale, [G]
    both: (value - mean) / max(sqrt(variance), std_floor), clipped to +-limit, the goal by the
        moments of the components goal_index; left out without a normalizer
    x = layer(concatenate(observation, goal')), with layer = Swish(LayerNorm(Dense))
    depth / 4 times: x = x + layer3(layer2(layer1(layer0(x))))
    output = head(x), after one more LayerNorm where final_norm; with the norm "rms", an RMSNorm
        without a bias stands for each; of "hyperspherical" trunks see `runtime.sphere`
    chunk = tanh(output), [H A]: H actions one after the other, which
        `robot_gcrl.contract.chunk.follow` executes; of H = 1 it is the action
    with a log_std_range (low, high) the output is (mean, raw), [2 H A]:
        log_std = low + (high - low) / 2 * (tanh(raw) + 1)
        chunk = tanh(mean / sqrt(1 + pi / 2 * exp(2 log_std)))

Letters: O, G, A sizes of observation, goal and action; W width; K = depth / 4 blocks; H chunk.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from robot_gcrl.contract import Contract
from robot_gcrl.contract.chunk import queue_size

LAYERS = ("layer0", "layer1", "layer2", "layer3")
NORMS = ("layer", "rms", "hyperspherical")


@dataclass(frozen=True, kw_only=True)
class Normalizer:
    """How observation and goal are normalised.

    Attributes:
      std_floor: least standard deviation that is divided by [observation units].
      limit: normalised values are clipped to +-limit.
    """

    std_floor: float
    limit: float


@dataclass(frozen=True, kw_only=True)
class Network:
    """The actor's sizes and constants.

    Attributes:
      observation_size: O.
      goal_size: G.
      action_size: A.
      width: W.
      depth: Dense layers inside the residual blocks.
      final_norm: whether a LayerNorm stands before the head.
      layer_norm_epsilon: added to the variance in every LayerNorm.
      goal_index: [G], the observation component that each goal field compares with.
      goal_scale: [G], observation units per SI unit of each goal field.
      normalizer: None where observation and goal are used as they are.
      log_std_range: least and greatest log-standard-deviation, where the action is the mean of the
        policy's distribution; None where it is tanh of the mean before tanh.
      norm: one of NORMS.
      shift: the number appended to the inputs of a hyperspherical trunk.
      chunk: H, actions that are decided on at once.
    """

    observation_size: int
    goal_size: int
    action_size: int
    width: int
    depth: int
    final_norm: bool
    layer_norm_epsilon: float
    goal_index: tuple[int, ...]
    goal_scale: tuple[float, ...]
    normalizer: Normalizer | None
    log_std_range: tuple[float, float] | None = None
    norm: str = "layer"
    shift: float = 0.0
    chunk: int = 1

    @property
    def num_outputs(self) -> int:
        """Of the head."""
        return self.decided if self.log_std_range is None else 2 * self.decided

    @property
    def num_blocks(self) -> int:
        """K."""
        return self.depth // len(LAYERS)

    @property
    def decided(self) -> int:
        """H A, the numbers that are decided on at once."""
        return self.chunk * self.action_size

    @property
    def queue_size(self) -> int:
        """Q, numbers that are remembered of a chunk; 0 without chunks."""
        return queue_size(self.chunk, goal_size=self.goal_size, action_size=self.action_size)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every array of weights; those of all blocks are stacked."""
        shapes = trunk_shapes(
            self.observation_size + self.goal_size,
            self.num_outputs,
            width=self.width,
            num_blocks=self.num_blocks,
            final_norm=self.final_norm,
            norm=self.norm,
        )
        if self.normalizer is not None:
            shapes |= {f"moments/{k}": (self.observation_size,) for k in ("mean", "variance")}
        return shapes

    def fits(self, contract: Contract) -> bool:
        """Whether it takes what the contract observes and gives what it commands."""
        return (
            (self.observation_size, self.goal_size, self.action_size)
            == (contract.observation_size, contract.goal_size, contract.action_size)
            and self.goal_index == tuple(contract.goal_index.tolist())
            and self.goal_scale == tuple(contract.goal_scale.tolist())
        )

    def to_json(self) -> str:
        """Its fields as a JSON object."""
        return described(self)

    @classmethod
    def from_json(cls, text: str) -> "Network":
        """What `to_json` was called of.

        Raises:
          ValueError, TypeError, KeyError, AttributeError: it is no such object.
        """
        content: dict[str, Any] = json.loads(text)
        normalizer = content.pop("normalizer")
        log_std_range = content.pop("log_std_range", None)
        network = cls(
            goal_index=tuple(content.pop("goal_index")),
            goal_scale=tuple(content.pop("goal_scale")),
            normalizer=None if normalizer is None else Normalizer(**normalizer),
            log_std_range=None if log_std_range is None else _range(log_std_range),
            **content,
        )
        sizes = (network.observation_size, network.goal_size, network.action_size, network.width)
        sizes += (network.chunk,)
        require_trunk(sizes, network.depth, network.norm)
        return network


def described(network: Any) -> str:
    """The fields of a dataclass as a JSON object; without those that have their default.

    So a file that needs nothing new can be read by the versions before.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(network)}
    content = dataclasses.asdict(network)
    kept = {name: v for name, v in content.items() if getattr(network, name) != defaults[name]}
    return json.dumps(kept, indent=1, allow_nan=False)


def trunk_shapes(
    inputs: int, outputs: int, *, width: int, num_blocks: int, final_norm: bool, norm: str = "layer"
) -> dict[str, tuple[int, ...]]:
    """Name and shape of a trunk's arrays, from `inputs` numbers to `outputs` ones."""
    on_sphere = norm == "hyperspherical"
    shapes = _layer("input", (inputs + on_sphere, width), norm)
    for name in LAYERS:
        shapes |= _layer(f"blocks/{name}", (num_blocks, width, width), norm)
    if on_sphere:
        shapes["blocks/lerp"] = (num_blocks, width)
    if final_norm:
        shapes |= {f"norm/{name}": (width,) for name in _norm_parts(norm)}
    return shapes | {"head/kernel": (width, outputs), "head/bias": (outputs,)}


def require_trunk(sizes: tuple[int, ...], depth: int, norm: str = "layer") -> None:
    """Raises a ValueError unless there is a trunk of these sizes, this depth and this norm."""
    if min(sizes) < 1 or depth < len(LAYERS) or depth % len(LAYERS):
        raise ValueError(f"sizes {sizes}, depth {depth}")
    if norm not in NORMS:
        raise ValueError(f"norm {norm!r}")


def _range(content: Any) -> tuple[float, float]:
    low, high = (float(number) for number in content)
    if not low <= high:
        raise ValueError(f"log_std_range {low} to {high}")
    return low, high


def _layer(name: str, kernel: tuple[int, ...], norm: str) -> dict[str, tuple[int, ...]]:
    vector = (*kernel[:-2], kernel[-1])
    bias = {} if norm == "hyperspherical" else {f"{name}/dense/bias": vector}
    norms = {f"{name}/norm/{part}": vector for part in _norm_parts(norm)}
    return {f"{name}/dense/kernel": kernel} | bias | norms


def _norm_parts(norm: str) -> tuple[str, ...]:
    return ("scale", "bias") if norm == "layer" else ("scale",)
