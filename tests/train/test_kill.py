"""kill -9 at any moment leaves a run that goes on from a state that it really had."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from robot_gcrl.train.checkpoint import RunFolder
from robot_gcrl.train.metrics import read_metrics
from tests.train.endless import ROWS
from tests.train.samples import make_state, same_bits

KILLS, BEFORE_THE_FIRST, INSIDE_A_WRITE = 20, 2, 8
PATIENCE = 60.0  # of a machine that is busy [s]


def leftovers(run: Path) -> list[Path]:
    return list(run.glob("checkpoints/*/.unfinished-*"))


def saving_since(run: Path, began: int) -> bool:
    """Whether a save that began after `began` [ns] is under way."""
    try:
        return any(folder.stat().st_mtime_ns > began for folder in leftovers(run))
    except FileNotFoundError:  # finished between the two calls
        return False


def wait_for(condition: Callable[[], bool], child: int) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        os.kill(child, 0)  # fails if it ended by itself
        assert time.monotonic() < end, "the process does nothing"
        time.sleep(0.001)


def kill_once(zygote: subprocess.Popen[str], run: Path, *, saved: bool, wait: float) -> None:
    """Lets a child resume the run; kills it `wait` seconds after its first save began or ended."""
    assert zygote.stdin is not None
    assert zygote.stdout is not None
    began, before = time.time_ns(), set(run.glob("checkpoints/last/0*"))
    print(run, file=zygote.stdin, flush=True)
    child = int(zygote.stdout.readline())
    try:
        wait_for(lambda: saving_since(run, began), child)
        if saved:
            wait_for(lambda: set(run.glob("checkpoints/last/0*")) - before != set(), child)
        time.sleep(wait)
    finally:
        os.kill(child, signal.SIGKILL)
    assert zygote.stdout.readline() == f"{-signal.SIGKILL}\n", "it ended by itself"


def check(run: Path) -> int:
    """Opens the run, compares its state with the recomputed one, and returns its iteration."""
    folder = RunFolder.open(run)
    read_metrics(run)
    if folder.has_best:
        agent, where = folder.restore_agent("best", make_state(0, rows=ROWS).agent)
        assert same_bits(agent, make_state(where.iteration, rows=ROWS).agent)
    if not folder.has_last:
        return 0
    state, where = folder.restore_last(make_state(0, rows=ROWS))
    assert same_bits(state, make_state(where.iteration, rows=ROWS))
    assert int(state.iteration) == where.iteration
    return where.iteration


# Seen to fail: with the final folder written in place (torn checkpoints), with the old folder
# deleted before the rename (no checkpoint after a kill).
def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    run, chance = tmp_path / "run", random.Random(0)
    command = [sys.executable, "-W", "ignore", "-m", "tests.train.endless"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as zygote:
        reached, inside, before_the_first = 0, 0, 0
        for kill in range(KILLS):
            early = kill < BEFORE_THE_FIRST
            saved = not early and kill % 2 == 1
            wait = 0.0 if early else chance.uniform(0.0, 0.3 if saved else 0.03)
            kill_once(zygote, run, saved=saved, wait=wait)
            inside += bool(leftovers(run))
            iteration = check(run)
            before_the_first += iteration == 0
            assert iteration >= reached
            reached = iteration
    print(inside, before_the_first, reached)
    assert zygote.returncode == 0
    assert before_the_first >= BEFORE_THE_FIRST
    assert inside >= INSIDE_A_WRITE
    assert reached >= KILLS // 2 - 1
