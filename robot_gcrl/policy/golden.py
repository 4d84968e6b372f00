"""Inputs with the actions that the agent itself gives them, for every runtime to reproduce.

The agent computes them in float64, so that they are its equations and not its rounding. Trained
actors magnify rounding: of two right computations in float32, the actions can differ by more than
1e-5 in a few states, mostly where tanh is steep. Such a state cannot tell a wrong runtime from a
right one, so others are chosen, and what rounding does to the policy is measured and kept.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from robot_gcrl.agents.crl.agent import Agent
from robot_gcrl.agents.crl.state import AgentState
from robot_gcrl.contract import Contract
from robot_gcrl.contract.actuate import actuate
from robot_gcrl.contract.chunk import follow, queue_size
from robot_gcrl.contract.observe import achieved_goal, observe
from robot_gcrl.policy.runtime.file import NUM_GOLDEN, Golden

# Beyond it tanh hides what the network computed, so that a wrong one would look right
SATURATED = 0.95
# Candidates are the measured starts, moved by noise of one of these standard deviations [SI]; they
# need not be states that a robot can be in. Half of the goals are near what is achieved there, with
# this standard deviation as a share of the goal's range: far goals saturate most policies.
_NOISE = np.array((0.0, 0.1, 0.3, 1.0))
_NEAR = 0.05
_HALF = NUM_GOLDEN // 2
_TRIES = 4
# Of a float32, relative to it
_ULP = 2.0**-23


class Examples(NamedTuple):
    """Golden examples and what the policy does to rounding.

    Attributes:
      golden: the examples.
      unsaturated: how many of them lie within +-SATURATED in every component.
      rounding: what computing in float32 changes in the agent's own actions, at most, in the
        golden examples.
      greatest_rounding: the same in all candidates.
    """

    golden: Golden
    unsaturated: int
    rounding: float
    greatest_rounding: float


def make_golden(
    contract: Contract, agent: Agent, state: AgentState, inputs: np.ndarray, goal: np.ndarray
) -> Examples:
    """NUM_GOLDEN of the candidates; half of them unsaturated in every component, or nearest to it.

    Args:
      contract: of the task.
      agent: that was trained.
      state: of the agent.
      inputs: [S, I], candidates: what a robot measures at the task's starts, SI.
      goal: [S, G], SI.
    """
    candidates = _candidates(contract, inputs, goal)
    act = functools.partial(_act, contract, agent)
    # Acting needs no more of it
    state = state._replace(
        critic={}, actor_optimizer=(), critic_optimizer=(), temperature_optimizer=()
    )
    with jax.enable_x64(True):
        exact, ctrl = jax.device_get(
            jax.jit(act)(*in_float64((jax.device_get(state), *candidates)))
        )
    rounding = _rounding(jax.jit(act), state, candidates, exact)
    chosen = _choose(exact, rounding)
    arrays = (value[chosen].astype(np.float32) for value in (*candidates, exact, ctrl))
    golden = Golden(*arrays)
    if agent.served_chunk > 1:
        golden = _with_queues(contract, golden, agent.served_chunk)
    return Examples(
        golden=golden,
        unsaturated=int((np.abs(exact[chosen]) < SATURATED).all(-1).sum()),
        rounding=float(rounding[chosen].max()),
        greatest_rounding=float(rounding.max()),
    )


def _with_queues(contract: Contract, golden: Golden, length: int) -> Golden:
    """The same, some of them amid a chunk; of the others the action is what the agent begins.

    Of four examples one goes on with its chunk and one has another goal than its chunk pursues; the
    rest have none. So most of them still try the network.

    Args:
      contract: of the task.
      golden: with chunks as actions, and the ctrl of their first ones.
      length: H.
    """
    rng = np.random.default_rng(0)
    row = np.arange(NUM_GOLDEN)
    size = queue_size(length, goal_size=contract.goal_size, action_size=contract.action_size)
    queue = np.zeros((NUM_GOLDEN, size), np.float32)
    goals = 1 + contract.goal_size
    left = 1 + row // 4 % (length - 1)
    rest = rng.uniform(-1.0, 1.0, (NUM_GOLDEN, length - 1, contract.action_size))
    rest[np.arange(length - 1) >= left[:, None]] = 0.0
    queue[:, 0], queue[:, 1:goals] = left, golden.goal
    queue[:, goals:] = rest.reshape(NUM_GOLDEN, -1)
    goes_on = row % 4 == 1
    queue[row % 4 == 2, 1] += 0.1
    queue[row % 4 % 3 == 0] = 0.0
    action, next_queue = follow(golden.action, golden.goal, queue)
    moved = actuate(contract.action, action, golden.previous_ctrl)
    return golden._replace(
        action=action,
        ctrl=np.where(goes_on[:, None], moved, golden.ctrl).astype(np.float32),
        queue=queue,
        next_queue=next_queue,
    )


def _rounding(
    act: Callable[..., Any],
    state: AgentState,
    candidates: tuple[np.ndarray, ...],
    exact: np.ndarray,
) -> np.ndarray:
    """[S], the greatest change of a component by computing in float32, of several tries.

    One try may be right by chance. In the others the weights are moved by about their own rounding,
    which changes all that comes after as another order of additions would.
    """
    rng = np.random.default_rng(0)
    actor, worst = jax.device_get(state.actor), np.zeros(len(exact))
    for i in range(_TRIES):
        size = _ULP if i else 0.0
        moved = jax.tree.map(
            lambda x, size=size: (x * (1.0 + size * rng.normal(size=x.shape))).astype(x.dtype),
            actor,
        )
        with jax.default_matmul_precision("highest"):  # accelerators would round to fewer digits
            action, _ = jax.device_get(act(state._replace(actor=moved), *candidates))
        worst = np.maximum(worst, np.abs(action - exact).max(-1))
    return worst


def _candidates(
    contract: Contract, inputs: np.ndarray, goal: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Arguments of a step, float32, all [S, ..]."""
    rng = np.random.default_rng(0)
    row = np.arange(len(inputs))
    inputs = inputs + _NOISE[row % len(_NOISE), None] * rng.normal(size=inputs.shape)
    low, high = contract.goal_bounds
    near = achieved_goal(contract, inputs) + _NEAR * (high - low) * rng.normal(size=goal.shape)
    is_near = (row // len(_NOISE) % 2 == 1)[:, None]
    ctrl_low, ctrl_high = contract.action.ctrl_range
    rows, size = len(inputs), contract.action_size
    arrays = (
        inputs,
        np.where(is_near, np.clip(near, low, high), goal),
        rng.uniform(-1.0, 1.0, (rows, contract.previous_action_size)),
        rng.uniform(ctrl_low, ctrl_high, (rows, size)),
    )
    first, second, third, fourth = (array.astype(np.float32) for array in arrays)
    return first, second, third, fourth


def _act(
    contract: Contract,
    agent: Agent,
    state: AgentState,
    inputs: jax.Array,
    goal: jax.Array,
    previous_action: jax.Array,
    previous_ctrl: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    observation = observe(contract, inputs, previous_action, jnp)
    action = agent.act(state, observation, goal * contract.goal_scale, None)
    first = action[..., : contract.action_size]
    action = action[..., : agent.served_chunk * contract.action_size]
    return action, actuate(contract.action, first, previous_ctrl, jnp)


def in_float64(tree: Any) -> Any:
    """The tree with its floats in float64, to be used under `jax.enable_x64`."""
    return jax.tree.map(lambda x: np.asarray(x, np.result_type(x, np.float64)), tree)


def _choose(action: np.ndarray, rounding: np.ndarray) -> np.ndarray:
    """Indices of NUM_GOLDEN rows: half unsaturated ones, half the first of the others.

    The unsaturated ones that rounding changes least come first, then the least saturated.
    """
    saturation = np.maximum(np.abs(action).max(-1), SATURATED)
    preferred = np.lexsort((rounding, saturation))[:_HALF]
    others = np.setdiff1d(np.arange(len(action)), preferred)[:_HALF]
    return np.concatenate((preferred, others))
