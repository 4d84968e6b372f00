"""What is drawn around the scene: success radius, bounds, path and tour, as geoms without physics.

Each costs a browser 256 bytes a frame, so that the path is at most 50 pieces.
"""

import itertools
from collections.abc import Iterator, Sequence

import mujoco
import numpy as np

from robot_gcrl.viewer.energy import EnergyMap
from robot_gcrl.viewer.goals import GoalState, Marker
from robot_gcrl.viewer.ground import Ground
from robot_gcrl.viewer.headings import Heading, heading_arrow

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
# How much arrows hide, and the share of that for markers that are not moved
_ARROW, _UNCHOSEN = 1.0, 0.4
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
    ground: Ground,
    headings: Sequence[Heading] = (),
    chosen: Sequence[Marker] | None = None,
) -> list[mujoco.MjvGeom]:
    """The geoms of one frame; none where the goal is no place.

    Args:
      markers: places that stand for the goal.
      bounds: of the goal, [G] twice, SI.
      wanted: goal [G] that was asked for.
      state: of that goal, which gives the color.
      tour: goals [K, G].
      trace: where the robot was [P, 3], in the world [m].
      ground: of the scene.
      headings: of the goal, drawn at the first marker.
      chosen: markers that are moved; the others are fainter. None: all of them.
    """
    geoms: list[mujoco.MjvGeom] = []
    red, green, blue, alpha = COLORS[state]
    # What is moved comes first: of two markers at one place that one is drawn
    seen: set[tuple[float, ...]] = set()
    for marker in sorted(markers, key=lambda m: chosen is not None and m not in chosen):
        share = 1.0 if chosen is None or marker in chosen else _UNCHOSEN
        reach = _reach(marker, wanted, (red, green, blue, share * alpha), ground)
        if (where := (*reach.pos, *reach.size)) not in seen:
            seen.add(where)
            geoms.append(reach)
        geoms += [_reach(marker, goal, _TOUR, ground, share=0.4) for goal in tour]
        geoms += _edges(marker, bounds, ground)
    if markers:
        for heading in headings:
            color = (red, green, blue, _ARROW)
            geoms.append(_arrow(markers[0], heading, wanted, color, ground))
            geoms += [_arrow(markers[0], heading, goal, _TOUR, ground, 0.4) for goal in tour]
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
    marker: Marker,
    goal: np.ndarray,
    color: tuple[float, ...],
    ground: Ground,
    *,
    share: float = 1.0,
) -> mujoco.MjvGeom:
    radius = share * marker.radius
    if marker.is_planar:
        kind, size = mujoco.mjtGeom.mjGEOM_CYLINDER, (radius, _DISK * marker.radius, 0.0)
    else:
        kind, size = mujoco.mjtGeom.mjGEOM_SPHERE, (radius, radius, radius)
    return _geom(kind, size, ground.place(marker, goal, 2 * _DISK * marker.radius), color)


def _arrow(
    marker: Marker,
    heading: Heading,
    goal: np.ndarray,
    color: tuple[float, ...],
    ground: Ground,
    share: float = 1.0,
) -> mujoco.MjvGeom:
    arrow = heading_arrow(heading, goal, ground.place(marker, goal), share * marker.radius)
    return _line(arrow.tail, arrow.head, arrow.radius, color)


def _edges(
    marker: Marker, bounds: tuple[np.ndarray, np.ndarray], ground: Ground
) -> Iterator[mujoco.MjvGeom]:
    """The edges of the rectangle or box that goals lie in."""
    middle = ground.place(marker, (bounds[0] + bounds[1]) / 2, _LINE * marker.radius)
    low, high = (marker.position(bound, middle[2]) for bound in bounds)
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
