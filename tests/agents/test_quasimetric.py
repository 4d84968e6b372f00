"""The quasimetric against its transcription, and what a distance must obey."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.agents.crl.config import Loss
from robot_gcrl.agents.crl.quasimetric import distance, distance_matrix, temporal_terms
from tests import naive

terms_of = jax.jit(temporal_terms, static_argnames=("logsumexp_penalty", "loss"))
POINTS = jax.random.normal(jax.random.key(0), (70, 8))


def test_distances_are_those_of_the_equation():
    # Seen to fail: with the halves exchanged. 70 rows are no multiple of 32.
    points = np.asarray(POINTS, np.float64)
    expected = np.array([[naive.quasimetric(x, y) for y in points] for x in points])
    apart = ~np.eye(70, dtype=bool)
    found = distance_matrix(POINTS, POINTS)
    np.testing.assert_allclose(np.asarray(found)[apart], expected[apart], atol=1e-5)
    assert (np.diag(found) < 3e-3).all()
    paired = distance(POINTS[:9], POINTS[9:18])
    np.testing.assert_allclose(paired, np.diag(expected[:9, 9:18]), rtol=1e-5)


def test_it_is_a_quasimetric():
    # Seen to fail: with an epsilon under the root, in the distance of equals.
    x, y = POINTS[:, None], POINTS[None]
    d = np.asarray(distance(*jnp.broadcast_arrays(x, y)), np.float64)
    assert (np.diag(d) == 0.0).all()
    assert (d[~np.eye(70, dtype=bool)] > 0.0).all()
    assert (d[:, :, None] + d[None] - d[:, None] > -1e-5).all()  # d(x, y) + d(y, z) - d(x, z)
    assert np.abs(d - d.T).max() > 1.0


def test_a_way_that_has_no_way_back():
    # Seen to fail: with abs for relu.
    there = distance(jnp.array([0.0, 5.0]), jnp.array([9.0, 5.0]))
    back = distance(jnp.array([9.0, 5.0]), jnp.array([0.0, 5.0]))
    assert (float(there), float(back)) == (0.0, 9.0)


def test_gradients_are_finite_where_points_coincide():
    # Seen to fail: with the bare root, nan.
    same = jnp.concatenate([POINTS[:6], POINTS[:1]])
    goals = jnp.concatenate([same, jnp.zeros((7, 1))], axis=1)

    def loss(phi: jax.Array, psi: jax.Array) -> jax.Array:
        return temporal_terms(phi, psi, logsumexp_penalty=0.1, loss="symmetric_infonce").loss

    for gradient in jax.jit(jax.grad(loss, argnums=(0, 1)))(same, goals):
        assert np.isfinite(gradient).all()
        assert float(jnp.abs(gradient).max()) < 10.0


@pytest.mark.parametrize("loss", ["infonce", "backward_infonce", "symmetric_infonce"])
def test_the_loss_is_that_of_the_equation(loss: Loss):
    # Seen to fail: with the potential of the row in place of that of the goal.
    phi, psi = POINTS[:12], jax.random.normal(jax.random.key(1), (12, 9))
    terms = terms_of(phi, psi, logsumexp_penalty=0.1, loss=loss)
    expected = naive.temporal_loss(
        np.asarray(phi), np.asarray(psi), logsumexp_penalty=0.1, loss=loss
    )
    assert float(terms.loss) == pytest.approx(expected, rel=1e-5)


def test_golden_numbers():
    phi = jnp.asarray(np.sin(np.arange(16.0)).reshape(4, 4), jnp.float32)
    psi = jnp.asarray(np.sin(np.arange(20.0) * 2.0).reshape(4, 5), jnp.float32)
    terms = terms_of(phi, psi, logsumexp_penalty=0.1, loss="infonce")
    assert [float(term) for term in terms] == pytest.approx(GOLDEN, abs=1e-4)


GOLDEN = [1.66803, 0.25, -0.06774, -1.71826, -1.86019]
