"""What Studio draws around the scene, from what the simulation tells."""

import mujoco
import numpy as np

from robot_gcrl.viewer.goals import Marker
from robot_gcrl.viewer.overlay import COLORS, energy_geoms, make_overlay
from robot_gcrl.viewer.studio.words import Shown

__all__ = ["COLORS", "drawn", "energy_geoms"]


def drawn(
    markers: tuple[Marker, ...], bounds: tuple[np.ndarray, np.ndarray], shown: Shown
) -> list[mujoco.MjvGeom]:
    """The geoms of one frame; see `robot_gcrl.viewer.overlay`."""
    return make_overlay(
        markers,
        bounds,
        wanted=shown.wanted,
        state=shown.state,
        tour=shown.tour,
        trace=shown.status.trace,
    )
