"""What this machine has and lacks: versions, devices, engines, rendering.

Nothing is inferred where it can be tried: each engine takes a step, and a picture is drawn in a
process of its own, because a broken OpenGL driver can end the process that calls it.
"""

import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import sys
from typing import Any

from robot_gcrl import __version__

PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "mujoco",
    "mujoco-mjx",
    "numpy",
    "onnxruntime",
    "pyzmq",
    "msgpack",
    "av",
    "matplotlib",
    "tyro",
)
# Without these nothing is trained, simulated or drawn
_NEEDED = ("jax", "mujoco")
ENGINES = ("native", "mjx", "warp")

# Seconds until a process that draws one small picture is given up
_RENDERING_TIMEOUT = 60.0


def examine() -> dict[str, Any]:
    """The report: versions, devices, engines, rendering; `ok` where the engine in use works."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    devices = _no_devices(_without(missing)) if missing else _devices()
    engines = _engines() if devices["ok"] else {}
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
        "rendering": {"ok": False, "problem": "Not tried."} if missing else _rendering(),
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


def _without(missing: list[str]) -> str:
    return (
        f"Without {' and '.join(missing)} nothing is trained, simulated or drawn here; a policy is "
        "served and a robot driven. Install them from the checkout: python -m pip install "
        "--constraint constraints.txt ."
    )


def _no_devices(problem: str) -> dict[str, Any]:
    return {"ok": False, "names": [], "accelerated": False, "problem": problem}


def _devices() -> dict[str, Any]:
    import jax

    try:
        devices = jax.devices()
    # JAX asserts that there is a backend where JAX_PLATFORMS names one without a plugin
    except (RuntimeError, AssertionError) as error:
        named = os.environ.get("JAX_PLATFORMS", "")
        reason = " ".join(str(error).split()) or f"JAX finds no device with JAX_PLATFORMS={named!r}"
        return _no_devices(reason)
    return {
        "ok": True,
        "names": [f"{device.platform}: {device.device_kind}" for device in devices],
        "accelerated": jax.default_backend() != "cpu",
    }


_NO_ACCELERATOR = (
    "No accelerator: everything runs on the CPU. For an NVIDIA GPU, from the checkout: "
    "python -m pip install --constraint constraints.txt '.[cuda]'"
)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _engines() -> dict[str, dict[str, Any]]:
    # Imports JAX and MuJoCo, which a robot's computer lacks
    from robot_gcrl.physics.trial import try_engine

    return {name: try_engine(name) for name in ENGINES}


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
