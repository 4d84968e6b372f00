"""What a viewer costs: real-time factor, processor and memory, while a browser shows it.

    python tools/bench_viewer.py NAME.policy --seconds 60

The viewer runs in a process of its own, whose figures these are; the browser is Chromium, which
draws with the processor and takes what is left of it. Beside them stands how many actions a goal
waits for the first that pursues it.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

from robot_gcrl.viewer.scene import show_policy
from robot_gcrl.viewer.studio.show import StudioViewer, Window
from robot_gcrl.viewer.studio.words import AskGoal
from robot_gcrl.viewer.world import World

_PATIENCE = 20.0
_GOAL_EVERY = 2.0
_FLAGS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("policy", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--child", action="store_true", help="run the viewer until stdin ends")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(serve(options.policy)))
        return
    print(json.dumps(measure(options.policy, options.seconds), indent=1))


def measure(policy: Path, seconds: float) -> dict[str, Any]:
    """The viewer's own figures, while a browser draws it."""
    began = time.monotonic()
    words = [sys.executable, __file__, str(policy), "--child"]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = next(line for line in process.stdout if line.startswith("http")).strip()
    started = time.monotonic() - began
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(_FLAGS)
        )
        page = browser.new_page(viewport={"width": 480, "height": 360})
        page.goto(url)
        page.wait_for_timeout(1000 * seconds)
        browser.close()
    assert process.stdin is not None
    process.stdin.close()
    found = json.loads([line for line in process.stdout if line.startswith("{")][-1])
    process.wait(_PATIENCE)
    return {"answers_after_s": started} | found


def serve(policy: Path) -> dict[str, Any]:
    """Runs the viewer until standard input ends, with another goal every two seconds."""
    world = World(show_policy(policy))
    viewer = StudioViewer(world, Window(opens=False))
    print(viewer.server.url, flush=True)
    ends = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ends.set()), daemon=True).start()
    waits: list[int] = []
    asked_at, next_goal, goal = 0, time.monotonic() + _GOAL_EVERY, world.desk.active
    began, cpu, simulated = time.monotonic(), time.process_time(), world.data.time
    while not ends.is_set() and viewer.handle.is_running():
        viewer.handle.sync()
        if asked_at and world.desk.active is not goal:
            waits.append(world.actions - asked_at)
            asked_at = 0
        if time.monotonic() >= next_goal:
            next_goal = time.monotonic() + _GOAL_EVERY
            asked_at, goal = world.actions, world.desk.active
            viewer.panels.viewer.send_to_sim(AskGoal(None))
    wall = time.monotonic() - began
    result = {
        "seconds": wall,
        "frames_per_s": viewer.panels.frames / wall,
        "real_time_factor": (world.data.time - simulated) / wall,
        "not_caught_up_s": viewer.stepper.pace.lost,
        "cores": (time.process_time() - cpu) / wall,
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "actions_before_a_new_goal_counts": int(np.max(waits)) if waits else None,
    }
    viewer.close()
    return result


if __name__ == "__main__":
    main()
