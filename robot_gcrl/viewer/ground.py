"""What goals in the plane lie on: a table, a mat, or the floor."""

import mujoco
import numpy as np

from robot_gcrl.viewer.goals import Handle, Marker
from robot_gcrl.viewer.rays import meet_plane

_SKY = 100.0  # above everything that stands in a scene [m]
_DOWN = np.array((0.0, 0.0, -1.0))
_BOX = mujoco.mjtGeom.mjGEOM_BOX
_HIDDEN = 3  # first of the groups of geoms that are not drawn


class Ground:
    """The boxes of a scene that never move, and the floor at height 0.

    Walls are left out: a goal never lies in one, its disk may touch it, and who clicks on one means
    what is behind it.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        """Of a model, whatever state it is in."""
        data = mujoco.MjData(model)
        mujoco.mj_kinematics(model, data)
        body = model.geom_bodyid
        is_ground = (
            (model.geom_type == _BOX.value)
            & (model.body_weldid[body] == 0)
            & (model.body_mocapid[body] < 0)
            & (model.geom_group < _HIDDEN)
        )
        self._boxes = [
            (data.geom_xpos[i].copy(), data.geom_xmat[i].copy(), model.geom_size[i].copy())
            for i in np.flatnonzero(is_ground)
            if not model.geom(i).name.startswith("wall_")
        ]

    def height(self, x: float, y: float) -> float:
        """Of what lies at x, y [m]."""
        distance = self._distance(np.array((x, y, _SKY)), _DOWN)
        return 0.0 if distance is None else max(_SKY - distance, 0.0)

    def meet(self, origin: np.ndarray, direction: np.ndarray) -> np.ndarray | None:
        """Where a ray meets the ground: [3], or None."""
        floor, distance = meet_plane(origin, direction, 0.0), self._distance(origin, direction)
        if distance is None:
            return floor
        met = origin + distance * direction
        is_nearer = floor is None or distance < float(np.linalg.norm(floor - origin))
        return met if is_nearer else floor

    def place(self, marker: Marker | Handle, goal: np.ndarray, above: float = 0.0) -> np.ndarray:
        """Where a marker stands [3]: one without a height `above` the ground [m]."""
        place = marker.position(goal, 0.0)
        if marker.is_planar:
            place[2] = self.height(*place[:2]) + above
        return place

    def _distance(self, origin: np.ndarray, direction: np.ndarray) -> float | None:
        """To the nearest box along a unit vector [m]; None without one."""
        found = (mujoco.mju_rayGeom(*box, origin, direction, _BOX) for box in self._boxes)
        return min((distance for distance in found if distance >= 0.0), default=None)
