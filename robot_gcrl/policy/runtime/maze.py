"""The map of a maze: which cells are free, and how long the ways along them are; no task code.

Rows run along +x and columns along +y, as in `robot_gcrl.task.maze`. Letters: R rows, C columns of
cells, N points.
"""

import functools
import heapq
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Cell = tuple[int, int]

WALL, FREE = "#."
_AROUND = tuple((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0))


@dataclass(frozen=True, kw_only=True)
class MazeMap:
    """A grid of square cells; beyond it is wall.

    Attributes:
      rows: R strings of C characters, `#` wall and `.` free.
      cell: side of a cell [m].
      origin: x, y of the center of the first cell of the first row [m].
    """

    rows: tuple[str, ...]
    cell: float
    origin: tuple[float, float]

    @functools.cached_property
    def wall_centers(self) -> np.ndarray:
        """[K, 2]: x, y of the wall cells' centers [m], row after row."""
        return self._centers(WALL)

    @functools.cached_property
    def free_centers(self) -> np.ndarray:
        """[F, 2]: x, y of the free cells' centers [m], row after row."""
        return self._centers(FREE)

    def is_free(self, points: np.ndarray) -> np.ndarray:
        """Bool [N]: whether each point x, y of [N, 2] [m] lies in a free cell."""
        return np.array([self._cell(point) in self._neighbors for point in points.tolist()], bool)

    def path_lengths(self, start: np.ndarray, points: np.ndarray) -> np.ndarray:
        """[N]: length of the shortest way along free cells from `start` to each point [m].

        A way is straight within a cell and between neighbors, which are those at its sides and,
        where all four cells around a corner are free, the one across it; longer ones lead through
        the centers of the cells between. NaN where no way leads, and for all if `start` [2] lies in
        a wall.

        Args:
          start: x, y [m].
          points: [N, 2], x, y [m].
        """
        lengths = np.full(len(points), np.nan)
        here = (float(start[0]), float(start[1]))
        home = self._cell(here)
        if home not in self._neighbors:
            return lengths
        to_center = self._to_centers(here, home)
        near = {home, *self._neighbors[home]}
        for i, point in enumerate(points.tolist()):
            cell = self._cell(point)
            if cell in near:
                lengths[i] = math.dist(here, point)
            elif cell in to_center:
                lengths[i] = min(
                    to_center[last] + math.dist(self._center(last), point)
                    for last in (cell, *self._neighbors[cell])
                )
        return lengths

    def to_json(self) -> str:
        """Its fields as a JSON object."""
        content = {"cell": self.cell, "origin": self.origin, "rows": self.rows}
        return json.dumps(content, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "MazeMap":
        """What `to_json` was called of.

        Raises:
          ValueError, TypeError, KeyError: it is no such object.
        """
        content = json.loads(text)
        rows = tuple(str(row) for row in content["rows"])
        x, y = (float(value) for value in content["origin"])
        cell = float(content["cell"])
        if not all(map(math.isfinite, (x, y, cell))) or cell <= 0.0:
            raise ValueError(f"cell {cell}, origin {x}, {y}")
        if not rows or {len(row) for row in rows} != {len(rows[0])} or not rows[0]:
            raise ValueError("rows of different lengths")
        if set("".join(rows)) - {WALL, FREE}:
            raise ValueError(f"cells other than {WALL} and {FREE}")
        return cls(rows=rows, cell=cell, origin=(x, y))

    @functools.cached_property
    def _neighbors(self) -> dict[Cell, tuple[Cell, ...]]:
        """Of each free cell, those that a straight way leads to from anywhere in it."""
        free = set(self._cells(FREE))

        def around(i: int, j: int) -> Iterator[Cell]:
            for di, dj in _AROUND:
                if {(i + di, j + dj), (i + di, j), (i, j + dj)} <= free:
                    yield i + di, j + dj

        return {cell: tuple(around(*cell)) for cell in free}

    def _cells(self, kind: str) -> list[Cell]:
        return [(i, j) for i, row in enumerate(self.rows) for j, c in enumerate(row) if c == kind]

    def _centers(self, kind: str) -> np.ndarray:
        return np.array([self._center(cell) for cell in self._cells(kind)]).reshape(-1, 2)

    def _to_centers(self, here: tuple[float, float], home: Cell) -> dict[Cell, float]:
        """Length of the shortest way from a point to the center of each cell that it reaches."""
        queue = [(math.dist(here, self._center(c)), c) for c in (home, *self._neighbors[home])]
        heapq.heapify(queue)
        lengths: dict[Cell, float] = {}
        while queue:
            length, cell = heapq.heappop(queue)
            if cell in lengths:
                continue
            lengths[cell] = length
            for other in self._neighbors[cell]:
                if other not in lengths:
                    heapq.heappush(queue, (length + self.cell * math.dist(cell, other), other))
        return lengths

    def _cell(self, point: Sequence[float]) -> Cell | None:
        """The cell that a point lies in; None for one that is not finite."""
        place = [(p - o) / self.cell + 0.5 for p, o in zip(point, self.origin, strict=True)]
        if not all(map(math.isfinite, place)):
            return None
        return math.floor(place[0]), math.floor(place[1])

    def _center(self, cell: Cell) -> tuple[float, float]:
        x, y = self.origin
        return x + self.cell * cell[0], y + self.cell * cell[1]
