"""What is drawn around the scene: success radius, bounds, path and tour, as geoms without physics.

Each costs a browser 256 bytes a frame, so that the path is at most 50 pieces.
"""

import itertools
from collections.abc import Iterator, Sequence

import mujoco
import numpy as np

from robot_gcrl.viewer.energy import EnergyMap
from robot_gcrl.viewer.goals import GoalState, Marker

COLORS: dict[GoalState, tuple[float, float, float, float]] = {
    "none": (0.6, 0.6, 0.6, 0.35),
    "pending": (0.6, 0.6, 0.6, 0.35),
    "active": (0.15, 0.75, 0.3, 0.4),
    "refused": (0.9, 0.15, 0.15, 0.45),
}
"""Of the success radius: red, green, blue, and how much it hides, from 0 to 1."""

_BOUNDS = (0.25, 0.45, 0.9, 0.6)
_TRACE = (0.95, 0.65, 0.1, 0.9)
_TOUR = (0.5, 0.35, 0.85, 0.5)
# In success radii
_LINE = 0.04
_DISK = 0.01
# Of the plates of a map of energies, and their height [m]
_LEAST, _MOST, _PLATE = (0.2, 0.05, 0.4, 0.55), (1.0, 0.9, 0.2, 0.55), 0.004
_NO_TURN = np.eye(3).ravel()


def make_overlay(
    markers: Sequence[Marker],
    bounds: tuple[np.ndarray, np.ndarray],
    *,
    wanted: np.ndarray,
    state: GoalState,
    tour: Sequence[np.ndarray] | np.ndarray,
    trace: np.ndarray,
) -> list[mujoco.MjvGeom]:
    """The geoms of one frame; none where the goal is no place.

    Args:
      markers: places that stand for the goal.
      bounds: of the goal, [G] twice, SI.
      wanted: goal [G] that was asked for.
      state: of that goal, which gives the color.
      tour: goals [K, G].
      trace: where the robot was [P, 3], in the world [m].
    """
    geoms: list[mujoco.MjvGeom] = []
    for marker in markers:
        geoms.append(_reach(marker, wanted, COLORS[state]))
        geoms += [_reach(marker, goal, _TOUR, share=0.4) for goal in tour]
        geoms += _edges(marker, bounds)
    if markers:
        width = _LINE * markers[0].radius
        geoms += [_line(a, b, width, _TRACE) for a, b in itertools.pairwise(trace)]
    return geoms


def energy_geoms(result: EnergyMap) -> list[mujoco.MjvGeom]:
    """A plate on the floor for each cell of a map: dark blue the least energy, yellow the most."""
    low, high = float(result.energy.min()), float(result.energy.max())
    share = (result.energy - low) / ((high - low) or 1.0)
    half = [
        float(np.diff(edges[:2])[0]) / 2 for edges in (result.grid.x_edges, result.grid.y_edges)
    ]
    size = (half[0], half[1], _PLATE / 2)
    geoms = []
    for cell in np.ndindex(*share.shape):
        x, y = result.grid.centers[cell]
        color = (1 - share[cell]) * np.array(_LEAST) + share[cell] * np.array(_MOST)
        place = np.array([x, y, _PLATE])
        geoms.append(_geom(mujoco.mjtGeom.mjGEOM_BOX, size, place, tuple(color)))
    return geoms


def _reach(
    marker: Marker, goal: np.ndarray, color: tuple[float, ...], *, share: float = 1.0
) -> mujoco.MjvGeom:
    radius = share * marker.radius
    if marker.is_planar:
        kind, size = mujoco.mjtGeom.mjGEOM_CYLINDER, (radius, _DISK * marker.radius, 0.0)
    else:
        kind, size = mujoco.mjtGeom.mjGEOM_SPHERE, (radius, radius, radius)
    return _geom(kind, size, marker.position(goal, 2 * _DISK * marker.radius), color)


def _edges(marker: Marker, bounds: tuple[np.ndarray, np.ndarray]) -> Iterator[mujoco.MjvGeom]:
    """The edges of the rectangle or box that goals lie in."""
    low, high = (marker.position(bound, _LINE * marker.radius) for bound in bounds)
    corners = [np.where([i & 1, i & 2, i & 4], high, low) for i in range(8)]
    for i in range(8 if not marker.is_planar else 4):
        for axis in (1, 2, 4)[: 2 if marker.is_planar else 3]:
            if not i & axis:
                yield _line(corners[i], corners[i | axis], _LINE * marker.radius, _BOUNDS)


def _line(
    start: np.ndarray, end: np.ndarray, width: float, color: tuple[float, ...]
) -> mujoco.MjvGeom:
    geom = _geom(mujoco.mjtGeom.mjGEOM_CAPSULE, (width, width, width), start, color)
    mujoco.mjv_connector(geom, mujoco.mjtGeom.mjGEOM_CAPSULE, width, start, end)
    return geom


def _geom(
    kind: mujoco.mjtGeom, size: tuple[float, ...], place: np.ndarray, color: tuple[float, ...]
) -> mujoco.MjvGeom:
    geom = mujoco.MjvGeom()
    mujoco.mjv_initGeom(
        geom, kind, np.array(size), np.asarray(place, float), _NO_TURN, np.array(color, np.float32)
    )
    geom.category = mujoco.mjtCatBit.mjCAT_DECOR
    return geom
