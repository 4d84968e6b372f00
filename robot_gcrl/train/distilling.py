"""The program that makes a small policy do what a large one does, compiled as one.

In the manner of DAgger (Ross, Gordon and Bagnell, arXiv 1011.0686): the student meets the states
that it leads to by itself, and the teacher says in each of them what it would have done. Whoever
drives, half of the worlds draw their actions instead of taking the mean, so that states around the
usual ones are met too. Each state is labelled twice: for its commanded goal, and for one that
another world pursues, so that the student knows the teacher's goals from everywhere.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, UInt32

from robot_gcrl.agents.crl.agent import Agent, Queue
from robot_gcrl.agents.crl.networks import Params
from robot_gcrl.agents.crl.state import AgentState
from robot_gcrl.env.goal_env import EnvState, GoalEnv
from robot_gcrl.errors import ConfigError
from robot_gcrl.nets.tanh_normal import TanhNormal, sample_tanh_normal
from robot_gcrl.train.imitation import imitation_loss
from robot_gcrl.train.loop import emptied


class Memory(NamedTuple):
    """The newest labelled states, a ring.

    Attributes:
      observation: [C, 2N, O], as the policies were shown it.
      goal: [C, 2N, G], in observation units.
      mean: [C, 2N, K], the teacher's, before tanh, of all actions that it decides on at once.
      log_std: [C, 2N, K], likewise.
    """

    observation: Float[Array, "C M O"]
    goal: Float[Array, "C M G"]
    mean: Float[Array, "C M K"]
    log_std: Float[Array, "C M K"]


class DistillState(NamedTuple):
    """Everything that distilling is.

    Attributes:
      student: its parameters.
      optimizer: Adam's state.
      memory: labelled states.
      env: the worlds.
      queue: what is left of the chunks that are executed; () without chunks.
      key: raw data of the PRNG key; never changed, iterations are folded in.
      iteration: calls of `iterate` so far.
    """

    student: Params
    optimizer: optax.OptState
    memory: Memory
    env: EnvState
    queue: Queue
    key: UInt32[Array, " K"]
    iteration: Int[Array, ""]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """How a student is taught.

    Attributes:
      rollout: control steps of each world in one call.
      capacity: control steps that the memory keeps of each world.
      updates: gradient steps for each control step.
      batch_size: labelled states in each.
      learning_rate: of Adam.
      lead: iterations over which the teacher's share of the driving falls from 1 to 0.
      spreads: whether standard deviations are learned too.
    """

    rollout: int = 32
    capacity: int = 512
    updates: int = 2
    batch_size: int = 512
    learning_rate: float = 1e-3
    lead: int = 8
    spreads: bool = True

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(
                f"batch_size is {self.batch_size}. Expected a whole number of 1 or more. Change "
                "--batch-size."
            )
        if not 0.0 < self.learning_rate < math.inf:
            raise ConfigError(
                f"learning_rate is {self.learning_rate}. Expected a number above 0. Change "
                "--learning-rate."
            )


@dataclass(frozen=True, eq=False, kw_only=True)
class Distilling:
    """The compiled parts.

    Attributes:
      init: seed -> DistillState.
      iterate: DistillState, which is consumed -> the next one, and means of what was measured.
    """

    init: Callable[[int], DistillState]
    iterate: jax.stages.Wrapped


def make_distilling(
    env: GoalEnv, *, teacher: Agent, taught: AgentState, student: Agent, lesson: Lesson
) -> Distilling:
    """Builds the program.

    Args:
      env: worlds of the teacher's task.
      teacher: its networks.
      taught: its parameters, and the observation moments that the student uses too.
      student: its networks.
      lesson: how.
    """
    adam = optax.adam(lesson.learning_rate)

    def init(seed: Int[Array, ""]) -> DistillState:
        actor_key, env_key, run_key = jax.random.split(jax.random.key(seed), 3)
        actor = student.networks.actor.init(actor_key)
        contract, rows = env.task.contract, (lesson.capacity, 2 * env.num_worlds)
        decided = student.config.chunk * contract.action_size
        return DistillState(
            student=actor,
            optimizer=adam.init(actor),
            memory=Memory(
                observation=jnp.zeros((*rows, contract.observation_size)),
                goal=jnp.zeros((*rows, contract.goal_size)),
                mean=jnp.zeros((*rows, decided)),
                log_std=jnp.zeros((*rows, decided)),
            ),
            env=env.init(env_key),
            queue=student.empty_queue(env.num_worlds),
            key=jax.random.key_data(run_key),
            iteration=jnp.int32(0),
        )

    def iterate(state: DistillState) -> tuple[DistillState, dict[str, Array]]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.iteration)
        share = jnp.clip(1.0 - state.iteration / lesson.lead, 0.0, 1.0)

        def control_step(carry: DistillState, step: Array) -> tuple[DistillState, dict[str, Array]]:
            keys = jax.random.split(jax.random.fold_in(key, step), 4)
            policies = _Policies(teacher, taught, student, carry.student)
            memory, decided = _label(carry, env, policies, share, keys[0], step, lesson)
            action, queue = student.execute(decided, env.goal_input(carry.env), carry.queue)
            queue = emptied(queue, carry.env.ended)
            ticket = env.start(carry.env, action, keys[1])
            row = state.iteration * lesson.rollout + step
            stored = jnp.minimum(row + 1, lesson.capacity)
            carry = carry._replace(memory=memory, queue=queue)
            learned, metrics = _learn(carry, policies, adam, lesson, stored + ticket.token, keys[2])
            worlds = env.wait(ticket, metrics["imitation_loss"])
            return learned._replace(env=worlds), metrics

        state, metrics = jax.lax.scan(control_step, state, jnp.arange(lesson.rollout))
        means = {name: value.mean() for name, value in metrics.items()}
        return state._replace(iteration=state.iteration + 1), means | {"teacher_share": share}

    return Distilling(init=jax.jit(init), iterate=jax.jit(iterate, donate_argnums=0))


class _Policies(NamedTuple):
    teacher: Agent
    taught: AgentState
    student: Agent
    learner: Params

    def teach(self, observation: Array, goal: Array) -> TanhNormal:
        return self.teacher.policy(self.taught, observation, goal)

    def try_(self, learner: Params, observation: Array, goal: Array) -> TanhNormal:
        return self.student.policy(self.taught._replace(actor=learner), observation, goal)


def _label(
    state: DistillState,
    env: GoalEnv,
    policies: _Policies,
    share: Array,
    key: Array,
    step: Array,
    lesson: Lesson,
) -> tuple[Memory, Float[Array, "N K"]]:
    """Stores what the teacher says in every world, and picks what is decided there."""
    observation, goal = env.observation(state.env), env.goal_input(state.env)
    n = env.num_worlds
    other_key, sample_key = jax.random.split(key)
    # A turn by at least one world: every goal is used, none of its own world
    turn = jax.random.randint(other_key, (), 1, max(n, 2))
    rows = jnp.concatenate((observation, observation))
    goals = jnp.concatenate((goal, jnp.roll(goal, turn, axis=0)))
    labels = policies.teach(rows, goals)
    row = (state.iteration * lesson.rollout + step) % lesson.capacity
    entries = Memory(rows, goals, labels.mean, labels.log_std)
    memory = jax.tree.map(lambda ring, entry: ring.at[row].set(entry), state.memory, entries)
    own = policies.try_(policies.learner, observation, goal)
    world = jnp.arange(n)[:, None]
    by_teacher = world < share * n
    driver = jax.tree.map(lambda a, b: jnp.where(by_teacher, a[:n], b), labels, own)
    drawn, _ = sample_tanh_normal(driver, key=sample_key)
    return memory, jnp.where(world % 2 == 0, policies.student.settled(driver), drawn)


def _learn(
    state: DistillState,
    policies: _Policies,
    adam: optax.GradientTransformation,
    lesson: Lesson,
    stored: Int[Array, ""],
    key: Array,
) -> tuple[DistillState, dict[str, Array]]:
    """A few gradient steps on labelled states, each equally likely."""

    def loss(learner: Params, batch: Memory) -> tuple[Array, dict[str, Array]]:
        policy = policies.try_(learner, batch.observation, batch.goal)
        return imitation_loss(policy, TanhNormal(batch.mean, batch.log_std), lesson.spreads)

    def update(
        carry: tuple[Params, optax.OptState], key: Array
    ) -> tuple[tuple[Params, optax.OptState], dict[str, Array]]:
        learner, optimizer = carry
        row_key, column_key = jax.random.split(key)
        shape = (lesson.batch_size,)
        row = jax.random.randint(row_key, shape, 0, stored)
        column = jax.random.randint(column_key, shape, 0, state.memory.goal.shape[1])
        batch = jax.tree.map(lambda ring: ring[row, column], state.memory)
        gradient, metrics = jax.grad(loss, has_aux=True)(learner, batch)
        change, optimizer = adam.update(gradient, optimizer)
        learner = jax.tree.map(jnp.add, learner, change)
        learner = policies.student.networks.actor.kept(learner)
        return (learner, optimizer), metrics

    (student, optimizer), metrics = jax.lax.scan(
        update, (state.student, state.optimizer), jax.random.split(key, lesson.updates)
    )
    means = {name: value.mean() for name, value in metrics.items()}
    return state._replace(student=student, optimizer=optimizer), means
