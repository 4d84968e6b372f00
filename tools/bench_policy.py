"""How long one step of a policy takes on each runtime, by the depth of its network.

Random networks of width 256 for a robot of an ant's sizes, one robot, one core: NumPy, ONNX Runtime
where it is installed, and the generated C where there is a compiler (called through ctypes, whose
share is measured with it). The runtimes take turns within a run. Beside them stands the greatest
difference of their actions from NumPy's.
"""

import argparse
import ctypes
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from robot_gcrl.bench.synthetic import WIDTH, write_synthetic
from robot_gcrl.bench.timing import interleaved, spread_us
from robot_gcrl.policy.c_source import export_c
from robot_gcrl.policy.runtime import PolicyFile, make_runtime, read_policy
from robot_gcrl.policy.runtime.onnx_runtime import is_installed

CONTROL_DT = 0.02
# -march=native: a controller's own compiler knows its processor
FLAGS = ("-std=c99", "-O3", "-march=native", "-shared", "-fPIC")
Step = Callable[[], np.ndarray]


def main() -> None:
    """Prints a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depths", type=int, nargs="+", default=[4, 16, 64, 256, 1024])
    parser.add_argument("--samples", type=int, default=2000, help="of each runtime")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(depth, options.samples, Path(folder)) for depth in options.depths]
    if options.json:
        print(json.dumps({"width": WIDTH, "unit": "us", "rows": rows}))
        return
    names = list(rows[0]["times"])
    print(f"one step, width {WIDTH}: median / 99% [us], greatest difference of an action")
    print(f"{'depth':>6}" + "".join(f"{name:>30}" for name in names))
    for row in rows:
        cells = [
            f"{t['median']:.0f} / {t['p99']:.0f} ({row['difference'][name]:.0e})"
            for name, t in row["times"].items()
        ]
        print(f"{row['depth']:>6}" + "".join(f"{cell:>30}" for cell in cells))


def measure(depth: int, samples: int, folder: Path) -> dict[str, Any]:
    """Times and differences of every runtime at one depth."""
    file = read_policy(write_synthetic(folder / f"d{depth}.policy", CONTROL_DT, depth=depth))
    steps = runtimes(file, folder)
    times = interleaved(steps, samples=samples)
    reference = steps["numpy"]()
    return {
        "depth": depth,
        "times": {name: spread_us(values) for name, values in times.items()},
        "difference": {name: float(np.abs(s() - reference).max()) for name, s in steps.items()},
    }


def runtimes(file: PolicyFile, folder: Path) -> dict[str, Step]:
    """One step of each runtime that this machine has, each the action [A] of the same example."""
    example = [np.ascontiguousarray(column[:1]) for column in file.golden[:4]]
    found: dict[str, Step] = {}
    for name in ("numpy", "onnxruntime") if is_installed() else ("numpy",):
        runtime = make_runtime(file, name)
        found[name] = lambda runtime=runtime: runtime(*example).action[0]
    if shutil.which("cc") is not None:
        found["c"] = c_step(file, folder, example)
    return found


def c_step(file: PolicyFile, folder: Path, example: list[np.ndarray]) -> Step:
    """The generated C as a shared library."""
    source = export_c(file, folder)
    library = source.with_suffix(".so")
    command = ["cc", *FLAGS, "-o", library.name, source.name, "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    step = getattr(ctypes.CDLL(str(library)), f"{source.stem}_step")
    arrays = [*example, *(np.empty(file.contract.action_size, np.float32) for _ in range(2))]
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in arrays]

    def run() -> np.ndarray:
        step(*pointers)
        return arrays[-2]

    return run


if __name__ == "__main__":
    main()
