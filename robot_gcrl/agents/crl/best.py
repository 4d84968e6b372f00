"""Acting with the critic beside the actor: the best of several sampled actions.

The actor was trained to pick the action of the highest energy; where it has not learned to, the
critic tells among its samples. For evaluation on a computer that has the critic at hand: a policy
file acts with the mean. The most valued of several samples acts in arXiv 1812.02900 too, where a
model of recorded actions gives them.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from robot_gcrl.agents.crl.agent import Agent
from robot_gcrl.agents.crl.state import AgentState
from robot_gcrl.nets.tanh_normal import TanhNormal, sample_tanh_normal


def best_action(
    agent: Agent,
    state: AgentState,
    observation: Float[Array, "*batch O"],
    goal: Float[Array, "*batch G"],
    key: PRNGKeyArray,
    *,
    samples: int,
    spread: float = 1.0,
) -> Float[Array, "*batch A"]:
    """The action of the highest energy among samples of the policy and what it does without them.

    argmax_a f(s, a, g) over a in {a_0, tanh(mean + spread std noise_1..K)}, a_0 being that of
    `CrlConfig.eval_action`; a_0 where several are equally high.

    Args:
      agent: whose networks.
      state: what it has learned.
      observation: in observation units.
      goal: likewise.
      key: used once.
      samples: K.
      spread: factor of the policy's standard deviation.
    """
    policy = agent.policy(state, observation, goal)
    wide = TanhNormal(policy.mean, policy.log_std + np.log(spread))
    keys = jax.random.split(key, samples)
    drawn = jax.vmap(lambda key: sample_tanh_normal(wide, key=key)[0])(keys)
    actions = jnp.concatenate((agent.settled(policy)[None], drawn))
    # Over actions alone, so that psi(g) is computed once
    energy = jax.vmap(lambda action: agent.energy(state, observation, action, goal))(actions)
    best = jnp.argmax(energy, axis=0)
    return jnp.take_along_axis(actions, best[None, ..., None], axis=0)[0]
