"""A level of realism over N worlds: draws for `robot_gcrl.contract.reality`, in JAX."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from robot_gcrl.contract.actuate import initial_ctrl
from robot_gcrl.contract.observe import Layout, read_inputs
from robot_gcrl.contract.plan import make_plan
from robot_gcrl.contract.realism import Realism
from robot_gcrl.contract.reality import (
    STEP_DRAWS,
    Reality,
    begin,
    first_shown,
    kicked,
    posed,
    see,
    send,
)
from robot_gcrl.physics.engine import Engine, Held, State, report
from robot_gcrl.physics.variants import CONSTANTS, NUM_VARIANTS, make_variants
from robot_gcrl.task.task import Task


class Drawn(NamedTuple):
    """What is drawn for one control step of N worlds; U numbers begin an episode.

    Attributes:
      episode: [N, U], uniform; read where an episode begins.
      step: [N, STEP_DRAWS], uniform.
      noise: [N, I], normal.
    """

    episode: Float[Array, "N U"]
    step: Float[Array, "N draws"]
    noise: Float[Array, "N I"]


class Realities:
    """Draws and applies one level for N worlds."""

    def __init__(
        self, task: Task, realism: Realism, engine: Engine, layout: Layout, *, seed: int
    ) -> None:
        """Makes the variants of the model.

        Args:
          task: of the worlds.
          realism: the level.
          engine: that steps them.
          layout: of the contract in the model.
          seed: of the variants.

        Raises:
          RobotGcrlError: the level names what the task does not have.
        """
        self._plan = make_plan(
            realism, task.contract, task.model, substeps=task.substeps, variants=NUM_VARIANTS
        )
        variants = make_variants(task.model, realism, seed=seed)
        self._variants = {
            name: jnp.asarray(value)
            for name, value in variants.items()
            if engine.takes_constants or name not in CONSTANTS
        }
        self._contract, self._layout = task.contract, layout
        self._num_worlds = engine.num_worlds
        self._num_inputs = len(task.contract.inputs)

    def draw(self, key: Array) -> Drawn:
        """The numbers of one control step."""
        episode_key, step_key, noise_key = jax.random.split(key, 3)
        n = self._num_worlds
        return Drawn(
            episode=jax.random.uniform(episode_key, (n, self._plan.episode_draws)),
            step=jax.random.uniform(step_key, (n, STEP_DRAWS)),
            noise=jax.random.normal(noise_key, (n, self._num_inputs)),
        )

    def fields(self, drawn: Drawn) -> dict[str, Array]:
        """Model fields of the episodes that begin, by name."""
        variant = (drawn.episode[:, 0] * NUM_VARIANTS).astype(jnp.int32)
        return {name: values[variant] for name, values in self._variants.items()}

    def starts(self, drawn: Drawn, qpos: Float[Array, "N nq"]) -> Float[Array, "N nq"]:
        """The starts, with joints elsewhere."""
        return posed(self._plan, drawn.episode, qpos, jnp)

    def begin(self, drawn: Drawn, physics: State) -> Reality:
        """What episodes begin with in the state of `physics`."""
        inputs = read_inputs(self._layout, report(physics), jnp)
        # A robot holds the position that it measures
        shown = first_shown(self._plan, drawn.episode, drawn.noise, inputs)
        ctrl = initial_ctrl(self._contract, shown, jnp)
        return begin(self._plan, drawn.episode, drawn.noise, inputs, ctrl, jnp)

    def send(
        self, reality: Reality, drawn: Drawn, ctrl: Float[Array, "N A"]
    ) -> tuple[Reality, Held, Float[Array, "N A"]]:
        """What is on its way, and the ctrl in force, in contract order: first held, then this."""
        reality, command = send(self._plan, reality, drawn.step, ctrl, jnp)
        return reality, Held(command.held, command.substeps), command.ctrl

    def push(self, physics: State, drawn: Drawn) -> State:
        """The worlds after the kicks of this control step."""
        return physics._replace(qvel=kicked(self._plan, drawn.step, physics.qvel, jnp))

    def see(
        self,
        reality: Reality,
        drawn: Drawn,
        physics: State,
        reset: Bool[Array, " N"],
    ) -> Reality:
        """What the policy is shown after the step; where `reset`, what an episode begins with."""
        inputs = read_inputs(self._layout, report(physics), jnp)
        going = see(self._plan, reality, drawn.step, drawn.noise, inputs, jnp)
        begun = self.begin(drawn, physics)

        def pick(new: Array, old: Array) -> Array:
            return jnp.where(reset.reshape(-1, *[1] * (old.ndim - 1)), new, old)

        return jax.tree.map(pick, begun, going)
