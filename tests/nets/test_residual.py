"""The trunk against its transcription, and what its depth costs the compiler."""

import re
import time
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from robot_gcrl.agents.crl.config import CrlConfig, Norm
from robot_gcrl.agents.crl.networks import Network, make_networks
from tests import naive


def init(network: Network, seed: int = 0) -> dict:
    """Its parameters; compiled whole, where op by op every shape would be."""
    return jax.jit(network.init)(jax.random.key(seed))


def actor(**settings: object) -> Network:
    config = CrlConfig(**{"width": 16, **settings})  # pyright: ignore[reportArgumentType]
    return make_networks(config, observation_size=5, action_size=3, goal_size=2).actor


@pytest.mark.parametrize("final_norm", [False, True])
@pytest.mark.parametrize(
    ("depth", "norm"),
    [(4, "layer"), (24, "layer"), (8, "rms"), (8, "hyperspherical")],  # 8 and 24 are checkpointed
)
def test_the_trunk_is_the_published_network(depth: int, norm: str, final_norm: bool):
    # Fails without the residual addition, with two layers swapped, and with ReLU for Swish.
    # Seen to fail: rms with LayerNorm; hyperspherical without a sphere, with lerp turned round, and
    # with Swish in a block's last layer.
    network = actor(actor_depth=depth, final_norm=final_norm, norm=norm)
    params = init(network)
    assert ("bias" in params["input"]["norm"]) == (norm == "layer")
    # every scale and bias away from its initial value
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    leaves = [x + 0.1 * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
    params = jax.tree.unflatten(tree, leaves)
    x = jax.random.normal(jax.random.key(2), (6, 7))
    found = jax.jit(network)(params, x)
    np.testing.assert_allclose(found, naive.residual_network(x, params), atol=2e-4)


def test_depth_counts_the_layers_inside_blocks():
    params = init(actor(actor_depth=24))
    kernels = [layer["dense"]["kernel"].shape for layer in params["blocks"].values()]
    assert kernels == [(6, 16, 16)] * 4


def test_blocks_begin_different_from_each_other():
    # Fails where every block is made from the same key.
    kernel = init(actor(actor_depth=8))["blocks"]["layer0"]["dense"]["kernel"]
    assert not np.allclose(kernel[0], kernel[1])


def test_the_published_kernels_are_uniform_within_one_over_root_fan_in():
    kernel = init(actor(width=256))["blocks"]["layer2"]["dense"]["kernel"]
    assert float(jnp.abs(kernel).max()) == pytest.approx(1 / 16, rel=1e-3)
    assert float(kernel.std()) == pytest.approx(1 / 16 / 3**0.5, rel=0.01)


def test_small_heads_begin_at_a_tenth():
    # Fails with the small scale at 1.
    published, small = (
        init(actor(width=256, head_init=form))["head"]["kernel"] for form in ("published", "small")
    )
    np.testing.assert_allclose(10.0 * small, published, rtol=1e-5)


def test_biases_of_the_first_layer_tell_an_input_from_its_multiple():
    # Seen to fail: with biases of zeros, for either network
    plain, biased = actor(), actor(input_bias=1.0)
    x = jax.random.normal(jax.random.key(2), (6, 7))
    np.testing.assert_allclose(plain(init(plain), x), plain(init(plain), 3.0 * x), atol=1e-4)
    params = init(biased)
    assert float(jnp.abs(biased(params, x) - biased(params, 3.0 * x)).max()) > 0.05
    assert 0.9 < float(jnp.abs(params["input"]["dense"]["bias"]).max()) <= 1.0
    assert not any(params["blocks"][f"layer{i}"]["dense"]["bias"].any() for i in range(4))


def test_zero_blocks_begin_as_the_identity():
    network = actor(actor_depth=64, block_init="zero")
    shallow = actor(actor_depth=4, block_init="zero")
    params = init(network)
    x = jax.random.normal(jax.random.key(2), (6, 7))
    first = jax.tree.map(lambda leaf: leaf[:1], params["blocks"])
    np.testing.assert_array_equal(network(params, x), shallow({**params, "blocks": first}, x))


@pytest.mark.parametrize(("depth", "published_least"), [(64, 0.2), (512, 0.8)])
def test_the_published_initialisation_saturates_deep_actors_and_the_small_one_does_not(
    depth: int, published_least: float
):
    # Measured over four seeds at width 256: 9-53% at depth 64, 87-100% at 512, 0 in the small form.
    sizes = {"observation_size": 29, "action_size": 8, "goal_size": 2}
    x = jax.random.normal(jax.random.key(1), (64, 31))

    def saturated(config: CrlConfig) -> float:
        network = make_networks(config, **sizes).actor
        outputs = jax.jit(lambda key: network(network.init(key), x))
        means = jnp.array([outputs(jax.random.key(seed))[:, :8] for seed in range(3)])
        return float(jnp.mean(jnp.abs(jnp.tanh(means)) > 0.99))

    published = saturated(CrlConfig(actor_depth=depth))
    small = saturated(
        CrlConfig(actor_depth=depth, final_norm=True, head_init="small", block_init="zero")
    )
    print(f"depth {depth}: saturated {published:.3f} published, {small:.3f} small")
    assert published > published_least
    assert small == 0.0


def lowered_text(depth: int, norm: str) -> str:
    network = actor(actor_depth=depth, norm=norm)
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    loss = lambda params, x: jnp.sum(network(params, x))  # noqa: E731
    return jax.jit(jax.grad(loss)).lower(shapes, jnp.ones((6, 7))).as_text()


@pytest.mark.parametrize("norm", get_args(Norm))
def test_depth_changes_numbers_of_the_program_and_nothing_else(norm: str):
    # Fails with blocks in a Python loop: 256 layers then have 32 times the text.
    without_numbers = [re.sub(r"[\d.e+-]+", "#", lowered_text(depth, norm)) for depth in (8, 256)]
    assert without_numbers[0] == without_numbers[1]


@pytest.mark.slow
def test_a_trunk_of_1024_compiles_as_fast_as_one_of_64():
    def seconds(depth: int) -> float:
        network = actor(actor_depth=depth, width=64)
        shapes = jax.eval_shape(network.init, jax.random.key(0))
        loss = lambda params, x: jnp.sum(network(params, x))  # noqa: E731
        lowered = jax.jit(jax.grad(loss)).lower(shapes, jnp.ones((64, 7)))
        start = time.process_time()
        lowered.compile()
        return time.process_time() - start

    jax.config.update("jax_enable_compilation_cache", False)  # compile, do not read back
    try:
        seconds(32)  # the compiler's own first use
        shallow, deep = seconds(64), seconds(1024)
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
    print(f"compile: depth 64 {shallow:.2f} s, depth 1024 {deep:.2f} s")
    assert deep <= 1.5 * shallow


def test_parameters_are_plain_dicts_of_arrays():
    params = init(actor())
    assert type(params) is dict
    assert not any(isinstance(leaf, nnx.Variable) for leaf in jax.tree.leaves(params))
    assert sorted(params) == ["blocks", "head", "input"]
