"""A residual trunk whose depth costs neither program text nor compile time.

Dense + LayerNorm + Swish in, then D / 4 blocks of 4 x [Dense, LayerNorm, Swish] added to their
input, then a linear head (arXiv 2503.14858, section 3.2). The parameters of all blocks are stacked
along a leading axis and one `lax.scan` runs over them. Letters: W width, D depth: the Dense layers
inside blocks.
"""

from typing import Any, Literal

import jax
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

HeadInit = Literal["published", "small"]
BlockInit = Literal["published", "zero"]

LAYERS_PER_BLOCK = 4
LAYER_NORM_EPSILON = 1e-6

# Recomputing a block in the backward pass saves its activations and costs a forward pass of time;
# up to this depth the activations of a batch are small.
_CHECKPOINT_ABOVE = 16

# Uniform in +-1 / sqrt(fan in): the published code's initialisation of every Dense kernel.
_published_kernel = nnx.initializers.variance_scaling(1.0 / 3.0, "fan_in", "uniform")
# A tenth of its standard deviation.
_small_kernel = nnx.initializers.variance_scaling(1.0 / 300.0, "fan_in", "uniform")


class Layer(nnx.Module):
    """Dense, LayerNorm, Swish."""

    def __init__(self, size: int, width: int, *, norm_scale: float = 1.0, rngs: nnx.Rngs) -> None:
        self.dense = nnx.Linear(size, width, kernel_init=_published_kernel, rngs=rngs)
        self.norm = nnx.LayerNorm(
            width,
            epsilon=LAYER_NORM_EPSILON,
            scale_init=nnx.initializers.constant(norm_scale),
            rngs=rngs,
        )

    def __call__(self, x: Float[Array, "*batch I"]) -> Float[Array, "*batch W"]:
        """The layer's output."""
        return nnx.swish(self.norm(self.dense(x)))


class Block(nnx.Module):
    """Four layers, added to their input."""

    def __init__(self, width: int, *, block_init: BlockInit, rngs: nnx.Rngs) -> None:
        # A Dense of zeros in front of a LayerNorm would have gradients of 1 / sqrt(epsilon); a
        # norm scale of zero makes the block the identity with gradients of order one.
        last = 0.0 if block_init == "zero" else 1.0
        self.layer0 = Layer(width, width, rngs=rngs)
        self.layer1 = Layer(width, width, rngs=rngs)
        self.layer2 = Layer(width, width, rngs=rngs)
        self.layer3 = Layer(width, width, norm_scale=last, rngs=rngs)

    def __call__(self, x: Float[Array, "*batch W"]) -> Float[Array, "*batch W"]:
        """The block's output."""
        return x + self.layer3(self.layer2(self.layer1(self.layer0(x))))


class ResidualTrunk(nnx.Module):
    """Maps [.., input_size] to [.., output_size].

    Args:
      input_size: of the last axis in.
      output_size: of the last axis out.
      width: W.
      depth: D, a multiple of 4.
      final_norm: whether a LayerNorm stands before the head.
      head_init: "published": as every other layer; "small": a tenth of that.
      block_init: "published"; "zero": every block begins as the identity.
      rngs: of which `params` is used.
    """

    def __init__(
        self,
        *,
        input_size: int,
        output_size: int,
        width: int,
        depth: int,
        final_norm: bool,
        head_init: HeadInit,
        block_init: BlockInit,
        rngs: nnx.Rngs,
    ) -> None:
        self.depth = depth
        self.input = Layer(input_size, width, rngs=rngs)

        @nnx.split_rngs(splits=depth // LAYERS_PER_BLOCK)
        @nnx.vmap(in_axes=(0,), out_axes=0)
        def make_blocks(rngs: nnx.Rngs) -> Block:
            return Block(width, block_init=block_init, rngs=rngs)

        self.blocks = make_blocks(rngs)
        self.norm = (
            nnx.LayerNorm(width, epsilon=LAYER_NORM_EPSILON, rngs=rngs) if final_norm else None
        )
        kernel_init = _small_kernel if head_init == "small" else _published_kernel
        self.head = nnx.Linear(width, output_size, kernel_init=kernel_init, rngs=rngs)

    def __call__(self, x: Float[Array, "*batch I"]) -> Float[Array, "*batch J"]:
        """The head's output."""
        graph, stacked = nnx.split(self.blocks)

        def run_block(x: Array, block: Any) -> tuple[Array, None]:
            return nnx.merge(graph, block)(x), None

        if self.depth > _CHECKPOINT_ABOVE:
            run_block = jax.checkpoint(run_block, prevent_cse=False)
        x, _ = lax.scan(run_block, self.input(x), stacked)
        if self.norm is not None:
            x = self.norm(x)
        return self.head(x)
