"""How long one step of a policy takes on each runtime, by the depth of its network.

Random networks of width 256 for a robot of an ant's sizes, or with --policies those of policy files
(a teacher and its student), one robot, one core: NumPy, ONNX Runtime
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
    parser.add_argument("--policies", type=Path, nargs="+", help="policy files, instead of depths")
    parser.add_argument("--samples", type=int, default=2000, help="of each runtime")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.policies:
            files = {str(path): read_policy(path) for path in options.policies}
            rows = measure(files, options.samples, folder)
        else:
            rows = []
            for depth in options.depths:
                path = write_synthetic(folder / f"d{depth}.policy", CONTROL_DT, depth=depth)
                rows += measure({str(depth): read_policy(path)}, options.samples, folder)
    if options.json:
        width = None if options.policies else WIDTH
        print(json.dumps({"width": width, "unit": "us", "rows": rows}))
        return
    print("one step: median / 99% [us], greatest difference of an action from NumPy's")
    labels = [f"{row['label']} ({row['depth']} x {row['width']})" for row in rows]
    size = max(map(len, labels))
    print(" " * size + "".join(f"{name:>26}" for name in rows[0]["times"]))
    for label, row in zip(labels, rows, strict=True):
        cells = [
            f"{t['median']:.0f} / {t['p99']:.0f} ({row['difference'][name]:.0e})"
            for name, t in row["times"].items()
        ]
        print(f"{label:>{size}}" + "".join(f"{cell:>26}" for cell in cells))


def measure(files: dict[str, PolicyFile], samples: int, folder: Path) -> list[dict[str, Any]]:
    """Times and differences of every runtime of every file; all of them take turns."""
    steps: dict[tuple[str, str], Step] = {}
    for number, (label, file) in enumerate(files.items()):
        own = folder / f"{label if label.isdigit() else number}-c"
        own.mkdir()
        steps |= {(label, name): step for name, step in runtimes(file, own).items()}
    times = interleaved({"\n".join(key): step for key, step in steps.items()}, samples=samples)
    rows = []
    for label, file in files.items():
        names = [name for of, name in steps if of == label]
        reference = steps[label, "numpy"]()
        rows.append(
            {
                "label": label,
                "depth": file.network.depth,
                "width": file.network.width,
                "times": {name: spread_us(times[f"{label}\n{name}"]) for name in names},
                "difference": {
                    name: float(np.abs(steps[label, name]() - reference).max()) for name in names
                },
            }
        )
    return rows


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
