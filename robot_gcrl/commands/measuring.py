"""The commands that measure this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from robot_gcrl.commands.base import DONE, Say, prepare_out, save, show
from robot_gcrl.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class BenchPhysics:
    """Measures how quickly tasks are stepped, beside the bare engine; memory; MJX's compilation."""

    task: tuple[str, ...] = ()
    """Tasks, by name or FILE.py:NAME; without it, one of each robot."""
    all: bool = False
    """Measure every task."""
    engine: Literal["auto", "native", "mjx"] = "auto"
    """Physics engine; auto is native on a CPU and mjx on an accelerator."""
    num_envs: tuple[int, ...] = (64, 256, 1024)
    """Numbers of worlds, each measured by itself."""
    seconds: float = 4.0
    """Duration of each measurement, without starting and compiling [s]."""
    skip_compilation: bool = False
    """Leave out how long MJX compiles the step of each task."""
    markdown: bool = False
    """Print a Markdown table, as docs/benchmarks.md has it."""
    out: Path | None = None
    """File that receives the JSON object too."""
    json: bool = False
    """Print one JSON object instead of a table."""

    def run(self, say: Say) -> int:
        """Prints the figures beside their limits."""
        if self.markdown and self.json:
            raise ConfigError(
                "Both --markdown and --json were given. Expected at most one form of output. Leave "
                "one out; --out FILE writes the JSON object beside a table."
            )
        prepare_out(self.out)
        from robot_gcrl.bench.physics import bench_physics
        from robot_gcrl.bench.physics_table import format_physics, markdown_physics

        result = bench_physics(
            tasks=self.task,
            all_tasks=self.all,
            engine=self.engine,
            num_envs=self.num_envs,
            seconds=self.seconds,
            compilation=not self.skip_compilation,
        )
        table = markdown_physics(result) if self.markdown else format_physics(result)
        show(say, table, result, as_json=self.json)
        save(self.out, result)
        return DONE
