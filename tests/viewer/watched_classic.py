"""The classic window in a process of its own, which tells line by line: `python -m` this module."""

import json
import sys

import numpy as np

from robot_gcrl.bridge.serve import Ending
from robot_gcrl.contract import SuccessGroup
from robot_gcrl.viewer.classic import ClassicWindow, show_classic
from robot_gcrl.viewer.rays import make_view, project
from robot_gcrl.viewer.scene import marker_body
from robot_gcrl.viewer.world import World
from tests.bridge.fakes import cart_contract
from tests.viewer.carts import cart_show


class Counting(World):
    """Counts its resets."""

    resets = -1  # that of the beginning

    def reset(self) -> None:
        self.resets += 1
        super().reset()


def main() -> None:
    # A ball of 0.1 m, that can be hit with the mouse
    contract = cart_contract(success=(SuccessGroup(labels=("x", "y"), radius=0.5),))
    world = Counting(cart_show(contract))
    world.ask(np.array([1.0, -0.5], np.float32))
    told = ""
    windows: list[ClassicWindow] = []
    opened = ClassicWindow.__init__

    def opens(window: ClassicWindow, stage: World) -> None:
        opened(window, stage)
        windows.append(window)

    ClassicWindow.__init__ = opens  # pyright: ignore[reportAttributeAccessIssue]

    def tell() -> None:
        nonlocal told
        window = windows[0]
        viewport = window.handle.viewport
        if viewport is None or not viewport.height:
            return
        aspect = viewport.width / viewport.height
        view = make_view(window.model, window.data, window.handle.cam, aspect)
        ball = project(view, window.data.body(marker_body(world.markers[0])).xpos)
        assert ball is not None
        now = {
            "goal": world.desk.wanted.tolist(),
            "state": world.desk.verdict.state,
            "paused": window.pace.paused,
            "selected": int(window.handle.perturb.select),
            "ball": [round(ball[0] * viewport.width), round(ball[1] * viewport.height)],
            "fog": int(window.handle.user_scn.flags[5]),
            "resets": world.resets,
        }
        line = json.dumps(now)
        if line != told:
            told = line
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    with Ending() as ending:

        def goes_on() -> bool:
            tell()
            return not ending.is_set

        show_classic(world, goes_on)
    sys.stdout.write(json.dumps({"simulated": float(world.data.time)}) + "\n")


if __name__ == "__main__":
    main()
