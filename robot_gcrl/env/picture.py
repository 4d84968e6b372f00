"""Pictures of a world for other people's interfaces: the scene's camera, and the goal as a ball.

The viewer draws more (`robot_gcrl.viewer`); this is what fits behind `render()` of an environment.
"""

import mujoco
import numpy as np

from robot_gcrl.contract.contract import Contract
from robot_gcrl.errors import RenderingError
from robot_gcrl.task.task import Task

WIDTH, HEIGHT = 640, 480  # of a picture [px], MuJoCo's default buffer
_GREEN = (0.15, 0.75, 0.35, 0.5)


class Painter:
    """Draws states of one task's model; made when the first picture is wanted."""

    def __init__(self, task: Task) -> None:
        """Takes an OpenGL context.

        Raises:
          RenderingError: the task has no camera of its name, or this machine cannot draw.
        """
        names = [task.model.camera(i).name for i in range(task.model.ncam)]
        if task.camera not in names:
            raise RenderingError(
                f"Task {task.name!r} cannot be drawn: its model has no camera {task.camera!r}. It "
                f"has: {', '.join(names) or 'none'}. Add one to the scene."
            )
        self._task = task
        try:
            self._renderer = mujoco.Renderer(task.model, HEIGHT, WIDTH)
        # What is raised differs between EGL, GLFW and OSMesa, and between their versions
        except Exception as error:
            raise RenderingError(
                f"This machine cannot draw: {error}. Expected an OpenGL context of the kind that "
                "MUJOCO_GL names. On Linux without a display, start Python with MUJOCO_GL=egl; "
                "robot-gcrl doctor tells what is missing."
            ) from error

    def paint(self, data: mujoco.MjData, goal: np.ndarray) -> np.ndarray:
        """The picture uint8 [HEIGHT, WIDTH, 3] of a state with its goal [G]."""
        self._renderer.update_scene(data, camera=self._task.camera)
        scene = self._renderer.scene
        for place, radius in goal_places(self._task.contract, goal):
            mujoco.mjv_initGeom(
                scene.geoms[scene.ngeom],
                mujoco.mjtGeom.mjGEOM_SPHERE,
                np.full(3, radius),
                np.array(place),
                np.eye(3).ravel(),
                np.array(_GREEN, np.float32),
            )
            scene.ngeom += 1
        return self._renderer.render().copy()

    def close(self) -> None:
        """Gives the context back."""
        self._renderer.close()


def goal_places(
    contract: Contract, goal: np.ndarray
) -> list[tuple[tuple[float, float, float], float]]:
    """Where a goal [G] is in the world, and within which radius, both [m].

    Of each success group whose labels are x and y, perhaps z, or end so for one thing ("cube.x");
    what has no height lies at 0. Other groups, an angle or a gap, are at no place.
    """
    labels = [field.label for field in contract.goal]
    places = []
    for group in contract.success:
        axes = {label[-1]: float(goal[labels.index(label)]) for label in group.labels}
        units = {contract.goal[labels.index(label)].unit for label in group.labels}
        stems = {label[:-1] for label in group.labels}
        if {"x", "y"} <= set(axes) <= {"x", "y", "z"} and units == {"m"} and len(stems) == 1:
            places.append(((axes["x"], axes["y"], axes.get("z", 0.0)), group.radius))
    return places
