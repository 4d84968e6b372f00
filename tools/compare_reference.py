"""Compares the agent with a literal NumPy transcription of the published equations.

    python tools/compare_reference.py [--depth 8] [--width 64] [--batch 64] [--seed 0]

Prints the greatest difference of each quantity and exits 1 where one is above its limit. The
library computes in float32, the transcription (tests/naive.py) in float64.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from robot_gcrl.agents.crl.agent import Agent, AgentState, make_agent
from robot_gcrl.agents.crl.config import CrlConfig, Loss
from robot_gcrl.agents.crl.losses import critic_terms, energy_matrix
from robot_gcrl.nets.tanh_normal import make_tanh_normal, sample_tanh_normal
from robot_gcrl.replay.hindsight import Batch, sample_offset
from tests import naive

OBSERVATION, ACTION, GOAL_INDEX = 29, 8, (0, 1)
DRAWS = 200_000


class Row(NamedTuple):
    """One line of the table: float32 has about 7 digits, so limits scale with the values."""

    quantity: str
    difference: float
    limit: float

    @property
    def within(self) -> bool:
        """Whether both are finite and the difference is small enough."""
        return bool(np.isfinite(self.limit) and self.difference <= self.limit)


def main() -> int:
    """Prints the table; 0 if every difference is within its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, default in (("depth", 8), ("width", 64), ("batch", 64), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    config = CrlConfig(
        depth=args.depth, actor_depth=args.depth, width=args.width, batch_size=args.batch
    )
    agent = make_agent(
        config, observation_size=OBSERVATION, action_size=ACTION, goal_index=GOAL_INDEX
    )
    state_key, batch_key, noise_key, offset_key = jax.random.split(jax.random.key(args.seed), 4)
    state = jax.jit(agent.init)(state_key)
    batch = _batch(batch_key, args.batch)
    rows = [
        *_networks(agent, state, batch),
        *_critic(agent, state, batch),
        *_actor(agent, state, batch, noise_key),
        *_offsets(offset_key),
    ]
    print(f"{'quantity':46} {'max difference':>15} {'limit':>10}")
    for row in rows:
        mark = "" if row.within else "  <-- above its limit"
        print(f"{row.quantity:46} {row.difference:15.2e} {row.limit:10.0e}{mark}")
    return int(not all(row.within for row in rows))


def _batch(key: jax.Array, size: int) -> Batch:
    keys = jax.random.split(key, 3)
    return Batch(
        observation=jax.random.normal(keys[0], (size, OBSERVATION)),
        action=jax.random.uniform(keys[1], (size, ACTION), minval=-1.0),
        goal=jax.random.normal(keys[2], (size, len(GOAL_INDEX))),
        offset=jnp.ones(size, jnp.int32),
        remaining=jnp.ones(size, jnp.int32),
    )


def _row(quantity: str, ours: object, theirs: object, limit: float) -> Row:
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    return Row(quantity, float(np.max(np.abs(ours - theirs))), limit * (1 + np.abs(theirs).max()))


def _networks(agent: Agent, state: AgentState, batch: Batch) -> list[Row]:
    networks = agent.networks
    inputs = (
        ("actor output", networks.actor, state.actor, (batch.observation, batch.goal)),
        (
            "phi(s, a)",
            networks.sa_encoder,
            state.critic["sa_encoder"],
            (batch.observation, batch.action),
        ),
        ("psi(g)", networks.g_encoder, state.critic["g_encoder"], (batch.goal,)),
    )
    rows = []
    for name, network, params, parts in inputs:
        x = jnp.concatenate(parts, axis=-1)
        rows.append(_row(name, network(params, x), naive.residual_network(x, params), 1e-5))
    return rows


def _critic(agent: Agent, state: AgentState, batch: Batch) -> list[Row]:
    x = np.hstack([batch.observation, batch.action])
    phi = naive.residual_network(x, state.critic["sa_encoder"])
    psi = naive.residual_network(batch.goal, state.critic["g_encoder"])
    phi_32, psi_32 = jnp.asarray(phi, jnp.float32), jnp.asarray(psi, jnp.float32)
    matrix = [[naive.energy(a, b) for b in psi] for a in phi]
    rows = [_row("energy of all pairs", energy_matrix(phi_32, psi_32), matrix, 1e-5)]
    penalty = agent.config.logsumexp_penalty
    losses: tuple[tuple[str, Loss], ...] = (
        ("backward InfoNCE", "backward_infonce"),
        ("symmetric InfoNCE", "symmetric_infonce"),
        ("InfoNCE", "infonce"),
    )
    for name, kind in losses:
        terms = critic_terms(phi_32, psi_32, logsumexp_penalty=penalty, loss=kind)
        loss = naive.critic_loss(phi, psi, logsumexp_penalty=penalty, loss=kind)
        rows.append(_row(f"{name} + logsumexp penalty", terms.loss, loss, 1e-5))
    _, metrics = jax.jit(agent.update)(state, batch, jax.random.key(0))
    loss = naive.critic_loss(phi, psi, logsumexp_penalty=penalty, loss=agent.config.loss)
    rows.append(_row("critic loss of an update", metrics["critic_loss"], loss, 1e-5))
    return rows


def _actor(agent: Agent, state: AgentState, batch: Batch, key: jax.Array) -> list[Row]:
    outputs = naive.residual_network(np.hstack([batch.observation, batch.goal]), state.actor)
    distribution = make_tanh_normal(jnp.asarray(outputs, jnp.float32))
    ours = sample_tanh_normal(distribution, key=key)[1]
    policy = [naive.split_output(output) for output in outputs]
    noise = np.asarray(jax.random.normal(key, batch.action.shape), np.float64)
    pairs = list(zip(policy, noise, strict=True))
    densities = [naive.log_density(mean, log_std, n) for (mean, log_std), n in pairs]
    drawn = np.array([np.tanh(mean + np.exp(log_std) * n) for (mean, log_std), n in pairs])
    phi = naive.residual_network(np.hstack([batch.observation, drawn]), state.critic["sa_encoder"])
    psi = naive.residual_network(batch.goal, state.critic["g_encoder"])
    energies = [naive.energy(a, b) for a, b in zip(phi, psi, strict=True)]
    loss = naive.actor_loss(energies, densities, float(jnp.exp(state.log_temperature)))
    _, metrics = jax.jit(agent.update)(state, batch, key)
    return [
        _row("log-density of drawn actions", ours, densities, 1e-5),
        _row("actor loss of an update", metrics["actor_loss"], loss, 1e-5),
    ]


def _offsets(key: jax.Array) -> list[Row]:
    rows = []
    for gamma, remaining in ((0.9, 5), (0.99, 200), (0.99, 1000)):
        drawn = sample_offset(jnp.full(DRAWS, remaining), key=key, gamma=gamma)
        shares = np.cumsum(np.bincount(drawn, minlength=remaining + 1)[1:]) / DRAWS
        law = np.cumsum(naive.offset_law(gamma, remaining))
        # Kolmogorov-Smirnov: a correct sampler stays below 1.95 / sqrt(draws) in 999 of 1000 cases
        difference = float(np.abs(shares - law).max())
        name = f"distribution of offsets, gamma {gamma}, {remaining} left"
        rows.append(Row(name, difference, 1.95 / DRAWS**0.5))
    return rows


if __name__ == "__main__":
    sys.exit(main())
