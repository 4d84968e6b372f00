"""`robot-gcrl view`: which robot is shown, and in which window."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from robot_gcrl.bridge.serve import Ending
from robot_gcrl.contract.realism import Level
from robot_gcrl.errors import ConfigError, ViewerError
from robot_gcrl.viewer.follow import Follower, export_once
from robot_gcrl.viewer.scene import Show, show_policy, show_task
from robot_gcrl.viewer.stage import Stage
from robot_gcrl.viewer.world import World

Viewer = Literal["studio", "classic"]


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """What `robot-gcrl view` was asked to do; see its options."""

    source: Path | None
    task: str | None
    act: Literal["zero", "random"]
    connect: str | None
    robot: str | None
    keys: Path | None
    randomize: Level
    follow: bool
    viewer: Viewer
    window: bool
    host: str
    port: int
    open_browser: bool
    tour: Path
    seed: int


def view(options: ViewOptions) -> int:
    """Shows a robot until a person ends it; returns 0.

    Raises:
      RobotGcrlError: there is nothing to show, or nothing to show it in.
    """
    _check(options)
    with ExitStack() as stack, Ending() as ending:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="robot-gcrl-view-")))
        stage = _stage(options, folder)
        stack.callback(stage.close)
        if options.tour.exists():
            stage.tour.load(options.tour)
        goes_on = _goes_on(options, stage, folder, ending, stack)
        _show(stage, options, goes_on)
    return 0


def _check(options: ViewOptions) -> None:
    live = options.connect is not None
    if live and options.task is not None:
        raise ConfigError(
            "The viewer was given --connect and --task. Expected one of them: a server has its own "
            "task. Leave one out."
        )
    if not live and (options.source is None) == (options.task is None):
        raise ConfigError(
            "The viewer was given neither or both of a policy and a task. Expected NAME.policy, a "
            "run folder, or --task NAME. Name one."
        )
    if options.randomize != "off" and (live or options.task is not None):
        raise ConfigError(
            f"The viewer was given --randomize {options.randomize} without a policy of its own to "
            "simulate. Expected a policy file or a run folder. Name one, or leave --randomize out."
        )
    is_run = options.source is not None and options.source.is_dir()
    if options.follow and (live or not is_run):
        raise ConfigError(
            "The viewer was given --follow without a run folder. Expected the folder of a run that "
            "is training. Name it, or leave --follow out."
        )
    if options.viewer == "classic" and options.window:
        raise ConfigError(
            "The viewer was given --window, which is a browser's, and --viewer classic, which is a "
            "window. Expected one of them. Leave one out."
        )


def _stage(options: ViewOptions, folder: Path) -> Stage:
    if options.connect is not None:
        from robot_gcrl.viewer.live import connect_stage

        show = None if options.source is None else _show_of(options.source, folder, follow=False)
        return connect_stage(show, endpoint=options.connect, robot=options.robot, keys=options.keys)
    if options.task is not None:
        return World(show_task(options.task, options.act), seed=options.seed)
    assert options.source is not None
    show = _show_of(options.source, folder, follow=options.follow, randomize=options.randomize)
    return World(show, seed=options.seed)


def _show_of(source: Path, folder: Path, *, follow: bool, randomize: Level = "off") -> Show:
    if not source.is_dir():
        return show_policy(source, randomize=randomize)
    file = folder / f"{source.name}.policy"
    export_once(source, file, checkpoint="last" if follow else "best")
    return show_policy(file, randomize=randomize)


def _goes_on(
    options: ViewOptions, stage: Stage, folder: Path, ending: Ending, stack: ExitStack
) -> Callable[[], bool]:
    if not options.follow:
        return lambda: not ending.is_set
    assert options.source is not None
    assert isinstance(stage, World)
    follower = Follower(options.source, folder)
    stack.callback(follower.close)

    def goes_on() -> bool:
        act = follower.poll()
        if act is not None:
            stage.take_policy(act, follower.text)
        return not ending.is_set

    return goes_on


def _show(stage: Stage, options: ViewOptions, goes_on: Callable[[], bool]) -> None:
    if options.viewer == "classic":
        from robot_gcrl.viewer.classic import show_classic

        show_classic(stage, goes_on)
        return
    try:
        from robot_gcrl.viewer.studio.show import Window, show
    except ImportError as error:
        raise ViewerError(
            f"MuJoCo Studio cannot be loaded: {error}. Expected the package mujoco-studio. Install "
            "mujoco whole, or use --viewer classic."
        ) from error
    window = Window(
        host=options.host,
        port=options.port,
        opens=options.open_browser,
        is_app=options.window,
        tour=options.tour,
    )
    show(stage, window, goes_on)
