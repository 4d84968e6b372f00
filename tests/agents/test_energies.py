"""The four energies: as a matrix product, in pairs, and against their transcriptions."""

from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from robot_gcrl.agents.crl.config import Energy
from robot_gcrl.agents.crl.energies import energy_matrix, paired_energy
from robot_gcrl.agents.crl.losses import critic_terms
from tests import naive
from tests.agents.test_losses import embeddings

ENERGIES: tuple[Energy, ...] = get_args(Energy)


@pytest.mark.parametrize("energy", ENERGIES)
def test_matrix_and_pairs_are_the_transcription(energy: Energy):
    # Fails with the scale left out, with one embedding not made a unit vector, and with the root
    # left out of l2.
    phi, psi = embeddings()
    expected = [[naive.energy(a, b, energy, 7.0) for b in psi] for a in phi]
    np.testing.assert_allclose(energy_matrix(phi, psi, energy, 7.0), expected, atol=4e-5)
    np.testing.assert_allclose(paired_energy(phi, psi, energy, 7.0), np.diag(expected), atol=2e-5)


@pytest.mark.parametrize(("energy", "error"), [("l2", 2e-5), ("squared_l2", 2e-4)])
def test_distances_are_exact_far_from_the_origin(energy: Energy, error: float):
    # Fails without the shift by the mean: at 1000 the error is then above 0.1.
    phi, psi = embeddings(shift=1000.0)
    expected = [[naive.energy(a, b, energy) for b in psi] for a in phi]
    np.testing.assert_allclose(energy_matrix(phi, psi, energy), expected, atol=error)
    np.testing.assert_allclose(paired_energy(phi, psi, energy), np.diag(expected), atol=error)


@pytest.mark.parametrize("energy", ENERGIES)
def test_gradients_are_finite_where_embeddings_coincide_or_vanish(energy: Energy):
    # Fails without the epsilon of l2, and without that of the unit vectors: nan.
    phi, _ = embeddings()
    phi = jnp.concatenate([phi, phi[:1], jnp.zeros((2, 8))])

    def loss(phi: jax.Array, psi: jax.Array) -> jax.Array:
        return critic_terms(
            phi, psi, logsumexp_penalty=0.1, loss="symmetric_infonce", energy=energy, scale=10.0
        ).loss

    for other in (phi, 0.0 * phi):
        gradients = jnp.array(jax.grad(loss, argnums=(0, 1))(phi, other))
        assert np.all(np.isfinite(gradients))
        # a cosine turns quickly near the origin: at most scale / sqrt(epsilon) a row
        assert float(jnp.abs(gradients).max()) < (1e4 if energy == "cosine" else 10.0)
    pairs = jax.grad(lambda a: paired_energy(a, a + 0.0, energy).sum())(phi)
    assert np.all(np.isfinite(pairs))
    if energy in ("l2", "squared_l2"):
        assert float(jnp.abs(pairs).max()) == 0.0


def test_a_cosine_forgets_lengths_and_a_dot_product_does_not():
    phi, psi = embeddings()
    expected: dict[Energy, bool] = {"cosine": True, "dot": False}
    for energy, same in expected.items():
        longer = paired_energy(3.0 * phi, psi, energy), paired_energy(phi, psi, energy)
        assert np.allclose(*longer, atol=1e-5) == same


@pytest.mark.parametrize("energy", ENERGIES)
def test_the_loss_takes_the_energy_that_it_is_given(energy: Energy):
    # Fails with the energy given to the pairs alone.
    phi, psi = embeddings()
    value = critic_terms(
        phi, psi, logsumexp_penalty=0.1, loss="infonce", energy=energy, scale=3.0
    ).loss
    expected = naive.critic_loss(
        phi, psi, logsumexp_penalty=0.1, loss="infonce", kind=energy, scale=3.0
    )
    assert float(value) == pytest.approx(expected, rel=1e-5)
