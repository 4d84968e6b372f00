"""A process that trains without physics until it is killed: `python -m tests.train.endless`.

Each line on stdin is a run folder. For each a child is forked that resumes the run, or begins it,
and saves one state after another; the child's id is printed, and a line more when it is dead. The
libraries are loaded once, and JAX's backend is started only in the children.
"""

import os
import sys
import time
from pathlib import Path

from robot_gcrl.train.checkpoint import RunFolder
from robot_gcrl.train.metrics import MetricsWriter
from tests.train.samples import SHA256, info, make_config, make_state, same_bits

ROWS = 20_000  # 13 MB
_LONGEST = 30.0  # if nobody kills it [s]


def resume(path: Path) -> None:
    exists = (path / "config.json").exists()
    opened = RunFolder.open(path) if exists else RunFolder.create(path, make_config(path), SHA256)
    end = time.monotonic() + _LONGEST
    with opened as folder:
        iteration = 0
        if folder.has_last:
            state, where = folder.restore_last(make_state(0, rows=ROWS))
            iteration = where.iteration
            assert same_bits(state, make_state(iteration, rows=ROWS))
        with MetricsWriter(path, after_iteration=iteration) as metrics:
            while time.monotonic() < end:
                iteration += 1
                metrics.write({"iteration": iteration, "loss": 1.0 / iteration})
                state = make_state(iteration, rows=ROWS)
                folder.save_last(state, info(iteration))
                if iteration % 3 == 0:
                    folder.save_best(state.agent, info(iteration, score=0.5))


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            resume(Path(line.strip()))
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
