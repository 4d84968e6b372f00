"""MuJoCo in JAX (MJX, implementation "jax"): the engine for accelerators.

Functions are written for one world and vmapped. What is carried between substeps is `State` alone,
so that XLA drops whatever no state depends on. After the substeps kinematics and sensors are
computed once more, so that sensordata is of the instant of qpos.
"""

import contextlib
import io
from collections.abc import Mapping
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import mujoco
from jaxtyping import Array, Float, Int

from robot_gcrl.errors import EngineError
from robot_gcrl.physics.engine import Held, Starts, State, Ticket
from robot_gcrl.physics.model_check import (
    acceleration_sensors,
    check_field,
    check_field_shape,
    check_model,
    derives_constants,
)
from robot_gcrl.physics.reset import blank_state, put_at_starts
from robot_gcrl.physics.variants import CONSTANTS

with contextlib.redirect_stdout(io.StringIO()):  # prints a line when Warp is not installed
    from mujoco import mjx

# mj_setConst derives nothing from these.
_PLAIN_OPTIONS = ("opt.gravity", "opt.wind", "opt.density", "opt.viscosity")
# MJX leaves a force out of the program if the model has none of it: how to see that it has.
_FLUID = ("opt.wind", "opt.density", "opt.viscosity")
_FRICTION_LOSS = ("dof_frictionloss", "tendon_frictionloss")


class _World(NamedTuple):
    """What the substeps carry: one world's part of `State`."""

    qpos: Array
    qvel: Array
    act: Array
    qacc_warmstart: Array
    time: Array


class MjxEngine:
    """N worlds as one vmapped program.

    A world of which a number is not finite, or beyond mjMAXVAL, keeps those that it had before the
    step, and `State.diverged` says so. `start` does the whole step, `wait` hands it over.
    """

    name = "mjx"
    takes_constants = True

    def __init__(self, model: mujoco.MjModel, *, num_worlds: int, substeps: int) -> None:
        """Translates the model.

        Args:
          model: the task's model.
          num_worlds: N.
          substeps: physics steps per control step.

        Raises:
          EngineError: a model that has state outside `State`, or that MJX does not implement.
        """
        check_model(self.name, model)
        if (model.sensor_type == mujoco.mjtSensor.mjSENS_CONTACT).any():
            raise EngineError(
                "Engine 'mjx' cannot run this model: it has contact sensors, which need a second "
                "collision detection per control step. Use --engine native."
            )
        try:
            self._mjx_model = mjx.put_model(model, impl="jax")
            self._template = mjx.make_data(model, impl="jax")
        except NotImplementedError as error:
            raise EngineError(
                f"Engine 'mjx' cannot run this model: {str(error).rstrip('.')}. Use --engine "
                "native."
            ) from error
        self.num_worlds = num_worlds
        self._model = model
        self._substeps = substeps
        self._without_acceleration = ~acceleration_sensors(model)

    def init(
        self,
        qpos: Float[Array, "N nq"],
        qvel: Float[Array, "N nv"],
        fields: Mapping[str, Float[Array, "N ..."]],
    ) -> State:
        """See `Engine.init`."""
        for name, value in fields.items():
            check_field(self._model, name)
            self._check_field(name, fields)
            check_field_shape(self._model, name, value.shape, self.num_worlds)
        blank = blank_state(self._model, qpos, qvel, fields)
        return self._measured(blank, blank)

    def step(
        self,
        state: State,
        ctrl: Float[Array, "N nu"],
        starts: Starts,
        held: Held | None = None,
    ) -> State:
        """See `Engine.step`."""
        stepped = jax.vmap(self._step_world)(_world(state), state.fields, ctrl, held)
        moved = state._replace(**stepped._asdict())
        return self._measured(state, put_at_starts(moved, starts))

    def start(
        self,
        state: State,
        ctrl: Float[Array, "N nu"],
        starts: Starts,
        held: Held | None = None,
    ) -> Ticket:
        """See `Engine.start`."""
        return Ticket(jnp.zeros((), jnp.int32), self.step(state, ctrl, starts, held))

    def wait(self, ticket: Ticket, after: Float[Array, ""]) -> State:
        """See `Engine.wait`."""
        del after
        return ticket.state

    def _measured(self, before: State, moved: State) -> State:
        """`moved` with its sensors; worlds that are not finite as they were `before`."""
        sensordata = jax.vmap(self._sense_world)(_world(moved), moved.fields)
        moved = moved._replace(sensordata=sensordata)
        numbers = jnp.concatenate(
            [moved.qpos, moved.qvel, moved.act, moved.qacc_warmstart, sensordata], axis=-1
        )
        # As C MuJoCo does: before it overflows, a state is as large as that
        diverged = ~(jnp.abs(numbers) <= mujoco.mjMAXVAL).all(-1)
        kept = {
            name: jnp.where(diverged.reshape(-1, *[1] * (new.ndim - 1)), getattr(before, name), new)
            for name, new in (*_world(moved)._asdict().items(), ("sensordata", sensordata))
        }
        return moved._replace(**kept, diverged=diverged)

    def _step_world(
        self, world: _World, fields: Mapping[str, Array], ctrl: Array, held: Held | None
    ) -> _World:
        model = self._varied(fields)

        def substep(i: Int[Array, ""], world: _World) -> _World:
            now = ctrl if held is None else jnp.where(i < held.substeps, held.ctrl, ctrl)
            data = mjx.step(model, self._data(world).replace(ctrl=now))
            return _World(data.qpos, data.qvel, data.act, data.qacc_warmstart, data.time)

        return jax.lax.fori_loop(0, self._substeps, substep, world)

    def _sense_world(self, world: _World, fields: Mapping[str, Array]) -> Array:
        model = self._varied(fields)
        data = self._data(world)
        # The stages of mj_step1 that sensors read; neither collision nor mass matrix.
        for stage in (
            mjx.kinematics,
            mjx.com_pos,
            mjx.camlight,
            mjx.tendon,
            mjx.transmission,
            mjx.sensor_pos,
            mjx.fwd_velocity,
            mjx.sensor_vel,
        ):
            data = stage(model, data)
        return data.sensordata * self._without_acceleration

    def _varied(self, fields: Mapping[str, Array]) -> mjx.Model:
        return cast(mjx.Model, self._mjx_model.tree_replace(dict(fields)))

    def _data(self, world: _World) -> mjx.Data:
        return self._template.replace(**world._asdict())

    def _check_field(self, name: str, fields: Mapping[str, Array]) -> None:
        needed = {c for c in CONSTANTS if getattr(self._model, c).size}
        lacking = sorted(needed - set(fields))
        if derives_constants(name) and name not in _PLAIN_OPTIONS and lacking:
            raise EngineError(
                f"Engine 'mjx' cannot vary model field {name!r} between worlds without the "
                f"constants that follow from it, which MJX does not compute: {', '.join(lacking)}. "
                "Give them too (robot_gcrl.physics.variants), or use --engine native."
            )
        owner, attribute = self._mjx_model, name
        if name.startswith("opt."):
            owner, attribute = self._mjx_model.opt, name[4:]
        if not isinstance(getattr(owner, attribute, None), jax.Array):
            raise EngineError(
                f"Engine 'mjx' cannot vary model field {name!r} between worlds: MJX takes it as "
                "fixed. Use --engine native."
            )
        option = self._model.opt
        still = option.density == 0.0 and option.viscosity == 0.0 and not option.wind.any()
        # Dofs without loss stay without: `make_variants` refuses to vary those
        frictionless = name in _FRICTION_LOSS and not (getattr(self._model, name) > 0.0).any()
        if (name in _FLUID and still) or frictionless:
            raise EngineError(
                f"Engine 'mjx' cannot vary model field {name!r} between worlds: MJX leaves out "
                "what is 0 in the MJCF. Give it a small value there, or use --engine native."
            )


def _world(state: State) -> _World:
    return _World(*(getattr(state, name) for name in _World._fields))
