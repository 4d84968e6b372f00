"""One simulated robot under a level of realism: draws for `robot_gcrl.contract.reality`, in NumPy.

For whoever simulates a policy file's robot without JAX: the simulated robot process, the viewer.
"""

from collections.abc import Sequence

import mujoco
import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.contract.actuate import initial_ctrl
from robot_gcrl.contract.plan import Plan, make_plan
from robot_gcrl.contract.realism import Level
from robot_gcrl.contract.reality import (
    STEP_DRAWS,
    Command,
    Reality,
    begin,
    first_shown,
    goal_bias,
    kicked,
    posed,
    see,
    send,
    told_goal,
)
from robot_gcrl.errors import PolicyError
from robot_gcrl.physics.variants import CONSTANTS, NUM_VARIANTS, make_variants
from robot_gcrl.policy.runtime import PolicyFile

# Of the variants: neither those of training nor those of an evaluation
_SEED = 2


class Departures:
    """What a level makes of a policy file's robot; robots of one file share it.

    Attributes:
      plan: the level.
      variants: of the model, fields by name; constants that follow from them are left out.
    """

    def __init__(self, file: PolicyFile, model: mujoco.MjModel, level: Level) -> None:
        """Makes the variants.

        Args:
          file: of the policy.
          model: of its scene.
          level: not "off".

        Raises:
          PolicyError: the file does not have this level.
        """
        if level not in file.realism:
            known = ", ".join(("off", *file.realism))
            raise PolicyError(
                f"The policy file {file.path} has no realism of the level {level!r}. It has: "
                f"{known}. Choose one of these."
            )
        self._contract = file.contract
        realism = file.realism[level]
        self.plan: Plan = make_plan(
            realism,
            file.contract,
            model,
            substeps=file.simulation.substeps,
            variants=NUM_VARIANTS,
        )
        made = make_variants(model, realism, seed=_SEED)
        self.variants = {name: value for name, value in made.items() if name not in CONSTANTS}

    def robot(self) -> "Departure":
        """A robot that is still to be placed."""
        return Departure(self._contract, self.plan, self.variants)


class Departure:
    """One robot.

    Call, in an episode: `draw`, `place`, `begin`, then per control step `send`, `kick`, `see`.

    Attributes:
      fields: of the model in this episode, by name.
    """

    def __init__(self, contract: Contract, plan: Plan, variants: dict[str, np.ndarray]) -> None:
        """See `Departures.robot`."""
        self._contract, self._plan, self._variants = contract, plan, variants
        self._rng = np.random.default_rng(0)
        self._episode = np.zeros(plan.episode_draws, np.float32)
        self._step = np.zeros(STEP_DRAWS, np.float32)
        self._normal = np.zeros(len(plan.std), np.float32)
        self._reality: Reality | None = None
        self.fields: dict[str, np.ndarray] = {}

    def draw(self, seed: Sequence[int]) -> None:
        """Draws what the next episode begins with."""
        self._rng = np.random.default_rng(seed)
        self._episode = self._rng.random(self._plan.episode_draws).astype(np.float32)
        variant = int(self._episode[0] * self._plan.variants)
        self.fields = {name: values[variant] for name, values in self._variants.items()}

    def place(self, qpos: np.ndarray) -> np.ndarray:
        """Where the episode begins instead of at qpos [nq]."""
        return posed(self._plan, self._episode, qpos)

    def begin(self, inputs: np.ndarray) -> None:
        """The episode begins with true inputs [I]; the robot holds the position it measures."""
        self._draw_noise()
        drawn = self._plan, self._episode, self._normal, inputs
        self._reality = begin(*drawn, initial_ctrl(self._contract, first_shown(*drawn)))

    def send(self, ctrl: np.ndarray) -> Command:
        """What is in force in a control step that begins with the command `ctrl` [A]."""
        self._step = self._rng.random(STEP_DRAWS).astype(np.float32)
        self._reality, command = send(self._plan, self._now, self._step, ctrl)
        return command

    def kick(self, qvel: np.ndarray) -> np.ndarray:
        """The velocities [nv] at the beginning of this control step."""
        return kicked(self._plan, self._step, qvel)

    def see(self, inputs: np.ndarray) -> None:
        """The control step ended with true inputs [I]."""
        self._draw_noise()
        self._reality = see(self._plan, self._now, self._step, self._normal, inputs)

    def told(self, goal: np.ndarray) -> np.ndarray:
        """Float32 [G]: what the robot is told instead of the goal [G]."""
        bias = goal_bias(self._plan, self._episode)
        return told_goal(self._contract, goal, bias).astype(np.float32)

    @property
    def shown(self) -> np.ndarray:
        """Float32 [I]: what the policy is shown."""
        return self._now.shown.astype(np.float32)

    @property
    def error(self) -> np.ndarray:
        """Float32 [I]: what the robot's own instruments are off by now, before any delay."""
        return (self._now.bias + self._plan.std * self._normal).astype(np.float32)

    @property
    def _now(self) -> Reality:
        assert self._reality is not None, "begin comes first"
        return self._reality

    def _draw_noise(self) -> None:
        self._normal = self._rng.normal(size=len(self._plan.std)).astype(np.float32)
