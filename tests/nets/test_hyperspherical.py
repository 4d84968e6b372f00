"""What stays on a sphere, and where a trunk on spheres begins; test_residual has its equations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.nets.hyperspherical import project, sphere
from tests.agents.test_agent import batch_of, small_agent
from tests.nets.test_residual import actor, init

SPHERE = {"norm": "hyperspherical"}


def lengths(params: dict) -> np.ndarray:
    """Of the columns of every kernel but the head's, in one row."""
    layers = [params["input"], *(params["blocks"][f"layer{i}"] for i in range(4))]
    norms = [jnp.linalg.norm(layer["dense"]["kernel"], axis=-2) for layer in layers]
    return np.concatenate([np.ravel(x) for x in norms])


@pytest.mark.parametrize("count", [1, 2])
def test_weights_are_of_unit_length_at_first_and_after_every_step(count: int):
    # Seen to fail: without the projection in apply_gradients, with axis -1, and with that of the
    # encoders alone.
    agent = small_agent(**SPHERE, num_critics=count)
    state, update = jax.jit(agent.init)(jax.random.key(3)), jax.jit(agent.update)
    heads = []
    for step in range(3):
        for params in (state.actor, state.critic["sa_encoder"], state.critic["g_encoder"]):
            np.testing.assert_allclose(lengths(params), 1.0, atol=1e-5)
        heads.append(np.linalg.norm(state.actor["head"]["kernel"]))
        state, metrics = update(state, batch_of(seed=step), jax.random.key(step))
        assert all(np.isfinite(value) for value in metrics.values())
    assert len(set(heads)) == 3


def test_a_projection_changes_kernels_alone():
    # Seen to fail: with the head projected.
    params = init(actor(**SPHERE, final_norm=True))
    longer = jax.tree.map(lambda leaf: 3.0 * leaf, params)
    projected = project(longer)
    np.testing.assert_allclose(lengths(projected), 1.0, atol=1e-5)
    np.testing.assert_array_equal(projected["head"]["kernel"], longer["head"]["kernel"])
    np.testing.assert_array_equal(projected["blocks"]["lerp"], longer["blocks"]["lerp"])
    np.testing.assert_array_equal(projected["norm"]["scale"], longer["norm"]["scale"])


def test_blocks_begin_by_moving_a_little_and_zero_blocks_not_at_all():
    # Seen to fail: with last_scale left out.
    lerp = init(actor(**SPHERE, actor_depth=12))["blocks"]["lerp"]
    np.testing.assert_allclose(lerp, np.full((3, 16), 0.25))
    zero = init(actor(**SPHERE, actor_depth=12, block_init="zero"))
    assert float(jnp.abs(zero["blocks"]["lerp"]).max()) == 0.0


def test_nothing_is_lost_where_a_vector_vanishes():
    # Seen to fail: without the epsilon, nan.
    value, gradient = jax.value_and_grad(lambda x: sphere(x).sum())(jnp.zeros(8))
    assert float(value) == 0.0
    assert np.all(np.isfinite(gradient))


def test_inputs_of_another_length_are_told_apart():
    # Meant to fail: without the shift.
    network = actor(**SPHERE)
    params, apply = init(network), jax.jit(network)
    x = jax.random.normal(jax.random.key(1), (6, 7))
    assert float(jnp.abs(apply(params, x) - apply(params, 3.0 * x)).max()) > 0.01
