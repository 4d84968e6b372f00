"""From where a person points to the goal that is meant.

A thing that stands by itself (a cube, a ball, a robot on its legs) is put on the ground, as high
over it as it stands there at the starts of the evaluation. What hangs on something (the tip of an
arm) is put where the ray meets an object. A picture tells little of heights, so that the height is
kept within the bounds of the contract; x and y are not.
"""

from collections.abc import Sequence

import mujoco
import numpy as np

from robot_gcrl.contract import Contract, GoalField
from robot_gcrl.contract.observe import Report, achieved_goal, read_inputs
from robot_gcrl.viewer.goals import Handle, Marker, make_markers
from robot_gcrl.viewer.ground import Ground
from robot_gcrl.viewer.headings import Heading
from robot_gcrl.viewer.rays import View, meet_geom, meet_plane, project
from robot_gcrl.viewer.scene import Show

GAP = "gap"
"""The label of a goal field that is the width between things of one success group [m]."""

# Starts of which the middle one tells how high a thing stands
_STARTS = 9
# Of the picture's height, within which a marker is pointed at
_NEAR = 0.06
# Nearer to its marker a pointer tells no heading, in success radii
_LEAST_ARM = 0.02


class Pointing:
    """Goals of one scene, by rays.

    Attributes:
      ground: of the scene.
    """

    def __init__(self, show: Show, model: mujoco.MjModel) -> None:
        """Of a scene.

        Args:
          show: whose starts tell how high things stand.
          model: of the show, with markers.
        """
        self.ground = Ground(model)
        self._model, self._contract = model, show.contract
        self._rests = _rests(show, model, self.ground)
        self._gap = _gap(show.contract)

    def at(
        self,
        data: mujoco.MjData,
        handle: Handle,
        goal: np.ndarray,
        origin: np.ndarray,
        direction: np.ndarray,
    ) -> np.ndarray | None:
        """The goal [G] where a ray points; None where it meets nothing.

        Fingertips that are moved together and a ray that meets an object: they are put to its
        middle, and the gap between them to its width, which is how the object is gripped.

        Args:
          data: of the scene.
          handle: that is moved.
          goal: [G], so far.
          origin: of the ray [3].
          direction: of the ray [3], a unit vector.
        """
        rests = [self._rests.get(marker.name) for marker in handle.markers]
        if handle.is_planar or None not in rests:
            met = self.ground.meet(origin, direction)
            if met is None:
                return None
            met[2] = self.ground.height(*met[:2]) + max(r or 0.0 for r in rests)
            return self._bounded(handle, handle.moved(goal, met))
        found = meet_geom(self._model, data, origin, direction, self._own_geoms(handle))
        if found is None:
            return None
        met, geom = found
        if self._gap is not None and len(handle.markers) > 1 and self._is_object(geom):
            for marker in handle.markers:
                goal = marker.moved(goal, data.geom_xpos[geom])
            goal[self._gap] = self._width(geom)
            low, high = self._contract.goal_bounds
            goal[self._gap] = np.clip(goal[self._gap], low[self._gap], high[self._gap])
            return self._bounded(handle, goal)
        return self._bounded(handle, handle.moved(goal, met))

    def slid(
        self, handle: Handle, goal: np.ndarray, origin: np.ndarray, direction: np.ndarray
    ) -> np.ndarray | None:
        """The goal [G] where a ray meets the horizontal plane in which it is now; or None."""
        met = meet_plane(origin, direction, self.height(handle, goal))
        return None if met is None else handle.moved(goal, met)

    def turned(
        self,
        handle: Handle,
        heading: Heading,
        goal: np.ndarray,
        origin: np.ndarray,
        direction: np.ndarray,
    ) -> np.ndarray | None:
        """The goal [G] with its heading to where a ray meets its plane; or None."""
        met = meet_plane(origin, direction, self.height(handle, goal))
        if met is None:
            return None
        arm = (met - handle.position(goal, 0.0))[:2]
        if np.linalg.norm(arm) < _LEAST_ARM * handle.radius:
            return None
        return heading.turned(goal, float(np.arctan2(arm[1], arm[0])))

    def height(self, handle: Handle, goal: np.ndarray) -> float:
        """Where the middle of a handle's markers is [m]."""
        return float(np.mean([self.ground.place(m, goal)[2] for m in handle.markers]))

    def nearest(
        self,
        view: View,
        handles: Sequence[Handle],
        chosen: int,
        goal: np.ndarray,
        pixel: tuple[float, float],
    ) -> int:
        """Which handle a person points at, `chosen` where none is near or another is as near.

        Args:
          view: of the person.
          handles: that there are.
          chosen: index of the one that is moved so far.
          goal: [G], that they show.
          pixel: shares of the picture.
        """
        distances = []
        for handle in handles:
            middle = handle.position(goal, 0.0)
            middle[2] = self.height(handle, goal)
            at = project(view, middle)
            apart = np.inf if at is None else np.subtract(at, pixel) * (view.aspect, 1.0)
            distances.append(float(np.linalg.norm(apart)))
        nearest = int(np.argmin(distances))
        is_meant = distances[nearest] <= _NEAR
        is_nearer = distances[nearest] < 0.99 * distances[chosen]
        return nearest if is_meant and is_nearer else chosen

    def _bounded(self, handle: Handle, goal: np.ndarray) -> np.ndarray:
        low, high = self._contract.goal_bounds
        heights = [marker.axes[2] for marker in handle.markers if marker.axes[2] is not None]
        goal[heights] = goal[heights].clip(low[heights], high[heights])
        return goal

    def _own_geoms(self, handle: Handle) -> np.ndarray:
        """Bool [ngeom]: those of what carries the handle; it is not put upon itself."""
        model, ignored = self._model, np.zeros(self._model.ngeom, bool)
        for marker in handle.markers:
            body = _body(model, self._contract, marker)
            if body > 0:
                ignored |= model.body_rootid[model.geom_bodyid] == model.body_rootid[body]
        # Without its foot, which is the ground's
        return ignored & (model.body_weldid[model.geom_bodyid] != 0)

    def _is_object(self, geom: int) -> bool:
        model = self._model
        return _stands(model, int(model.geom_bodyid[geom]))

    def _width(self, geom: int) -> float:
        """Of a geom, where it is least [m]."""
        size = self._model.geom_size[geom]
        is_box = self._model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_BOX.value
        return 2.0 * float(size.min() if is_box else size[0])


def field_body(model: mujoco.MjModel, field: GoalField) -> int:
    """Id of the body whose joint or sensor a field of the goal reads; -1 where it has none."""
    name = field.name
    if field.source != "sensor":
        found = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT.value, name)
        return int(model.jnt_bodyid[found]) if found >= 0 else -1
    found = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SENSOR.value, name)
    if found < 0:
        return -1
    kind, number = int(model.sensor_objtype[found]), int(model.sensor_objid[found])
    owner = {
        mujoco.mjtObj.mjOBJ_SITE.value: model.site_bodyid,
        mujoco.mjtObj.mjOBJ_GEOM.value: model.geom_bodyid,
        mujoco.mjtObj.mjOBJ_JOINT.value: model.jnt_bodyid,
        mujoco.mjtObj.mjOBJ_CAMERA.value: model.cam_bodyid,
        mujoco.mjtObj.mjOBJ_BODY.value: range(model.nbody),
        mujoco.mjtObj.mjOBJ_XBODY.value: range(model.nbody),
    }
    return int(owner[kind][number]) if kind in owner else -1


def _body(model: mujoco.MjModel, contract: Contract, marker: Marker) -> int:
    return field_body(model, contract.goal[marker.axes[0] or 0])


def _stands(model: mujoco.MjModel, body: int) -> bool:
    """Whether a body is part of what a free joint lets go anywhere."""
    joints = model.body_rootid[model.jnt_bodyid] == model.body_rootid[body]
    is_free = model.jnt_type == mujoco.mjtJoint.mjJNT_FREE.value
    return body > 0 and bool((joints & is_free).any())


def _rests(show: Show, model: mujoco.MjModel, ground: Ground) -> dict[str, float]:
    """By marker, how high things that stand are over the ground [m]; no others are in it."""
    things = [
        marker
        for marker in make_markers(show.contract)
        if not marker.is_planar and _stands(model, _body(model, show.contract, marker))
    ]
    starts, data = show.scenarios, mujoco.MjData(model)
    heights: dict[str, list[float]] = {marker.name: [] for marker in things}
    for qpos, qvel in zip(starts.qpos[:_STARTS], starts.qvel[:_STARTS], strict=True):
        if not things:
            break
        data.qpos[:], data.qvel[:] = qpos, qvel
        mujoco.mj_forward(model, data)
        report = Report(data.qpos, data.qvel, data.sensordata)
        achieved = achieved_goal(show.contract, read_inputs(show.layout, report))
        for marker in things:
            x, y, z = marker.position(achieved, 0.0)
            heights[marker.name].append(z - ground.height(x, y))
    return {name: float(np.median(found)) for name, found in heights.items() if found}


def _gap(contract: Contract) -> int | None:
    found = (i for i, f in enumerate(contract.goal) if (f.label, f.unit) == (GAP, "m"))
    return next(found, None)
