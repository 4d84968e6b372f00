"""On what a run was made: versions, processor, devices, threads.

A resumed run continues bit for bit only on the same of these; `differences` names what changed.
"""

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from robot_gcrl.physics.cores import cores

# Those whose arithmetic the state of a run goes through
_NUMERICAL = ("jax", "jaxlib", "flax", "optax", "mujoco", "mujoco-mjx", "numpy", "robot-gcrl")


def machine(physics_threads: int) -> dict[str, Any]:
    """What the numbers of a run depend on beside its settings, as JSON.

    Args:
      physics_threads: of the native engine; 0 for all cores but one.
    """
    return {
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _NUMERICAL if _version(name)},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "devices": [f"{device.platform} {device.device_kind}" for device in jax.local_devices()],
        "physics_threads": physics_threads or max(cores() - 1, 1),
        # XLA's own reading of its threads: see prepare_environment
        "learner_threads": int(os.environ.get("NPROC") or cores()),
    }


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """What differs between two machines: ("jax 0.10.2, now 0.12.0", ...)."""
    pairs = [(name, then.get(name), now.get(name)) for name in now if name != "versions"]
    before, after = then.get("versions", {}), now["versions"]
    pairs += [(name, before.get(name), after.get(name)) for name in before | after]
    return tuple(f"{name} {_text(a)}, now {_text(b)}" for name, a, b in pairs if a != b)


def write_environment(path: Path) -> None:
    """Writes what is installed and what this machine is, for a person to read."""
    facts = machine(0)
    lines = [f"# python {facts['python']} on {facts['system']}"]
    lines += [f"# {facts['processor']}, {cores()} cores, {_memory()}"]
    lines += [f"# device {device}" for device in facts["devices"]]
    installed = {
        str(found.metadata["Name"]).lower(): found.version
        for found in importlib.metadata.distributions()
        if found.metadata["Name"]
    }
    lines += [f"{name}=={version}" for name, version in sorted(installed.items())]
    path.write_text("\n".join(lines) + "\n")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB of memory"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "unknown" if value is None else str(value)
