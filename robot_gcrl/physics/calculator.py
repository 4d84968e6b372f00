"""NumPy in, NumPy out: one control step of N worlds by `mujoco.batch.Batch`.

Every world's row is written before it is computed and read after it, so that nothing that was
computed before can be seen in a result.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError

from robot_gcrl.physics.model_check import acceleration_sensors, derives_constants

Argument = jax.Array | np.ndarray  # what a callback is given is one or the other
Outcome = tuple[np.ndarray, np.ndarray]  # rows after the step [N, R + ns] float32, diverged [N]

_VELOCITY_STAGE = mujoco.mjtStage.mjSTAGE_VEL.value
_BAD_STATE = (
    mujoco.mjtWarning.mjWARN_BADQPOS.value,
    mujoco.mjtWarning.mjWARN_BADQVEL.value,
    mujoco.mjtWarning.mjWARN_BADQACC.value,
)
# A world that diverges is reset by MuJoCo, which leaves its counter at 1. Nor is it 0: MuJoCo would
# print a line for each.
_UNTOUCHED = 2


class Late(NamedTuple):
    """Ctrl that comes into force within a step.

    Attributes:
      ctrl: [N, nu].
      substeps: int [N], after which it does.
    """

    ctrl: np.ndarray
    substeps: np.ndarray


class Calculator:
    """A Batch for one set of per-world model fields.

    A row of R numbers is time, qpos, qvel, act, qacc_warmstart.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        fields: tuple[str, ...],
        is_held: bool,
        num_worlds: int,
        substeps: int,
        threads: int,
    ) -> None:
        """Makes the Batch.

        Args:
          model: the task's model.
          fields: names of the model fields that differ between worlds, in the order of `load`.
          is_held: whether a ctrl may stay in force at the beginning of a step: then `load` is given
            it and its substeps.
          num_worlds: N.
          substeps: physics steps per control step.
          threads: that step worlds.
        """
        self._batch = Batch(model, num_worlds, threads)
        self._fields = [self._batch.expand(name) for name in fields]
        self._derives = any(derives_constants(name) for name in fields)
        self._substeps = substeps
        self._is_held = is_held
        self._old_sensors = acceleration_sensors(model)
        self._sensordata = self._batch.bind("sensordata")
        # The row of a world begins with time, qpos, qvel, act, qacc_warmstart, ctrl.
        self._width = 1 + model.nq + model.nv + model.na + model.nv

    def run(self, *arguments: Argument) -> Outcome:
        """`compute` of what was given to `load`, which see."""
        return self.compute(*self.load(*arguments))

    def load(
        self, rows: Argument, mask: Argument, /, *given: Argument
    ) -> tuple[np.ndarray, np.ndarray, Late | None]:
        """Copies rows [N, R + nu] and model fields into the Batch.

        Args:
          rows: of the worlds, with ctrl.
          mask: of resets [N].
          given: the held ctrl [N, nu] and its substeps [N] where one may be held; the model fields.

        Returns:
          A copy of the mask of resets [N]; the worlds [N] with impossible model fields; the ctrl
          that is late.
        """
        rows = np.asarray(rows)
        self._batch.state[:, : rows.shape[1]] = rows
        late, fields = None, given
        if self._is_held:
            (held, substeps), fields = given[:2], given[2:]
            late = Late(rows[:, self._width :].copy(), np.array(substeps))
            self._batch.state[:, self._width : rows.shape[1]] = held
        changed = np.zeros(len(rows), bool)
        for kept, value in zip(self._fields, map(np.asarray, fields), strict=True):
            new = (kept != value).reshape(len(rows), -1).any(-1)
            kept[new] = value[new]
            changed |= new
        failed = np.zeros(len(rows), bool)
        if self._derives and changed.any():
            _note_failures(failed, self._batch.set_const, changed)
        return np.array(mask), failed, late

    def compute(
        self, resets: np.ndarray, failed: np.ndarray, late: Late | None = None, /
    ) -> Outcome:
        """Steps all worlds, but only brings those of the mask `resets` [N] up to date."""
        batch = self._batch
        batch.warning[:, _BAD_STATE, 1] = _UNTOUCHED
        self._step(~resets, failed, late)
        if resets.any():
            _note_failures(failed, batch.forward, resets, _VELOCITY_STAGE)
        width = self._width
        rows = np.empty((len(resets), width + self._sensordata.shape[1]), np.float32)
        with np.errstate(over="ignore"):
            rows[:, :width] = batch.state[:, :width]
            rows[:, width:] = self._sensordata
        # In a world that is reset these would be another world's.
        rows[:, width:][:, self._old_sensors] = 0.0
        diverged = failed | (batch.warning[:, _BAD_STATE, 1] != _UNTOUCHED).any(-1)
        return rows, diverged | ~np.isfinite(rows).all(-1)

    def _step(self, stepped: np.ndarray, failed: np.ndarray, late: Late | None) -> None:
        """All substeps; where ctrl is late, the ones before each change of some world at once."""
        done, batch = 0, self._batch
        if late is not None:
            ctrl = np.s_[self._width : self._width + late.ctrl.shape[1]]
            for change in np.unique(late.substeps).tolist():
                if done < change:
                    _note_failures(failed, batch.step, stepped, change - done, _VELOCITY_STAGE)
                    done = change
                changed = late.substeps == change
                batch.state[changed, ctrl] = late.ctrl[changed]
        if done < self._substeps:
            rest = self._substeps - done
            _note_failures(failed, batch.step, stepped, rest, _VELOCITY_STAGE)


def _note_failures(failed: np.ndarray, call: Callable[..., None], *arguments: object) -> None:
    try:
        call(*arguments)
    except SimulationError as error:
        failed[error.ids] = True
