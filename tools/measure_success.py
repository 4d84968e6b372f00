"""Trains and evaluates tasks over seeds, each with its own budget, and prints the table of success.

    python tools/measure_success.py --tasks reacher arm_reach --seeds 0 1 2 --out DIR

For each task and seed: `robot-gcrl train --task T --seed S` with no other setting than the folder,
its wall time with start and compilation, then `robot-gcrl evaluate RUN --beside` on 1024 episodes.
A run whose evaluation lies in DIR is not repeated, so that a long list can be measured in parts.
Run it on a machine that does nothing else.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Measures what is missing in the folder, then prints the table of all that it holds."""
    parser = argparse.ArgumentParser(description="Success of tasks over seeds.")
    parser.add_argument("--tasks", nargs="+", required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--preset", help="other than the one for this machine")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for task in arguments.tasks:
        for seed in arguments.seeds:
            measure(task, seed, arguments.preset, arguments.out.resolve())
    print("\n".join(table(arguments.out)))


def measure(task: str, seed: int, preset: str | None, out: Path) -> None:
    """Trains and evaluates one seed; leaves NAME/ and NAME.json."""
    name = f"{task}-{seed}" if preset is None else f"{task}-{preset}-{seed}"
    file = out / f"{name}.json"
    if file.exists():
        return
    began = time.monotonic()
    options = ["--preset", preset] if preset else []
    run_command("train", "--task", task, "--seed", str(seed), "--run", str(out / name), *options)
    wall = time.monotonic() - began
    partial = out / f"{name}.partial"
    run_command("evaluate", str(out / name), "--beside", "--out", str(partial))
    result = json.loads(partial.read_text()) | {"wall_seconds": wall, "training_seed": seed}
    partial.unlink()
    file.write_text(json.dumps(result) + "\n")


def run_command(*words: str) -> None:
    """One `robot-gcrl` command of this checkout, shown to the user.

    Raises:
      CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", "robot_gcrl.cli", *words]
    subprocess.run(command, check=True, cwd=ROOT, stdout=sys.stderr)


def table(out: Path) -> list[str]:
    """Markdown rows, one for each evaluation in the folder."""
    lines = [
        "| task | seed | wall [min] | control steps | any | final | time at goal | zero: any | "
        "random: any |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for file in sorted(out.glob("*.json")):
        result = json.loads(file.read_text())
        lines.append(
            f"| `{result['task']}` | {result['training_seed']} | "
            f"{result['wall_seconds'] / 60:.1f} | {result['control_steps']:,} | "
            f"{rate(result['success_any'])} | {rate(result['success_final'])} | "
            f"{rate(result['time_at_goal'])} | {result['zero']['success_any']['mean']:.1%} | "
            f"{result['random']['success_any']['mean']:.1%} |"
        )
        regions = result["regions"].items()
        lines += [
            f"| | | | {name} | {rate(row['success_any'])} | {rate(row['success_final'])} | "
            f"{rate(row['time_at_goal'])} | | |"
            for name, row in regions
        ]
    return lines


def rate(value: dict[str, Any]) -> str:
    """A mean with its interval."""
    low, high = value["ci95"]
    return f"{value['mean']:.1%} ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main()
