"""Episodes of a goal-conditioned task over N worlds, as pure functions over `EnvState`.

Reset is on the *next* step: a state with `ended` is the last of its episode; the step after it
ignores the action and puts that world at a new start with a new goal. No episode ends on success.
A world that diverges keeps the numbers from before the step and is truncated there, so that every
state holds an observation that was measured.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from robot_gcrl.contract.actuate import actuate, initial_ctrl
from robot_gcrl.contract.observe import (
    achieved_goal,
    goal_distances,
    is_healthy,
    is_success,
    make_layout,
    observe,
    read_inputs,
    remembered,
)
from robot_gcrl.contract.realism import Level
from robot_gcrl.contract.reality import Reality, told_goal
from robot_gcrl.env.practice import Practice, Sampler, check_goals
from robot_gcrl.env.proposer import Proposer, Proposing, given, none_given
from robot_gcrl.env.realities import Drawn, Realities
from robot_gcrl.env.state import Begun, EnvState, EnvTicket
from robot_gcrl.physics.engine import Engine, Starts, State, report
from robot_gcrl.replay.buffer import Replay
from robot_gcrl.task.task import Task

Goals = Literal["train", "eval"]

_AS_THE_TASK = Practice()
# Of the model, under realism: a policy is measured on others than it was trained on
_VARIANT_SEEDS = {"train": 0, "eval": 1}
# Folded into the keys of a step, so that without realism they are what they were
_REALITY_KEY = 0x5EA1
# Likewise into those of goals, without proposals
_PROPOSAL_KEY = 0x6EA1


class GoalEnv:
    """Episodes of one task on one engine; S is the number of success groups."""

    def __init__(
        self,
        task: Task,
        engine: Engine,
        *,
        goals: Goals,
        practice: Practice = _AS_THE_TASK,
        randomize: Level = "off",
    ) -> None:
        """Binds a task to an engine that was made for its model.

        Args:
          task: the task.
          engine: steps its N worlds.
          goals: which distribution of starts and goals.
          practice: how episodes depart from it.
          randomize: level of realism; variants of the model differ between training and evaluation.

        Raises:
          ContractError: the contract does not fit the model.
          TaskError: the task does not have this level.
          ConfigError: a practice that contradicts itself.
          UnknownNameError: neither "train" nor "eval".
        """
        check_goals(goals)
        self.task = task
        self.num_worlds = engine.num_worlds
        self._contract = task.contract
        self._engine = engine
        self._layout = make_layout(task.contract, task.model)
        self._practice = practice
        self._sampler = Sampler(task, task.train if goals == "train" else task.eval, practice)
        self._proposer = (
            None if practice.goal_proposal == "task" else Proposer(task, self._sampler, practice)
        )
        realism = task.level(randomize)
        self._realities = (
            None
            if realism is None
            else Realities(task, realism, engine, self._layout, seed=_VARIANT_SEEDS[goals])
        )

    def init(self, key: Array) -> EnvState:
        """N worlds at their starts, with their goals."""
        start_key, goal_key, length_key = jax.random.split(key, 3)
        n, task = self.num_worlds, self.task
        qpos, qvel = self._sampler.starts(start_key, n)
        drawn = self._draw(key)
        fields = {}
        if self._realities and drawn:
            qpos, fields = self._realities.starts(drawn, qpos), self._realities.fields(drawn)
        physics = self._engine.init(qpos, qvel, fields)
        length = jnp.full(n, task.episode_length, jnp.int32)
        if self._practice.stagger:
            length = jax.random.randint(length_key, (n,), 1, task.episode_length + 1, jnp.int32)
        proposing = () if self._proposer is None else self._proposer.begin(n)
        goal, proposing = self._give(goal_key, physics, proposing, jnp.ones(n, bool))
        reality = ()
        if self._realities and drawn:
            reality = self._realities.begin(drawn, physics)
        return EnvState(
            physics=physics,
            goal=goal,
            previous_action=jnp.zeros((n, task.contract.previous_action_size), jnp.float32),
            previous_ctrl=self._initial_ctrl(physics, reality),
            step=jnp.zeros(n, jnp.int32),
            length=length,
            episode=jnp.zeros(n, jnp.int32),
            ended=physics.diverged,
            terminated=jnp.zeros(n, bool),
            steps_at_goal=jnp.zeros(n, jnp.int32),
            reached=jnp.zeros(n, bool),
            reality=reality,
            proposing=proposing,
        )

    def step(self, state: EnvState, action: Float[Array, "N A"], key: Array) -> EnvState:
        """One control step; worlds that had ended are put at a new start instead.

        Args:
          state: the worlds.
          action: in [-1, 1], clipped; not read where `state.ended`.
          key: of this control step.
        """
        begun = self._prepare(state, action, key)
        physics = self._engine.step(
            begun.before.physics, self._in_model_order(begun.ctrl), begun.starts, begun.held
        )
        return self._finish(begun, physics)

    def start(self, state: EnvState, action: Float[Array, "N A"], key: Array) -> EnvTicket:
        """Begins `step`, which see; what depends on the ticket's token runs beside it."""
        begun = self._prepare(state, action, key)
        ticket = self._engine.start(
            begun.before.physics, self._in_model_order(begun.ctrl), begun.starts, begun.held
        )
        return EnvTicket(ticket, begun)

    def wait(self, ticket: EnvTicket, after: Float[Array, ""]) -> EnvState:
        """The state that `start` began to compute, once `after` has been computed."""
        return self._finish(ticket.begun, self._engine.wait(ticket.physics, after))

    def refill(self, state: EnvState, replay: Replay, key: Array) -> EnvState:
        """The worlds with their pool of goals drawn anew from `replay`, where they have one."""
        if self._proposer is None or not self._proposer.has_pool:
            return state
        assert state.proposing
        index = self.memory_goal_index
        return state._replace(
            proposing=self._proposer.refill(state.proposing, replay, key, goal_index=index)
        )

    def observation(self, state: EnvState) -> Float[Array, "N O"]:
        """What the policy is shown, in observation units; without realism it is true."""
        shown = self._shown(state.physics, state.reality)
        return observe(self._contract, shown, state.previous_action, jnp)

    def goal_input(self, state: EnvState) -> Float[Array, "N G"]:
        """The goal that the policy is told, in observation units."""
        contract, goal = self._contract, state.goal
        if state.reality:
            goal = told_goal(contract, goal, state.reality.goal_bias, jnp)
        return goal * contract.goal_scale

    @property
    def memory_goal_index(self) -> np.ndarray:
        """Int [G]: where `memory` holds what was achieved, in observation units."""
        contract = self._contract
        if self._realities is None:
            return contract.goal_index
        return contract.observation_size + np.arange(contract.goal_size)

    @property
    def memory_size(self) -> int:
        """M, the width of `memory`."""
        extra = 0 if self._realities is None else self._contract.goal_size
        return self._contract.observation_size + extra

    def memory(self, state: EnvState, observation: Float[Array, "N O"]) -> Float[Array, "N M"]:
        """What replay holds: the observation, and under realism what was truly achieved."""
        if self._realities is None:
            return observation
        achieved = self._achieved(state.physics) * self._contract.goal_scale
        return jnp.concatenate((observation, achieved), axis=-1)

    def achieved(self, state: EnvState) -> Float[Array, "N G"]:
        """The achieved goal, SI."""
        return self._achieved(state.physics)

    def distances(self, state: EnvState) -> Float[Array, "N S"]:
        """Distance to the goal in each success group, SI."""
        return goal_distances(self._contract, self.achieved(state), state.goal, jnp)

    def success(self, state: EnvState) -> Bool[Array, " N"]:
        """Whether the goal is reached now, by a state that is one: of physics that did not fail."""
        return is_success(self._contract, self.distances(state)) & ~state.physics.diverged

    def episode_row(self, state: EnvState) -> Int[Array, " N"]:
        """What replay stores: the episode, with the sign bit where it terminates here."""
        return jnp.where(state.terminated, state.episode | jnp.int32(-(2**31)), state.episode)

    def _prepare(self, state: EnvState, action: Float[Array, "N A"], key: Array) -> Begun:
        start_key, after_key = jax.random.split(key)
        action = jnp.clip(action, -1.0, 1.0)
        ctrl = actuate(self._contract.action, action, state.previous_ctrl, jnp)
        qpos, qvel = jax.lax.cond(
            state.ended.any(),
            lambda: self._sampler.starts(start_key, self.num_worlds),
            lambda: (state.physics.qpos, state.physics.qvel),
        )
        starts = Starts(state.ended, qpos, qvel, {})
        begun = Begun(state, action, ctrl, ctrl, starts, after_key)
        drawn = self._draw(key)
        return begun if drawn is None else self._depart(begun, drawn)

    def _depart(self, begun: Begun, drawn: Drawn) -> Begun:
        """What realism changes: where episodes begin, what is in force, a push."""
        realities, state = self._realities, begun.before
        assert realities is not None
        assert state.reality
        starts = begun.starts._replace(
            qpos=jnp.where(
                state.ended[:, None], realities.starts(drawn, begun.starts.qpos), begun.starts.qpos
            ),
            fields=realities.fields(drawn),
        )
        reality, held, ctrl = realities.send(state.reality, drawn, begun.commanded)
        return begun._replace(
            before=state._replace(reality=reality, physics=realities.push(state.physics, drawn)),
            ctrl=ctrl,
            starts=starts,
            held=held._replace(ctrl=self._in_model_order(held.ctrl)),
            drawn=drawn,
        )

    def _finish(self, begun: Begun, physics: State) -> EnvState:
        before, reset = begun.before, begun.before.ended
        step = jnp.where(reset, 0, before.step + 1)
        length = jnp.where(reset, self.task.episode_length, before.length)
        healthy = is_healthy(self._contract, self._layout, report(physics), jnp)
        terminated = ~healthy & ~physics.diverged
        ended = terminated | physics.diverged | (step >= length)
        reality = before.reality
        if self._realities and begun.drawn and reality:
            reality = self._realities.see(reality, begun.drawn, physics, reset)
        state = before._replace(
            physics=physics,
            previous_action=jnp.where(
                reset[:, None],
                0.0,
                remembered(self._contract, begun.action, before.previous_action, jnp),
            ),
            previous_ctrl=jnp.where(
                reset[:, None], self._initial_ctrl(physics, reality), begun.commanded
            ),
            step=step,
            length=length,
            # What a diverged step holds is of no episode: its row is nobody's future
            episode=before.episode + reset + physics.diverged,
            ended=ended,
            terminated=terminated,
            reality=reality,
        )
        # Success is of the goal that the action pursued: measured before the goal switches.
        success = self.success(state)
        steps_at_goal = jnp.where(reset, 0, before.steps_at_goal + success)
        state = state._replace(steps_at_goal=steps_at_goal, reached=steps_at_goal > 0)
        return self._next_goal(state, reset, success, begun.key)

    def _next_goal(
        self, state: EnvState, reset: Bool[Array, " N"], success: Bool[Array, " N"], key: Array
    ) -> EnvState:
        switch_key, goal_key = jax.random.split(key)
        wanted = reset
        if self._practice.goal_switch_probability > 0.0:
            p = self._practice.goal_switch_probability
            switch = jax.random.bernoulli(switch_key, p, reset.shape)
            # The goal of an episode's last state stays, for its final success.
            wanted = reset | (switch & ~state.ended)
        proposing = state.proposing
        if self._proposer and proposing:
            proposing = self._proposer.record(
                proposing,
                success=success,
                reset=reset,
                ended=state.ended,
                terminated=state.terminated,
                replaced=wanted,
            )

        def give() -> tuple[Array, Proposing | tuple[()]]:
            goal, following = self._give(goal_key, state.physics, proposing, wanted)
            return jnp.where(wanted[:, None], goal, state.goal), following

        def keep() -> tuple[Array, Proposing | tuple[()]]:
            return state.goal, none_given(proposing) if proposing else ()

        goal, proposing = jax.lax.cond(wanted.any(), give, keep)
        return state._replace(goal=goal, proposing=proposing)

    def _give(
        self,
        key: Array,
        physics: State,
        proposing: Proposing | tuple[()],
        wanted: Bool[Array, " N"],
    ) -> tuple[Float[Array, "N G"], Proposing | tuple[()]]:
        """A goal for every world, and what proposals remember once those `wanted` have theirs."""
        measured, achieved = report(physics), self._achieved(physics)
        goal = self._sampler.goals(key, measured, achieved)
        if self._proposer is None or not proposing:
            return goal, ()
        proposal_key = jax.random.fold_in(key, _PROPOSAL_KEY)
        goal, pursuit = self._proposer.goals(
            proposal_key, goal, proposing.source, measured, achieved
        )
        return goal, given(proposing, pursuit, wanted)

    def _draw(self, key: Array) -> Drawn | None:
        if self._realities is None:
            return None
        return self._realities.draw(jax.random.fold_in(key, _REALITY_KEY))

    def _achieved(self, physics: State) -> Float[Array, "N G"]:
        return achieved_goal(self._contract, self._inputs(physics))

    def _inputs(self, physics: State) -> Float[Array, "N I"]:
        return read_inputs(self._layout, report(physics), jnp)

    def _shown(self, physics: State, reality: Reality | tuple[()]) -> Float[Array, "N I"]:
        return reality.shown if reality else self._inputs(physics)

    def _initial_ctrl(self, physics: State, reality: Reality | tuple[()]) -> Float[Array, "N A"]:
        return initial_ctrl(self._contract, self._shown(physics, reality), jnp)

    def _in_model_order(self, ctrl: Float[Array, "N A"]) -> Float[Array, "N nu"]:
        return jnp.zeros_like(ctrl).at[:, self._layout.actuators].set(ctrl)
