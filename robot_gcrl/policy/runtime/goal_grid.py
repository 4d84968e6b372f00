"""Places as goals: a grid over the plane of a goal's fields x and y. Letters: X and Y cells."""

from typing import NamedTuple

import numpy as np

from robot_gcrl.contract import Contract
from robot_gcrl.errors import PolicyError

MOST_CELLS = 24
_LABELS = ("x", "y")


class GoalGrid(NamedTuple):
    """Cells over the bounds of the goal's fields x and y.

    Attributes:
      components: of the goal, those of x and y.
      x_edges: [X + 1], ascending [m].
      y_edges: [Y + 1], ascending [m].
    """

    components: tuple[int, int]
    x_edges: np.ndarray
    y_edges: np.ndarray

    @property
    def centers(self) -> np.ndarray:
        """[X, Y, 2]: x, y of each cell's center [m]."""
        middle = ((edges[1:] + edges[:-1]) / 2 for edges in (self.x_edges, self.y_edges))
        return np.stack(np.meshgrid(*middle, indexing="ij"), axis=-1)


def make_goal_grid(contract: Contract, cells: int = MOST_CELLS) -> GoalGrid:
    """Square cells, but for rounding, over the bounds of x and y; `cells` along the longer side.

    Raises:
      PolicyError: the goal has no fields x and y, or `cells` is not in 1..MOST_CELLS.
    """
    labels = [field.label for field in contract.goal]
    if not set(_LABELS) <= set(labels):
        raise PolicyError(
            f"The goal of {contract.name!r} has the fields {', '.join(labels)}. Expected x and y, "
            "over which the energy is drawn. Choose a policy whose goals are places."
        )
    if not 1 <= cells <= MOST_CELLS:
        raise PolicyError(
            f"The grid of goals shall have {cells} cells along a side. Expected 1 to {MOST_CELLS}."
            " Change the number."
        )
    x, y = components = (labels.index("x"), labels.index("y"))
    low, high = contract.goal_bounds
    size = (high - low)[[x, y]].max() / cells
    counts = [max(1, round(float((high - low)[i] / size))) for i in components]
    return GoalGrid(
        components,
        *(np.linspace(low[i], high[i], n + 1) for i, n in zip(components, counts, strict=True)),
    )
