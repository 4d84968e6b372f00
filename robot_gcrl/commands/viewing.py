"""The command that shows a robot, and lets a person set its goal."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from robot_gcrl.commands.base import Say, require_source


@dataclass(frozen=True, kw_only=True)
class View:
    """Shows a robot in a browser or a window; a click sets its goal."""

    source: Positional[Path | None] = None
    """Policy file that `robot-gcrl export` wrote, or run folder; with --connect, that of the
    server."""
    task: str | None = None
    """Task to look at without a policy: its name, or FILE.py:NAME."""
    act: Literal["zero", "random"] = "zero"
    """Actions of the robot of --task."""
    connect: str | None = None
    """Endpoint of a server whose robot is shown and given goals: ipc:///PATH or tcp://HOST:PORT."""
    robot: str | None = None
    """Robot of that server; without it, the first one that is there, and no other afterwards."""
    keys: Path | None = None
    """Folder of keys that `robot-gcrl keys` made; needed where the server has some."""
    randomize: Literal["off", "low", "full"] = "off"
    """Level of realism: how the simulated robot departs from the scene, anew at each reset."""
    follow: bool = False
    """Go on with the newest checkpoint of a run that is training."""
    viewer: Literal["studio", "classic"] = "studio"
    """MuJoCo Studio in a browser, or MuJoCo's classic window."""
    window: bool = False
    """Open the browser as a window of its own."""
    host: str = "127.0.0.1"
    """Address that the page is served on; whoever can reach it can see and move what is shown."""
    port: int = 0
    """Port of the page; 0 takes the first free one from 8080 on."""
    open_browser: bool = True
    """Whether a browser is opened; without one the address is printed alone."""
    tour: Path = Path("tour.json")
    """File of the tour that the panel saves and loads."""
    seed: int = 0
    """Seed of starts and random goals."""

    def run(self, say: Say) -> int:
        """Shows it until the person ends it."""
        del say
        if self.source is not None:
            require_source(self.source, "run folder", "policy file")
        from robot_gcrl.viewer.view import ViewOptions, view

        return view(ViewOptions(**vars(self)))
