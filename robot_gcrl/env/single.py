"""One world in C MuJoCo, in NumPy: for interfaces that step one robot at a time.

The same episodes as those of `GoalEnv` on the engine "native", bit for bit: between control steps
the state is held as float32, and sensors are of the instant of qpos. Model and data are in the
open, so that what draws or moves a `mujoco.MjData` works on the world itself. Without realism.
"""

from typing import Any, Literal, NamedTuple

import jax
import mujoco
import numpy as np

from robot_gcrl.contract.actuate import actuate, initial_ctrl
from robot_gcrl.contract.observe import (
    Report,
    achieved_goal,
    goal_distances,
    is_healthy,
    is_success,
    make_layout,
    observe,
    read_inputs,
    remembered,
)
from robot_gcrl.env.practice import check_goals
from robot_gcrl.errors import TaskError
from robot_gcrl.task.task import Task

_BAD_STATE = (
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
)
# MuJoCo leaves the counter of a world that diverges at 1, and prints a line if it was 0
_UNTOUCHED = 2
# What a control step begins with
_HELD = ("qpos", "qvel", "act", "qacc_warmstart")


class Moment(NamedTuple):
    """The world after a control step, or at a start.

    Attributes:
      observation: float32 [O], in observation units.
      achieved: float32 [G], SI.
      goal: float32 [G], SI, that is pursued.
      distances: float32 [S], of each success group, SI.
      success: whether the goal is reached now.
      terminated: whether the episode ends here in an unhealthy state.
      truncated: whether it ends here by its length, or because the physics diverged.
    """

    observation: np.ndarray
    achieved: np.ndarray
    goal: np.ndarray
    distances: np.ndarray
    success: bool
    terminated: bool
    truncated: bool


def _near() -> Any:
    """The CPU, where JAX has it: a sample for one world is faster there than on an accelerator."""
    try:
        return jax.devices("cpu")[0]
    except RuntimeError:  # JAX_PLATFORMS names others alone
        return None


class SingleWorld:
    """Episodes of one robot.

    Attributes:
      task: whose episodes.
      data: the state of the world, float64; may be changed from outside between control steps.
      goal: float32 [G], SI, that is pursued.
    """

    def __init__(self, task: Task, *, goals: Literal["train", "eval"] = "train") -> None:
        """The world of a task, still to be put at a start.

        Args:
          task: the task.
          goals: which distribution of starts and goals.

        Raises:
          ContractError: the contract does not fit the model.
          UnknownNameError: no such distribution.
        """
        check_goals(goals)
        self.task, self.data = task, mujoco.MjData(task.model)
        self.goal = np.zeros(task.contract.goal_size, np.float32)
        self._layout = make_layout(task.contract, task.model)
        distribution = task.train if goals == "train" else task.eval
        self._sample_start = jax.jit(distribution.start)
        self._sample_goal = jax.jit(distribution.goal)

    def draw(self, key: jax.Array, goal: np.ndarray | None = None) -> Moment:
        """A start of the task with a goal of it, or with `goal` [G], SI, of `check_goal`."""
        start_key, goal_key = jax.random.split(key)
        with jax.default_device(_near()):
            qpos, qvel = map(np.asarray, self._sample_start(start_key))
            self._place(qpos, qvel)
            if goal is None:
                goal = np.asarray(self._sample_goal(goal_key, self._report))
        return self._begin(goal)

    def begin(self, qpos: np.ndarray, qvel: np.ndarray, goal: np.ndarray) -> Moment:
        """An episode from qpos [nq] and qvel [nv] towards `goal` [G], SI."""
        self._place(qpos, qvel)
        return self._begin(goal)

    def step(self, action: np.ndarray) -> Moment:
        """One control step under an action [A], clipped to [-1, 1].

        Raises:
          TaskError: the action has another shape, or is not finite.
        """
        contract, data = self.task.contract, self.data
        action = self._checked(action)
        ctrl = actuate(contract.action, action, self._previous_ctrl)
        data.ctrl[self._layout.actuators] = ctrl
        diverged = self._advance()
        self._step += 1
        self._previous_ctrl = ctrl
        self._previous_action = remembered(contract, action, self._previous_action)
        healthy = bool(is_healthy(contract, self._layout, self._report))
        terminated = not healthy and not diverged
        ended = diverged or self._step >= self.task.episode_length
        moment = self._moment(terminated=terminated, truncated=ended and not terminated)
        return moment._replace(success=moment.success and not diverged)

    def _place(self, qpos: np.ndarray, qvel: np.ndarray) -> None:
        mujoco.mj_resetData(self.task.model, self.data)
        self.data.qpos[:], self.data.qvel[:] = qpos, qvel
        self._measure()

    def _begin(self, goal: np.ndarray) -> Moment:
        contract = self.task.contract
        self.goal = np.array(goal, np.float32)
        self._previous_action = np.zeros(contract.previous_action_size, np.float32)
        self._previous_ctrl = initial_ctrl(contract, read_inputs(self._layout, self._report))
        self._step = 0
        return self._moment(terminated=False, truncated=False)

    def _advance(self) -> bool:
        """All substeps; whether the physics diverged, where the world stays as it was before."""
        data, report = self.data, self._report
        before = {name: getattr(data, name).copy() for name in _HELD}
        clock = data.time
        for kind in _BAD_STATE:
            data.warning[kind].number = _UNTOUCHED
        mujoco.mj_step(self.task.model, data, self.task.substeps)
        self._measure()
        finite = all(np.isfinite(getattr(data, name)).all() for name in _HELD)
        diverged = any(data.warning[kind].number != _UNTOUCHED for kind in _BAD_STATE) or not (
            finite and np.isfinite(self._report.sensordata).all()
        )
        if diverged:
            for name, value in before.items():
                getattr(data, name)[:] = value
            data.time = clock
            self._measure()
            self._report = report
        return diverged

    def _measure(self) -> None:
        """Positions, velocities and sensors of this instant, held as float32 from here on.

        Not mj_forward, which would solve for accelerations that nobody asks for.
        """
        model, data = self.task.model, self.data
        mujoco.mj_fwdPosition(model, data)
        mujoco.mj_sensorPos(model, data)
        mujoco.mj_fwdVelocity(model, data)
        mujoco.mj_sensorVel(model, data)
        with np.errstate(over="ignore", invalid="ignore"):
            for name in _HELD:
                values = getattr(data, name)
                values[:] = values.astype(np.float32)
            data.time = float(np.float32(data.time))
            parts = (data.qpos, data.qvel, data.sensordata)
            self._report = Report(*(part.astype(np.float32) for part in parts))

    def _moment(self, *, terminated: bool, truncated: bool) -> Moment:
        contract = self.task.contract
        inputs = read_inputs(self._layout, self._report)
        achieved = achieved_goal(contract, inputs)
        distances = goal_distances(contract, achieved, self.goal)
        return Moment(
            observation=observe(contract, inputs, self._previous_action),
            achieved=achieved,
            goal=self.goal.copy(),
            distances=distances,
            success=bool(is_success(contract, distances)),
            terminated=terminated,
            truncated=truncated,
        )

    def _checked(self, action: np.ndarray) -> np.ndarray:
        action = np.asarray(action, np.float32)
        size = self.task.contract.action_size
        if action.shape != (size,) or not np.isfinite(action).all():
            raise TaskError(
                f"Task {self.task.name!r} got the action {action.tolist()}. Expected {size} finite "
                "numbers from -1 to 1. Look at what made it."
            )
        return np.clip(action, -1.0, 1.0)
