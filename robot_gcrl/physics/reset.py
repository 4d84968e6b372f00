"""The state of a world that starts: the same for every engine."""

from collections.abc import Mapping

import jax.numpy as jnp
import mujoco
from jaxtyping import Array, Float

from robot_gcrl.errors import EngineError
from robot_gcrl.physics.engine import Starts, State


def blank_state(
    model: mujoco.MjModel,
    qpos: Float[Array, "N nq"],
    qvel: Float[Array, "N nv"],
    fields: Mapping[str, Float[Array, "N ..."]],
) -> State:
    """N worlds at their starts, of which nothing has been measured: sensordata is 0."""
    n = len(qpos)
    return State(
        qpos=qpos,
        qvel=qvel,
        act=jnp.zeros((n, model.na), jnp.float32),
        qacc_warmstart=jnp.zeros((n, model.nv), jnp.float32),
        time=jnp.zeros(n, jnp.float32),
        fields=dict(fields),
        sensordata=jnp.zeros((n, model.nsensordata), jnp.float32),
        diverged=jnp.zeros(n, bool),
    )


def put_at_starts(state: State, starts: Starts) -> State:
    """The state in which the worlds of the mask are where they start; sensordata is left as it was.

    Raises:
      EngineError: starts with a model field that the state does not have.
    """
    unknown = sorted(set(starts.fields) - set(state.fields))
    if unknown:
        raise EngineError(
            f"Starts give model fields {unknown}, which do not differ between the worlds of this "
            f"state. It has: {', '.join(sorted(state.fields)) or 'none'}. Give them to Engine.init."
        )

    def pick(new: Array, old: Array) -> Array:
        mask = starts.mask.reshape(-1, *[1] * (old.ndim - 1))
        return jnp.where(mask, new, old)

    zero = jnp.float32(0.0)
    return state._replace(
        qpos=pick(starts.qpos, state.qpos),
        qvel=pick(starts.qvel, state.qvel),
        act=pick(zero, state.act),
        qacc_warmstart=pick(zero, state.qacc_warmstart),
        time=pick(zero, state.time),
        fields={
            name: pick(starts.fields[name], old) if name in starts.fields else old
            for name, old in state.fields.items()
        },
    )
