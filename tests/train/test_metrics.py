import errno
import json
import os
from pathlib import Path

import pytest

from robot_gcrl.errors import CheckpointError
from robot_gcrl.train.metrics import DivergedError, MetricsWriter, read_metrics


def write(run: Path, *iterations: int, after: int = 0) -> None:
    with MetricsWriter(run, after_iteration=after) as metrics:
        for iteration in iterations:
            metrics.write({"iteration": iteration, "loss": iteration / 10})


def iterations(run: Path) -> list[int]:
    return [line["iteration"] for line in read_metrics(run)]


def test_lines_are_on_the_disk_at_once(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []
    rate = {"mean": 0.5, "ci95": [0.4, 0.6], "n": 64}
    with MetricsWriter(tmp_path) as metrics:
        metrics.write({"iteration": 1, "success_any": rate})
        assert read_metrics(tmp_path) == [{"iteration": 1, "success_any": rate}]
        metrics.write({"iteration": 2, "loss": 0.1})
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == read_metrics(tmp_path)


# Seen to fail: with < for <=, and with the file opened for appending without the rewriting.
def test_a_resumed_run_writes_its_lines_once(tmp_path: Path) -> None:
    write(tmp_path, 1, 2, 3, 4)
    write(tmp_path, 3, 4, 5, after=2)
    assert iterations(tmp_path) == [1, 2, 3, 4, 5]
    write(tmp_path, 1)  # from the start: there was no checkpoint
    assert iterations(tmp_path) == [1]


# Seen to fail: with splitlines(), which gives the torn line to json.loads.
def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 3, "lo')
    assert iterations(tmp_path) == [1, 2]
    write(tmp_path, 3, after=2)
    assert iterations(tmp_path) == [1, 2, 3]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"loss": 1}\n')
    with pytest.raises(CheckpointError) as caught:
        read_metrics(tmp_path)
    assert str(caught.value) == (
        f"Line 2 of {tmp_path}/metrics.jsonl is damaged: b'{{\"loss\": 1}}'. Expected a JSON "
        'object with an "iteration". Remove the line.'
    )


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ({"critic_loss": float("nan")}, "critic_loss", "nan"),
        ({"success_any": {"mean": 0.5, "ci95": [0.4, float("inf")]}}, "success_any.ci95", "inf"),
    ],
)
def test_numbers_that_are_none(tmp_path: Path, line: dict, name: str, value: str) -> None:
    with MetricsWriter(tmp_path) as metrics, pytest.raises(DivergedError) as caught:
        metrics.write({"iteration": 7} | line)
    assert str(caught.value) == (
        f"{name} is {value} at iteration 7. Expected a finite number: the training has diverged. "
        f"Lower --agent.learning-rate, or look at {tmp_path}/metrics.jsonl for what grew."
    )
    assert read_metrics(tmp_path) == []


# "Not measured" is an absent key: null would read as a value
def test_nothing_is_no_number(tmp_path: Path) -> None:
    with MetricsWriter(tmp_path) as metrics, pytest.raises(TypeError):
        metrics.write({"iteration": 1, "loss": None})
    assert read_metrics(tmp_path) == []


def test_a_full_disk(tmp_path: Path) -> None:
    metrics = MetricsWriter(tmp_path)
    full = open("/dev/full", "w")  # noqa: SIM115  # the writer closes it
    metrics._file.close()
    metrics._file = full
    # Seen to fail: closing wrote again, and its OSError was all that was said
    with pytest.raises(CheckpointError) as caught, metrics:
        metrics.write({"iteration": 1})
    assert str(caught.value) == (
        f"{tmp_path}/metrics.jsonl cannot be written: {os.strerror(errno.ENOSPC)}. Expected a "
        "writable disk with room. Make room and go on with --resume."
    )
