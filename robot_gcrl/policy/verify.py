"""Whether a policy file is what was exported, and whether this machine computes it rightly."""

import math
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from robot_gcrl.policy.c_source import export_c
from robot_gcrl.policy.compare import ENERGY_TOLERANCE, energy_difference, golden_difference
from robot_gcrl.policy.runtime.archive import ENTRIES, OPTIONAL
from robot_gcrl.policy.runtime.critic import make_critic
from robot_gcrl.policy.runtime.file import GOLDEN_ENERGY, PolicyFile, read_policy
from robot_gcrl.policy.runtime.make import make_runtime
from robot_gcrl.policy.runtime.onnx_runtime import is_installed

_FLAGS = ("-std=c99", "-O3", "-Wall", "-Wextra", "-Werror")


def verify_policy(path: Path) -> dict[str, Any]:
    """Checks a policy file, ready for JSON.

    Returns:
      "ok", the file's facts, and "checks": for each its name, whether it is ok, and a detail; for a
      runtime, and for the critic of a file that holds one, also its worst difference from the
      agent. A runtime that this machine lacks is listed with ok None, which does not count.

    Raises:
      PolicyError: the file is missing, damaged, of a newer format, or contradicts itself.
    """
    file = read_policy(path)
    allowed = file.tolerance
    entries = sum(name in file.manifest["entries"] for name in (*ENTRIES, *OPTIONAL))
    checks = [
        _check("entries", detail=f"{entries} entries have the sha256 of the manifest"),
        _check("contract", detail=f"sha256 {file.contract.sha256[:12]}"),
        _compared("numpy", _runtime_difference(file, "numpy"), allowed),
        _onnxruntime(file, allowed),
        _c(file, allowed),
    ]
    if file.critic is not None:
        checks.append(_compared("critic", _critic_difference(file), ENERGY_TOLERANCE))
    return {
        "ok": all(check["ok"] is not False for check in checks),
        "policy": str(path),
        "sha256": file.sha256,
        "task": file.contract.name,
        "depth": file.network.depth,
        "width": file.network.width,
        "tolerance": allowed,
        "golden": file.manifest["golden"],
        "checks": checks,
    }


def format_verification(result: dict[str, Any]) -> str:
    """The result of `verify_policy` as lines for a terminal."""
    marks = {True: "ok", False: "FAILED", None: "not here"}
    lines = [
        f"{result['policy']}: task {result['task']}, actor {result['depth']} x {result['width']}, "
        f"sha256 {result['sha256'][:12]}"
    ]
    lines += [f"  {c['name']:12} {marks[c['ok']]:9} {c['detail']}" for c in result["checks"]]
    golden = result["golden"]
    if 4 * golden["unsaturated"] < golden["count"]:
        lines.append(
            f"  Only {golden['unsaturated']} of {golden['count']} examples are unsaturated: the "
            "policy drives its actuators to their limits, and the comparison proves less."
        )
    return "\n".join(lines)


def _check(name: str, *, ok: bool | None = True, detail: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "detail": detail}


def _compared(name: str, worst: float, allowed: float) -> dict[str, Any]:
    detail = f"worst difference {worst:.1e} (at most {allowed:.2g})"
    # NaN is not JSON
    number = worst if math.isfinite(worst) else None
    return _check(name, ok=worst <= allowed, detail=detail) | {"worst_difference": number}


def _runtime_difference(file: PolicyFile, name: Any) -> float:
    return golden_difference(file.contract, make_runtime(file, name), file.golden)


def _critic_difference(file: PolicyFile) -> float:
    return energy_difference(make_critic(file), file.golden, file.critic_weights[GOLDEN_ENERGY])


def _onnxruntime(file: PolicyFile, allowed: float) -> dict[str, Any]:
    if not is_installed():
        return _check("onnxruntime", ok=None, detail="onnxruntime is not installed")
    return _compared("onnxruntime", _runtime_difference(file, "onnxruntime"), allowed)


def _c(file: PolicyFile, allowed: float) -> dict[str, Any]:
    compiler = _compiler()
    if compiler is None:
        return _check("c", ok=None, detail="no C compiler (cc, gcc, clang, or CC) is installed")
    with tempfile.TemporaryDirectory() as folder:
        source = export_c(file, Path(folder))
        flags = (*_FLAGS, f"-D{source.stem.upper()}_MAIN", "-o", "self_test", source.name, "-lm")
        built = _run([*compiler, *flags], folder)
        if built.returncode:
            lines = built.stderr.strip().splitlines() or ["without a message"]
            return _check("c", ok=False, detail=f"{compiler[0]} fails: {lines[0]}")
        tested = _run(["./self_test"], folder)
    if not tested.stdout:
        return _check("c", ok=False, detail=f"the program ends with {tested.returncode}")
    return _compared("c", float(tested.stdout), allowed)


def _compiler() -> list[str] | None:
    chosen = shlex.split(os.environ.get("CC", ""))
    for command in (chosen, ["cc"], ["gcc"], ["clang"]):
        if command and shutil.which(command[0]):
            return command
    return None


def _run(command: list[str], folder: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
