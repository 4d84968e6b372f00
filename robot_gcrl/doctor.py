"""What this machine has and lacks: versions, devices, engines, rendering.

Nothing is inferred where it can be tried: each engine takes a step, and a picture is drawn in a
process of its own, because a broken OpenGL driver can end the process that calls it.
"""

import importlib.metadata
import os
import platform
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import mujoco

from robot_gcrl import __version__
from robot_gcrl.errors import RobotGcrlError
from robot_gcrl.physics.engine import Engine, Starts
from robot_gcrl.physics.make import make_engine

PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "mujoco",
    "mujoco-mjx",
    "numpy",
    "av",
    "matplotlib",
    "tyro",
)
ENGINES = ("native", "mjx", "warp")

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
# Seconds until a process that draws one small picture is given up
_RENDERING_TIMEOUT = 60.0


def examine() -> dict[str, Any]:
    """The report: versions, devices, engines, rendering; `ok` where the engine in use works."""
    devices = _devices()
    engines = {name: _engine(name) for name in ENGINES} if devices["ok"] else {}
    default = "mjx" if devices["accelerated"] else "native"
    return {
        "ok": devices["ok"] and engines[default]["ok"],
        "robot_gcrl": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
        "devices": devices,
        "default_engine": default,
        "engines": engines,
        "rendering": _rendering(),
    }


def format_report(report: dict[str, Any]) -> str:
    """The report as text, one finding a line."""
    devices = report["devices"]
    versions = ((name, version or "not installed") for name, version in report["packages"].items())
    lines = [
        f"robot-gcrl {report['robot_gcrl']}, Python {report['python']}, {report['cores']} cores",
        report["platform"],
        "packages",
        *(f"  {name:<18} {version}" for name, version in versions),
        "devices",
        *(f"  {name}" for name in devices["names"]),
        *([] if devices["ok"] else [f"  {devices['problem']}"]),
        f"engines (--engine auto is {report['default_engine']})",
        *(_finding(name, result) for name, result in report["engines"].items()),
        "pictures and films",
        _finding("rendering", report["rendering"]),
        *([] if devices["accelerated"] else [_NO_ACCELERATOR]),
    ]
    return "\n".join(lines)


def _finding(name: str, result: dict[str, Any]) -> str:
    return f"  {name:<10} {'works' if result['ok'] else result['problem']}"


def _devices() -> dict[str, Any]:
    try:
        devices = jax.devices()
    # JAX asserts that there is a backend where JAX_PLATFORMS names one without a plugin
    except (RuntimeError, AssertionError) as error:
        named = os.environ.get("JAX_PLATFORMS", "")
        reason = " ".join(str(error).split()) or f"JAX finds no device with JAX_PLATFORMS={named!r}"
        return {"ok": False, "names": [], "accelerated": False, "problem": reason}
    return {
        "ok": True,
        "names": [f"{device.platform}: {device.device_kind}" for device in devices],
        "accelerated": jax.default_backend() != "cpu",
    }


_NO_ACCELERATOR = (
    "No accelerator: everything runs on the CPU. For an NVIDIA GPU: pip install 'jax[cuda12]'"
)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _engine(name: str) -> dict[str, Any]:
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


def _rendering() -> dict[str, Any]:
    command = (sys.executable, "-m", "robot_gcrl.viewer.trial")
    try:
        trial = subprocess.run(
            command, capture_output=True, text=True, timeout=_RENDERING_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return {"ok": False, "problem": f"No picture was drawn in {_RENDERING_TIMEOUT:g} s."}
    if trial.returncode == 0:
        return {"ok": True}
    last_words = trial.stderr.strip().splitlines()[-1:]
    crash = f"The process that drew ended with code {trial.returncode}. {' '.join(last_words)}"
    return {"ok": False, "problem": trial.stdout.strip() or crash.strip()}
