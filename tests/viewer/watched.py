"""A viewer in a process of its own, which tells its goal line by line: `python -m` this module.

One web viewer lives in a process, so that every test starts another.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PATIENCE = 30.0  # [s]


def main() -> None:
    from robot_gcrl.bridge.serve import Ending
    from robot_gcrl.viewer.scene import show_policy, show_task
    from robot_gcrl.viewer.studio.show import StudioViewer, Window
    from robot_gcrl.viewer.world import World

    parser = argparse.ArgumentParser()
    parser.add_argument("shown", help="a policy file, or a task, whose robot stands still")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--goal", type=float, nargs="+")
    options = parser.parse_args()
    is_file = options.shown.endswith(".policy")
    shown = options.shown
    world = World(show_policy(Path(shown)) if is_file else show_task(shown, "zero"))
    if options.goal:
        world.ask(options.goal)
    locked = watch_fonts()
    viewer = StudioViewer(world, Window(opens=False, port=options.port))
    told: dict[str, Any] = {}
    seen = time.monotonic()

    def tell(ends: bool = False) -> None:
        nonlocal told
        status = world.status()
        now = {
            "url": viewer.server.url,
            "goal": world.desk.wanted.tolist(),
            "active": None if world.desk.active is None else world.desk.active.tolist(),
            "state": world.desk.verdict.state,
            "asked": world.desk.asked,
            "reached": status.success,
            "paused": viewer.stepper.pace.paused,
        }
        if now != told:
            told = now
            sys.stdout.write(json.dumps(now | {"at": time.monotonic() - seen}) + "\n")
            sys.stdout.flush()

    with Ending() as ending:
        try:

            def goes_on() -> bool:
                tell()
                return not ending.is_set

            viewer.run(goes_on)
        finally:
            viewer.close()
    others = [t for t in threading.enumerate() if t is not threading.main_thread()]
    for thread in others:
        thread.join(5.0)  # Studio's own ends a moment after its server, on a busy machine
    threads = [thread.name for thread in others if thread.is_alive()]
    usage = {
        "threads": threads,
        "simulated": float(world.data.time),
        "actions": world.actions,
        "locked": len(locked),
    }
    sys.stdout.write(json.dumps({"ended": usage, "cpu": time.process_time()}) + "\n")


def watch_fonts() -> list[bool]:
    """An entry for every frame that is drawn while fonts are locked (see `_make_viewer`)."""
    from mujoco.studio import web_viewer

    imgui, ui = web_viewer.imgui, web_viewer.headless_ui.HeadlessUi
    new_frame, locked = ui.new_frame, []

    def watch(self: Any) -> bool:
        is_drawn = new_frame(self)
        flag = int(imgui.BackendFlags.RendererHasTextures)
        if is_drawn and not int(imgui.GetIO().BackendFlags) & flag:
            locked.append(True)
        return is_drawn

    ui.new_frame = watch
    return locked


class Watched:
    """The process.

    Attributes:
      process: of the viewer.
      lines: what it told so far.
    """

    def __init__(self, shown: Path | str, home: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.viewer.watched", str(shown), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"HOME": str(home)},
        )
        self.lines: list[dict[str, Any]] = []
        self.said: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):  # the rest is said by Studio's libraries
                self.lines.append(json.loads(line))

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.said += self.process.stderr

    @property
    def now(self) -> dict[str, Any]:
        return self.lines[-1]

    def wait(self, condition: Callable[[dict[str, Any]], bool], patience: float = PATIENCE) -> dict:
        end = time.monotonic() + patience
        while not (self.lines and condition(self.now)):
            assert self.process.poll() is None, "".join(self.said)
            assert time.monotonic() < end, (self.lines[-3:], "".join(self.said))
            time.sleep(0.02)
        return self.now

    def end(self) -> dict[str, Any]:
        self.process.terminate()
        self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return self.lines[-1]


@contextlib.contextmanager
def watched(shown: Path | str, home: Path, *words: str) -> Iterator[Watched]:
    viewer = Watched(shown, home, *words)
    try:
        viewer.wait(lambda _: True)
        yield viewer
    finally:
        viewer.process.kill()
        viewer.process.wait()


if __name__ == "__main__":
    main()
