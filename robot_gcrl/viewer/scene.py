"""What a viewer shows: a scene with a marker for the goal, starts, goals, and what acts in it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import mujoco
import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.contract.actuate import actuate
from robot_gcrl.contract.observe import Layout, make_layout
from robot_gcrl.contract.realism import Level
from robot_gcrl.policy.departure import Departure, Departures
from robot_gcrl.policy.runtime import make_runtime, read_policy
from robot_gcrl.policy.runtime.file import Scenarios
from robot_gcrl.policy.runtime.step import PolicyOutput
from robot_gcrl.policy.scene import load_scene, load_scene_spec
from robot_gcrl.viewer.belief import Belief, make_belief
from robot_gcrl.viewer.goals import Marker, make_markers
from robot_gcrl.viewer.ground import Ground

Act = Callable[..., PolicyOutput]
"""(inputs [1, I], goal [1, G], previous actions [1, P], previous ctrl [1, A]) -> action, ctrl.

Where it gives a queue, that of the step before is a fifth argument: see `Runtime`.
"""

# Of the ball in the middle of a marker, in success radii, and at least [m]
_BALL = 0.2
_LEAST_BALL = 0.005
_BALL_COLOR = (1.0, 1.0, 1.0, 0.9)


@dataclass(frozen=True, eq=False, kw_only=True)
class Show:
    """A scene and what acts in it.

    Attributes:
      name: for the window's title.
      contract: of the robot.
      layout: of the model.
      spec: the scene, without markers.
      substeps: physics steps per control step.
      episode_length: control steps.
      camera: name of the camera that shows the scene.
      scenarios: starts and goals of evaluations.
      act: what commands the robot.
      engine: what computes that, in words.
      belief: what the critic believes; None without a critic.
      departure: how the robot departs from the scene; None without realism.
    """

    name: str
    contract: Contract
    layout: Layout
    spec: mujoco.MjSpec
    substeps: int
    episode_length: int
    camera: str
    scenarios: Scenarios
    act: Act
    engine: str
    belief: Belief | None = None
    departure: Departure | None = None

    def compile(self) -> mujoco.MjModel:
        """The scene with a marker: a mocap body `goal/NAME` that touches nothing, for each place.

        Bodies are added behind those of the scene, so that every address of the layout holds.
        """
        spec = self.spec.copy()
        for marker in make_markers(self.contract):
            add_marker(spec, marker)
        model = spec.compile()
        camera = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, self.camera)
        model.vis.global_.cameraid = camera  # -1, without one: a free camera
        return model


def add_marker(spec: mujoco.MjSpec, marker: Marker) -> None:
    """Adds the ball of a marker; what is drawn around it changes its color, and is no part of it.

    A ball, because a browser's copy of the model keeps the colors that it began with.
    """
    body = spec.worldbody.add_body(name=marker_body(marker), mocap=True)
    body.add_geom(
        name=marker_body(marker),
        type=mujoco.mjtGeom.mjGEOM_SPHERE,
        size=(max(_BALL * marker.radius, _LEAST_BALL), 0.0, 0.0),
        rgba=_BALL_COLOR,
        contype=0,
        conaffinity=0,
        mass=0.0,
    )


class PlacedMarkers:
    """The balls of a model's markers: where they show a goal, and where a person dragged one."""

    def __init__(
        self, model: mujoco.MjModel, data: mujoco.MjData, markers: tuple[Marker, ...]
    ) -> None:
        """Of a model that `Show.compile` made, and its data."""
        bodies = [model.body(marker_body(marker)) for marker in markers]
        self._placed = [(m, int(b.mocapid[0])) for m, b in zip(markers, bodies, strict=True)]
        self._data, self._ground = data, Ground(model)

    def show(self, goal: np.ndarray) -> None:
        """Puts them where the goal [G] is."""
        for marker, body in self._placed:
            self._data.mocap_pos[body] = self._ground.place(marker, goal)

    def dragged(self, goal: np.ndarray) -> np.ndarray | None:
        """The goal [G] that a ball was dragged to since `goal` was shown; None if none was."""
        for marker, body in self._placed:
            place = self._data.mocap_pos[body]
            shown = marker.position(goal, place[2] if marker.is_planar else 0.0)
            if not np.allclose(place, shown, rtol=0.0, atol=1e-6):
                return marker.moved(goal, place)
        return None


def marker_body(marker: Marker) -> str:
    """The name of the body that stands for a goal."""
    return f"goal/{marker.name}"


def show_policy(
    path: Path,
    *,
    act: Literal["policy", "zero", "random"] = "policy",
    randomize: Level = "off",
) -> Show:
    """What a policy file holds.

    Raises:
      PolicyError: it is damaged, its scene cannot be read here, or it has no such level.
    """
    file = read_policy(path)
    runtime = make_runtime(file, "auto")
    return Show(
        name=path.stem,
        contract=file.contract,
        layout=file.layout,
        spec=load_scene_spec(file),
        substeps=file.simulation.substeps,
        episode_length=file.simulation.episode_length,
        camera=file.simulation.camera,
        scenarios=file.scenarios["eval"],
        act=runtime if act == "policy" else make_act(file.contract, act),
        engine=f"C MuJoCo, {runtime.name if act == 'policy' else act}",
        belief=make_belief(file),
        departure=(
            None if randomize == "off" else Departures(file, load_scene(file), randomize).robot()
        ),
    )


def show_task(reference: str, act: Literal["zero", "random"]) -> Show:
    """A task without a policy.

    Raises:
      RobotGcrlError: no such task.
    """
    # Here, as they load JAX, which a policy file needs not
    from robot_gcrl.policy.scenarios import sample_scenarios
    from robot_gcrl.task.registry import load_task

    task = load_task(reference)
    return Show(
        name=task.name,
        contract=task.contract,
        layout=make_layout(task.contract, task.model),
        spec=task.scene,
        substeps=task.substeps,
        episode_length=task.episode_length,
        camera=task.camera,
        scenarios=sample_scenarios(task)["eval"],
        act=make_act(task.contract, act),
        engine=f"C MuJoCo, {act} actions",
    )


def make_act(contract: Contract, kind: Literal["zero", "random"]) -> Act:
    """Actions that need no policy: all zero, or uniform in [-1, 1] and new at every step."""
    rng = np.random.default_rng(0)

    def act(
        inputs: np.ndarray, goal: np.ndarray, action: np.ndarray, ctrl: np.ndarray
    ) -> PolicyOutput:
        del inputs, goal, action
        if kind == "zero":
            moved = np.zeros_like(ctrl)
        else:
            moved = rng.uniform(-1.0, 1.0, ctrl.shape).astype(np.float32)
        return PolicyOutput(moved, actuate(contract.action, moved, ctrl))

    return act
