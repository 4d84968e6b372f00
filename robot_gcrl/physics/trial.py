"""One step of each engine, tried on this machine."""

from typing import Any

import jax
import jax.numpy as jnp
import mujoco

from robot_gcrl.errors import RobotGcrlError
from robot_gcrl.physics.engine import Engine, Starts
from robot_gcrl.physics.make import make_engine

_PENDULUM = """
<mujoco>
  <option timestep="0.01"/>
  <worldbody>
    <light pos="0 0 2"/>
    <body>
      <joint name="hinge" axis="0 1 0"/>
      <geom type="capsule" fromto="0 0 0 0 0 -0.5" size="0.05"/>
    </body>
  </worldbody>
  <actuator><motor name="hinge" joint="hinge"/></actuator>
</mujoco>
"""


def try_engine(name: str) -> dict[str, Any]:
    """Whether the engine can step a pendulum on this machine: `ok`, else the `problem`."""
    model = mujoco.MjModel.from_xml_string(_PENDULUM)
    try:
        engine = make_engine(name, model, num_worlds=2, substeps=2)
        angle = float(jax.jit(lambda: _swing(engine))())
    except (RobotGcrlError, ImportError) as error:
        return {"ok": False, "problem": " ".join(str(error).split())}
    # From the horizontal, gravity has turned it a little after 0.02 s
    if not 0.0 < abs(angle) < 0.1:
        return {"ok": False, "problem": f"A pendulum turned by {angle} rad; expected 0.003 or so."}
    return {"ok": True}


def _swing(engine: Engine) -> jax.Array:
    """How far a horizontal pendulum falls in one control step [rad]."""
    horizontal = jnp.full((2, 1), jnp.pi / 2)
    still = jnp.zeros((2, 1))
    state = engine.init(horizontal, still, {})
    nobody = Starts(mask=jnp.zeros(2, bool), qpos=horizontal, qvel=still, fields={})
    return engine.step(state, still, nobody).qpos[0, 0] - jnp.pi / 2
