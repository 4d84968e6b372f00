"""A residual trunk whose features and weights stay on spheres (arXiv 2502.15280, SimbaV2).

    sphere(x) = x / sqrt(mean(x^2) + epsilon)
    x = sphere(scale * (sphere(inputs, SHIFT) K))
    per block: y = x; three times y = sphere(swish(scale * (y K))); y = sphere(scale * (y K));
        x = sphere(x + lerp * (y - x))
    head(x), after one more scale where final_norm

Each column of every K has length 1 after each gradient step; scales and lerp are learned vectors;
there is no bias. A Dense layer counts as in `robot_gcrl.nets.residual`, whose interface this has.
It departs from the paper as that trunk does from its own: blocks of four layers with Swish, not of
two with ReLU; the head is an ordinary Dense, as it is the output of which the scale must be free.
Letters: W width, K here a kernel [in, W].
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from robot_gcrl.nets.residual import LAYER_NORM_EPSILON, run_blocks, uniform

# Appended to the inputs, so that their length is not lost on the sphere: inputs are normalised to
# components of about 1, of which a few to dozens are of this order together.
SHIFT = 3.0


def sphere(x: Float[Array, "*batch W"]) -> Float[Array, "*batch W"]:
    """The vector with the length sqrt(W), so that its components are about 1.

    The paper has length 1, and scales that begin where they make up for it; the functions are the
    same. The epsilon keeps value and gradient finite where x vanishes.
    """
    return x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + LAYER_NORM_EPSILON)


def project(params: dict[str, Any]) -> dict[str, Any]:
    """A trunk's parameters with columns of length 1 in every kernel but the head's."""
    layers = {"input": params["input"], "blocks": params["blocks"]}

    def one(path: tuple[Any, ...], leaf: Array) -> Array:
        if path[-1].key != "kernel":
            return leaf
        length = jnp.linalg.norm(leaf, axis=-2, keepdims=True)
        return leaf / jnp.maximum(length, LAYER_NORM_EPSILON)

    return params | jax.tree_util.tree_map_with_path(one, layers)


class Scale(nnx.Module):
    """Each component times a learned number that begins at 1."""

    def __init__(self, width: int) -> None:
        self.scale = nnx.Param(jnp.ones(width))

    def __call__(self, x: Float[Array, "*batch W"]) -> Float[Array, "*batch W"]:
        """The scaled vector."""
        return x * self.scale[...]


class SphereLayer(nnx.Module):
    """Dense without a bias, scale; what follows is the trunk's."""

    def __init__(self, size: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.dense = nnx.Linear(size, width, use_bias=False, kernel_init=uniform(1.0), rngs=rngs)
        self.norm = Scale(width)

    def __call__(self, x: Float[Array, "*batch I"]) -> Float[Array, "*batch W"]:
        """The layer's output."""
        return self.norm(self.dense(x))


class SphereBlock(nnx.Module):
    """Four layers, towards whose output the input is moved."""

    def __init__(self, width: int, *, lerp: float, rngs: nnx.Rngs) -> None:
        self.layer0 = SphereLayer(width, width, rngs=rngs)
        self.layer1 = SphereLayer(width, width, rngs=rngs)
        self.layer2 = SphereLayer(width, width, rngs=rngs)
        self.layer3 = SphereLayer(width, width, rngs=rngs)
        self.lerp = nnx.Param(jnp.full(width, lerp))

    def __call__(self, x: Float[Array, "*batch W"]) -> Float[Array, "*batch W"]:
        """The block's output."""
        y = x
        for layer in (self.layer0, self.layer1, self.layer2):
            y = sphere(nnx.swish(layer(y)))
        return sphere(x + self.lerp[...] * (sphere(self.layer3(y)) - x))


class SphereTrunk(nnx.Module):
    """Maps [.., input_size] to [.., output_size]; its parameters are kept in place by `project`.

    Args:
      input_size: of the last axis in.
      output_size: of the last axis out.
      width: W.
      num_blocks: D / 4.
      final_norm: whether one more scale stands before the head.
      head_scale: the head's kernel begins at this times its usual standard deviation.
      last_scale: each block's lerp begins at this times 1 / (num_blocks + 1): at 0 every block
        begins as the identity.
      rngs: of which `params` is used.
    """

    def __init__(
        self,
        *,
        input_size: int,
        output_size: int,
        width: int,
        num_blocks: int,
        final_norm: bool,
        head_scale: float,
        last_scale: float,
        rngs: nnx.Rngs,
    ) -> None:
        self.num_blocks = num_blocks
        self.input = SphereLayer(input_size + 1, width, rngs=rngs)

        @nnx.split_rngs(splits=num_blocks)
        @nnx.vmap(in_axes=(0,), out_axes=0)
        def make_blocks(rngs: nnx.Rngs) -> SphereBlock:
            return SphereBlock(width, lerp=last_scale / (num_blocks + 1), rngs=rngs)

        self.blocks = make_blocks(rngs)
        self.norm = Scale(width) if final_norm else None
        self.head = nnx.Linear(width, output_size, kernel_init=uniform(head_scale), rngs=rngs)

    def __call__(self, x: Float[Array, "*batch I"]) -> Float[Array, "*batch J"]:
        """The head's output."""
        shift = jnp.full((*x.shape[:-1], 1), SHIFT, x.dtype)
        x = sphere(self.input(sphere(jnp.concatenate([x, shift], axis=-1))))
        x = run_blocks(self.blocks, x, self.num_blocks)
        if self.norm is not None:
            x = self.norm(x)
        return self.head(x)
