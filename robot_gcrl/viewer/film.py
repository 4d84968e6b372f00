"""From a run to a film, and from the tasks to pictures."""

from pathlib import Path
from typing import Literal

import jax
import mujoco
import numpy as np

from robot_gcrl.contract.observe import Report
from robot_gcrl.task.registry import load_task, task_names
from robot_gcrl.task.task import Task
from robot_gcrl.train.record import Recorded, record_episodes
from robot_gcrl.train.run_files import stored_config
from robot_gcrl.viewer.trail import in_world, point
from robot_gcrl.viewer.video import PICTURE_SIZE, Look, draw_task, film, require_film

# Episodes are added to a film until it is so long [s]
_LONG_ENOUGH = 20.0
_MOST_EPISODES = 8
# Starts and goals that a picture is chosen from, and the part of it in which a goal must lie
_TRIES, _SEEN = 32, 0.9


def film_run(
    run: Path,
    path: Path,
    *,
    goals: Literal["train", "eval"] = "eval",
    engine: str = "auto",
    seed: int = 0,
    checkpoint: Literal["best", "last"] = "best",
    look: Look | None = None,
) -> Path:
    """Films whole episodes of a run's policy; returns the file's path, an .mp4 or .webp.

    Side by side there is one grid of `look.side_by_side` episodes; one after the other there are
    as many as fit into some 20 s, at least one.

    Raises:
      CheckpointError: no run, or no such checkpoint.
      RenderingError: this machine cannot draw, or the file cannot be written.
      UnknownNameError: no such camera.
    """
    look = look or Look()
    one_by_one = look.side_by_side == 1
    task, episodes = record_episodes(
        run,
        episodes=_MOST_EPISODES if one_by_one else look.side_by_side,
        goals=goals,
        engine=engine,
        seed=seed,
        checkpoint=checkpoint,
    )
    if one_by_one:
        seconds = task.episode_length * task.contract.control_dt
        episodes = episodes[: max(1, round(_LONG_ENOUGH / seconds))]
    return film(task, episodes, path, look=look)


def require_film_of_run(run: Path, path: Path, look: Look) -> None:
    """Refuses a film that `film_run` could not make, before something else takes its time.

    Raises:
      RobotGcrlError: no run, no such camera, a suffix, or a path where the goal is no point.
    """
    config = stored_config(run)
    require_film(load_task(config.task, maze=config.maze), path, look)


def draw_tasks(folder: Path) -> list[Path]:
    """Draws a start and a goal of every task into `folder`/NAME.png; returns the files' paths.

    Raises:
      RenderingError: this machine cannot draw, or the folder cannot be written.
    """
    drawn = []
    for name in task_names():
        task = load_task(name)
        drawn.append(draw_task(task, _still(task), folder / f"{name}.png"))
    return drawn


def _still(task: Task) -> Recorded:
    """A start with a goal that the task's camera sees, or the last of some that it does not."""
    drawn = None
    for number in range(_TRIES):
        drawn, data = _draw(task, number)
        if _is_seen(task, data, drawn.goal):
            break
    assert drawn is not None
    return drawn


def _draw(task: Task, number: int) -> tuple[Recorded, mujoco.MjData]:
    start_key, goal_key = jax.random.split(jax.random.key(number))
    qpos, qvel = (np.asarray(part) for part in task.eval.start(start_key))
    data = mujoco.MjData(task.model)
    data.qpos[:], data.qvel[:] = qpos, qvel
    mujoco.mj_forward(task.model, data)
    report = Report(qpos, qvel, data.sensordata.astype(np.float32))
    goal = np.asarray(task.eval.goal(goal_key, report))
    return Recorded(qpos=qpos[None], goal=goal), data


def _is_seen(task: Task, data: mujoco.MjData, goal: np.ndarray) -> bool:
    """Whether the goal's place lies within the picture; a goal that is no place always does."""
    place, camera = point(task.contract), data.camera(task.camera)
    if place is None:
        return True
    # A camera looks along its -z
    x, y, z = camera.xmat.reshape(3, 3).T @ (in_world(place, goal) - camera.xpos)
    half_height = np.tan(np.radians(task.model.camera(task.camera).fovy[0] / 2)) * -z
    half_width = half_height * PICTURE_SIZE[0] / PICTURE_SIZE[1]
    return bool(z < 0.0 and abs(x) < _SEEN * half_width and abs(y) < _SEEN * half_height)
