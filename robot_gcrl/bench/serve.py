"""`robot-gcrl bench serve`: what a step over the bridge takes, beside what it is made of."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from robot_gcrl.bench.echo import Echo
from robot_gcrl.bench.loops import Served, run_fast, run_many, run_restart
from robot_gcrl.bench.robots import Body, make_body, make_clients, round_trip
from robot_gcrl.bench.synthetic import DEPTH, WIDTH, make_profile, write_synthetic
from robot_gcrl.bench.timing import interleaved, spread_us
from robot_gcrl.bridge.children import Child, ending_on_signals
from robot_gcrl.bridge.messages import Command, Header, Report
from robot_gcrl.bridge.profile import Profile
from robot_gcrl.bridge.profile_file import load_profile
from robot_gcrl.bridge.wire import decode, encode, pack_floats
from robot_gcrl.errors import ConfigError
from robot_gcrl.policy.runtime import PolicyFile, Runtime, make_runtime, read_policy
from robot_gcrl.policy.runtime.make import RuntimeName
from robot_gcrl.policy.runtime.onnx_runtime import is_installed

FAST_HZ, MANY_HZ = 500.0, 50.0
# Encoding is shorter than what a clock can tell: so often at once
_TOGETHER = 50


def bench_serve(
    *,
    policy: Path | None = None,
    seconds: float = 60.0,
    samples: int = 5000,
    robots: int = 64,
) -> dict[str, Any]:
    """Measures the serving of a policy, all against real server processes over ipc.

    Args:
      policy: file; None is a random network of 4 x 256 for a robot of an ant's sizes.
      seconds: of the paced loops, each [s].
      samples: of everything that is timed by itself.
      robots: of the loop with many.

    Returns:
      "echo_us", "encode_decode_us", "inference_us", "round_trip_us" (median, p99), "ratio" (round
      trip over echo and inference), "fast", "many", "restart", and "goals", ready for JSON.

    Raises:
      RobotGcrlError: a file that cannot be read, a number out of range, or a process that fails.
    """
    if not (seconds > 0.0 and samples >= 1 and robots >= 1):
        raise ConfigError(
            f"The benchmark was given {seconds:g} s, {samples} samples and {robots} robots. "
            "Expected more than 0 s, and at least one of the others. Change --seconds, --samples "
            "or --robots."
        )
    with ending_on_signals(), tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        slow, fast = _files(policy, folder)
        profile = make_profile() if policy is None else load_profile(slow.contract.robot)
        body = make_body(slow, profile)
        runtime: RuntimeName = "onnxruntime" if is_installed() else "numpy"
        result: dict[str, Any] = {
            "policy": f"synthetic {DEPTH} x {WIDTH}" if policy is None else str(policy),
            "runtime": runtime,
        }
        _say("round trips")
        with Served(slow, folder, "slow", runtime) as served:
            result |= _times(served, profile, body, folder, runtime, samples)
            _say(f"{robots} robots for {seconds:g} s")
            result["many"] = run_many(
                served, profile, body, robots=robots, hz=MANY_HZ, seconds=seconds
            )
            _say("restart")
            result["restart"] = run_restart(served, profile, body, hz=MANY_HZ)
        _say(f"{FAST_HZ:g} Hz for {seconds:g} s")
        with Served(fast, folder, "fast", runtime) as served:
            result["fast"] = run_fast(served, profile, body, hz=FAST_HZ, seconds=seconds)
    return result | {"goals": goals(result)}


def goals(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Figures that are to be reached on an idle machine, each with what was measured."""
    trip, codec = result["round_trip_us"], result["encode_decode_us"]
    cpu = result["many"]["server_cpu_s_per_s"]
    rows = [
        ("round trip / (echo + inference)", result["ratio"], 2.0),
        ("round trip, median [us]", trip["median"], 150.0),
        ("round trip, p99 [us]", trip["p99"], 1000.0),
        ("encode + decode of a message [us]", max(codec.values()), 5.0),
        (f"missed ticks at {FAST_HZ:g} Hz [%]", 100.0 * result["fast"]["missed_share"], 0.1),
        ("cores of the server, many robots", cpu, 1.0),
        ("first command after a restart [s]", result["restart"]["from_listening_s"], 0.5),
    ]
    return [
        {
            "name": name,
            "value": value,
            "limit": limit,
            "ok": None if value is None else value <= limit,
        }
        for name, value, limit in rows
    ]


def _files(policy: Path | None, folder: Path) -> tuple[PolicyFile, PolicyFile]:
    """For the loops at MANY_HZ and at FAST_HZ: deadlines follow from a contract's period."""
    if policy is not None:
        file = read_policy(policy)
        return file, file
    slow = write_synthetic(folder / "slow.policy", 1.0 / MANY_HZ)
    fast = write_synthetic(folder / "fast.policy", 1.0 / FAST_HZ)
    return read_policy(slow), read_policy(fast)


def _times(
    served: Served, profile: Profile, body: Body, folder: Path, runtime: str, samples: int
) -> dict[str, Any]:
    file = served.file
    report, command = _messages(file, body)
    sizes = {"report": len(encode(*report)), "command": len(encode(*command))}
    address = f"ipc://{folder / 'echo'}"
    arguments = ["-m", "robot_gcrl.bench.echo", address, str(sizes["command"])]
    names: list[RuntimeName] = ["numpy", "onnxruntime"] if is_installed() else ["numpy"]
    infer = {name: _inference(file, make_runtime(file, name)) for name in names}
    (client,) = make_clients(file, profile, body, served.endpoint, 1)
    with client, Child("echo", arguments, {}):
        echo = Echo(address, sizes["report"])
        try:
            times = interleaved(
                {"echo": echo, "trip": lambda: round_trip(client, body), **infer}, samples=samples
            )
        finally:
            echo.close()
    spreads = {name: spread_us(values) for name, values in times.items()}
    alone = spreads["echo"]["median"] + spreads[runtime]["median"]
    return {
        "sizes": sizes,
        "echo_us": spreads["echo"],
        "encode_decode_us": {
            "report": _codec_us(*report, samples=samples),
            "command": _codec_us(*command, samples=samples),
        },
        "inference_us": {name: spreads[name] for name in names},
        "round_trip_us": spreads["trip"],
        "ratio": spreads["trip"]["median"] / alone,
    }


def _messages(file: PolicyFile, body: Body) -> tuple[tuple[Header, Report], tuple[Header, Command]]:
    golden, now = file.golden, time.monotonic_ns()
    header = Header(2**61, 2**31, now, now, 2**31)
    ctrl = pack_floats(golden.ctrl[0])
    report = Report(0, 10**6, 0, pack_floats(body.inputs), ctrl, pack_floats(body.pose))
    return (header, report), (header, Command(ctrl, now, pack_floats(golden.goal[0]), 1.0, 0))


def _inference(file: PolicyFile, runtime: Runtime) -> Callable[[], object]:
    step = [np.ascontiguousarray(column[:1]) for column in file.golden[:4]]
    return lambda: runtime(*step)


def _codec_us(header: Header, body: Report | Command, *, samples: int) -> float:
    def both() -> None:
        for _ in range(_TOGETHER):
            decode(encode(header, body))

    times = interleaved({"codec": both}, samples=-(-samples // _TOGETHER))
    return spread_us(times["codec"])["median"] / _TOGETHER


def _say(text: str) -> None:
    sys.stderr.write(f"bench serve, {text}\n")
    sys.stderr.flush()
