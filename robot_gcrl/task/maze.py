"""Mazes as text: `#` wall, `S` start, `G` goal cell, `.` free cell that is never a goal.

The grid's rows run along +x and its columns along +y, and the start cell's center is the world's
origin; the camera of a maze looks so that the picture shows the grid as it is written. Positions
are named by (x, y) [m], cells by (row, column).
"""

import functools
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_gcrl.errors import TaskError
from robot_gcrl.task.scene import Box, Camera

# Between the tops of walls that cross [m]
_STEP = 0.005
CELL = 4.0  # side of a cell [m]
WALL_HEIGHT = 2.0  # [m]

_MEANING = "# (wall), S (start), G (goal cell) and . (free)"


@dataclass(frozen=True, kw_only=True)
class Maze:
    """A grid of square cells, checked when it is made.

    Attributes:
      name: becomes part of the task's name.
      rows: equally long strings of `#`, `S`, `G` and `.`; exactly one `S`, at least one `G`, every
        goal cell reachable, walls all around.
      far: (row, column) of the goal cells that count as far; empty: those beyond half of the
        longest path.
      cell: side of a cell [m].
      wall_height: [m].
    """

    name: str
    rows: tuple[str, ...]
    far: tuple[tuple[int, int], ...] = ()
    cell: float = CELL
    wall_height: float = WALL_HEIGHT

    def __post_init__(self) -> None:
        self._check_shape()
        starts = self._cells("S")
        if len(starts) != 1:
            places = "; ".join(map(_place, starts))
            found = f"has {len(starts)} start cells ({places})" if starts else "has no start cell"
            raise self._error(found, "exactly one S")
        if not self._cells("G"):
            raise self._error("has no goal cell", "at least one G")
        rows, columns = len(self.rows), len(self.rows[0])
        for row, column in self.free_cells:
            if row in (0, rows - 1) or column in (0, columns - 1):
                raise self._error(f"is open at {_place((row, column))}", "walls (#) all around")
        for cell in self.goal_cells:
            if cell not in self._paths:
                raise self._error(
                    f"has a goal cell at {_place(cell)} that no path from the start reaches",
                    "a path through neighboring free cells to every G",
                )

    @property
    def start_cell(self) -> tuple[int, int]:
        """(row, column) of the start."""
        return self._cells("S")[0]

    @functools.cached_property
    def goal_cells(self) -> tuple[tuple[int, int], ...]:
        """(row, column) of each goal cell, nearest by path first."""
        cells = self._cells("G")
        # Before the check of reachability an unreachable cell has no path; it sorts last.
        return tuple(sorted(cells, key=lambda cell: (self._paths.get(cell, 10**9), cell)))

    @functools.cached_property
    def free_cells(self) -> tuple[tuple[int, int], ...]:
        """(row, column) of each cell that is no wall."""
        return self._cells("SG.")

    @property
    def path_lengths(self) -> tuple[int, ...]:
        """Cells on the shortest path from the start to each of `goal_cells`."""
        return tuple(self._paths[cell] for cell in self.goal_cells)

    @property
    def far_goals(self) -> tuple[int, ...]:
        """Which of `goal_cells` count as far."""
        if self.far:
            return tuple(sorted(self.goal_cells.index(cell) for cell in self.far))
        lengths = self.path_lengths
        return tuple(i for i, length in enumerate(lengths) if length > max(lengths) / 2)

    def positions(self, cells: tuple[tuple[int, int], ...]) -> np.ndarray:
        """float32 [len(cells), 2]: the cells' centers x, y [m]."""
        return (np.array(cells, np.float32) - np.array(self.start_cell, np.float32)) * self.cell

    @functools.cached_property
    def walls(self) -> tuple[Box, ...]:
        """Boxes that cover the wall cells and nothing else, few of them.

        Where two cross, the later one is a little lower: their tops would be one plane, which is
        drawn twice.
        """
        boxes: list[Box] = []
        wall = np.array([list(row) for row in self.rows]) == "#"
        cover = _cover(wall)
        levels: list[int] = []
        for i, (top, left, bottom, right) in enumerate(cover):
            low, high = self.positions(((top, left), (bottom, right)))
            center, half = (low + high) / 2, (high - low + self.cell) / 2
            crossed = (
                levels[j]
                for j, (first, west, last, east) in enumerate(cover[:i])
                if top <= last and first <= bottom and left <= east and west <= right
            )
            levels.append(1 + max(crossed, default=-1))
            height = self.wall_height - _STEP * levels[-1]
            boxes.append(Box(tuple(center.tolist()), tuple(half.tolist()), height))
        return tuple(boxes)

    def camera(self, fovy: float = 45.0) -> Camera:
        """A view of the whole maze from above, a little tilted, as the grid is written."""
        low, high = self.positions(((0, 0), (len(self.rows) - 1, len(self.rows[0]) - 1)))
        x, y = ((low + high) / 2).tolist()
        height, width = (high - low + self.cell).tolist()
        # 16:9 pictures; the tilt needs some room
        distance = 0.56 * max(height, width * 9 / 16) / np.tan(np.radians(fovy / 2))
        distance += self.wall_height
        return Camera(
            position=(x + 0.3 * distance, y, 0.97 * distance),
            target=(x + 0.3, y, 0.0),
            up=(-1.0, 0.0, 0.0),
            fovy=fovy,
        )

    @functools.cached_property
    def _paths(self) -> dict[tuple[int, int], int]:
        free, start = set(self.free_cells), self.start_cell
        lengths, queue = {start: 0}, deque([start])
        while queue:
            row, column = queue.popleft()
            for cell in (
                (row + 1, column),
                (row - 1, column),
                (row, column + 1),
                (row, column - 1),
            ):
                if cell in free and cell not in lengths:
                    lengths[cell] = lengths[row, column] + 1
                    queue.append(cell)
        return lengths

    def _cells(self, kinds: str) -> tuple[tuple[int, int], ...]:
        return tuple(
            (i, j) for i, row in enumerate(self.rows) for j, c in enumerate(row) if c in kinds
        )

    def _check_shape(self) -> None:
        if not any(self.rows):
            raise self._error("is empty", f"lines of {_MEANING}")
        for i, row in enumerate(self.rows):
            if len(row) != len(self.rows[0]):
                raise self._error(
                    f"ends at {_place((i, len(row) - 1))}, and line 1 at column "
                    f"{len(self.rows[0])}",
                    "lines of one length",
                )
            for j, character in enumerate(row):
                if character not in "#SG.":
                    raise self._error(f"has {character!r} at {_place((i, j))}", f"only {_MEANING}")

    def _error(self, found: str, expected: str) -> TaskError:
        return TaskError(f"Maze {self.name!r} {found}. Expected {expected}. Change the grid.")


def load_maze(path: Path) -> Maze:
    """The maze of a text file, named after it; empty lines at its end are ignored.

    Raises:
      TaskError: the file cannot be read, or its grid is not a maze; lines and columns count from 1,
        as in an editor.
    """
    try:
        # Editors of Windows put a mark before the first character
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(
            f"The maze {str(path)!r} cannot be read: {error}. Expected a text file with a grid of "
            f"{_MEANING}."
        ) from error
    try:
        return Maze(name=path.stem, rows=tuple(line.rstrip() for line in text.rstrip().split("\n")))
    except TaskError as error:
        raise TaskError(f"{path}: {error}") from error


def _place(cell: tuple[int, int]) -> str:
    return f"line {cell[0] + 1}, column {cell[1] + 1}"


def _cover(wall: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Rectangles (top, left, bottom, right; inclusive) that cover `wall` (bool [R, C]) exactly.

    Greedy over the rectangles of wall, the one that covers most uncovered cells first, of equal
    ones the smallest; they may overlap, because crossing walls then need fewer of them.
    """
    candidates = _rectangles(wall)
    top, left, bottom, right = candidates.T
    area = (bottom - top + 1) * (right - left + 1)
    uncovered = wall.copy()
    chosen = []
    while uncovered.any():
        sums = np.pad(uncovered.cumsum(0).cumsum(1), ((1, 0), (1, 0)))  # of all cells above, left
        gain = (
            sums[bottom + 1, right + 1]
            - sums[top, right + 1]
            - sums[bottom + 1, left]
            + sums[top, left]
        )
        best = candidates[np.lexsort((area, -gain))[0]]
        block = np.s_[best[0] : best[2] + 1, best[1] : best[3] + 1]
        # Trimmed to what it newly covers: faces of two boxes in one plane flicker in pictures.
        cells = np.argwhere(uncovered[block]) + best[:2]
        (low_row, low_column), (high_row, high_column) = cells.min(0), cells.max(0)
        chosen.append((int(low_row), int(low_column), int(high_row), int(high_column)))
        uncovered[block] = False
    return chosen


def _rectangles(wall: np.ndarray) -> np.ndarray:
    """All rectangles [K, 4] of wall that are as wide to the right as they can be."""
    rows, columns = wall.shape
    found = []
    for top in range(rows):
        for left in range(columns):
            end = columns
            for bottom in range(top, rows):
                holes = np.flatnonzero(~wall[bottom, left:end])
                end = left + holes[0] if holes.size else end
                if end == left:
                    break
                found.append((top, left, bottom, end - 1))
    return np.array(found)
