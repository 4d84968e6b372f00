from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_gcrl.errors import TaskError
from robot_gcrl.task.layouts import LAYOUTS
from robot_gcrl.task.maze import CELL, Maze, load_maze

# rows, columns, goal cells, longest path: the table of layouts
SHAPES = {
    "u": (5, 5, 6, 6),
    "u2": (5, 6, 8, 8),
    "u3": (5, 7, 10, 10),
    "u4": (7, 5, 10, 10),
    "u5": (7, 8, 16, 16),
    "u6": (7, 7, 14, 14),
    "u7": (7, 6, 12, 12),
    "big": (8, 8, 25, 11),
    "hardest": (9, 12, 45, 15),
}


def naive_path_lengths(maze):
    """Relaxation until nothing changes, on the whole grid."""
    length = dict.fromkeys(maze.free_cells, np.inf)
    length[maze.start_cell] = 0
    for _ in length:
        for (r, c), (r2, c2) in ((a, b) for a in length for b in length):
            if abs(r - r2) + abs(c - c2) == 1:
                length[r, c] = min(length[r, c], length[r2, c2] + 1)
    return [length[cell] for cell in maze.goal_cells]


def covered(maze):
    """How often the walls cover each cell's center, and where they end: bool [rows, columns]."""
    cells = [(r, c) for r in range(len(maze.rows)) for c in range(len(maze.rows[0]))]
    counts = np.zeros((len(maze.rows), len(maze.rows[0])), int)
    for cell, (x, y) in zip(cells, maze.positions(tuple(cells)), strict=True):
        for wall in maze.walls:
            # a point 1 mm inside each corner of the cell: boxes must cover whole cells
            corners = [(x + a, y + b) for a in (-1.999, 1.999) for b in (-1.999, 1.999)]
            inside = [
                all(abs(p - q) <= h for p, q, h in zip(k, wall.center, wall.half_size, strict=True))
                for k in corners
            ]
            assert all(inside) or not any(inside)
            counts[cell] += all(inside)
    return counts


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_have_the_published_shapes(name):
    maze = LAYOUTS[name]
    assert set(SHAPES) == set(LAYOUTS)
    rows, columns, goals, longest = SHAPES[name]
    assert (len(maze.rows), len(maze.rows[0])) == (rows, columns)
    assert len(maze.goal_cells) == goals
    assert max(maze.path_lengths) == longest
    assert min(maze.path_lengths) == 1


@pytest.mark.parametrize("name", ["u4", "big"])
def test_path_lengths_equal_a_naive_second_version(name):
    # seen to fail with a diagonal neighbor added
    maze = LAYOUTS[name]
    assert list(maze.path_lengths) == naive_path_lengths(maze)
    assert all(a <= b for a, b in pairwise(maze.path_lengths))


@pytest.mark.parametrize("name", LAYOUTS)
def test_walls_cover_the_wall_cells_and_nothing_else(name):
    # seen to fail with columns and rows exchanged in `walls`
    maze = LAYOUTS[name]
    wall = np.array([[c == "#" for c in row] for row in maze.rows])
    np.testing.assert_array_equal(covered(maze) > 0, wall)


@pytest.mark.parametrize("name", LAYOUTS)
def test_walls_that_cross_have_no_top_in_common(name):
    # Seen to fail: with one height for all, in u2 and u3, whose pictures had white patches.
    maze = LAYOUTS[name]
    for i, a in enumerate(maze.walls):
        assert 0.97 * maze.wall_height < a.height <= maze.wall_height
        for b in maze.walls[:i]:
            apart = np.abs(np.subtract(a.center, b.center)) - a.half_size - b.half_size
            assert (apart > -1e-6).any() or a.height != b.height


def test_walls_are_few():
    # 18 to 62 wall cells; greedy, so pinned: more boxes cost physics time
    counts = {name: len(maze.walls) for name, maze in LAYOUTS.items()}
    assert counts == {
        "u": 5, "u2": 5, "u3": 5, "u4": 6, "u5": 6, "u6": 6, "u7": 6, "big": 12, "hardest": 15,
    }  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=6))
def test_any_pattern_of_walls_is_covered_exactly(pattern):
    inner = ["".join("#" if c else "." for c in row) for row in pattern]
    rows = ("#######", "#SG####", *(f"#{row}#" for row in inner), "#######")
    maze = Maze(name="random", rows=rows)
    wall = np.array([[c == "#" for c in row] for row in rows])
    np.testing.assert_array_equal(covered(maze) > 0, wall)


def test_positions_are_relative_to_the_start():
    maze = LAYOUTS["u4"]  # starts in row 2, column 1
    assert maze.start_cell == (2, 1)
    np.testing.assert_array_equal(maze.positions((maze.start_cell,)), [[0.0, 0.0]])
    np.testing.assert_array_equal(maze.positions(((1, 3),)), [[-CELL, 2 * CELL]])


def test_far_goals():
    lengths = {
        name: [maze.path_lengths[i] for i in maze.far_goals] for name, maze in LAYOUTS.items()
    }
    assert lengths["u"] == [4, 5, 6]
    assert lengths["u2"] == [5, 6, 7, 8]
    assert lengths["u4"] == [6, 7, 8, 9, 10]
    assert lengths["big"] == [8, 8, 8, 8, 9, 9, 9, 10, 11]


def test_a_maze_from_a_file(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("#####\n#S.G#\n#####\n\n")
    assert load_maze(path) == Maze(name="mine", rows=("#####", "#S.G#", "#####"))


CLOSE = "Change the grid."


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((), "Maze 'm' is empty. Expected lines of # (wall), S (start), G (goal cell) and . "
             f"(free). {CLOSE}"),
        (("####", "#SG", "####"),
         "Maze 'm' ends at line 2, column 3, and line 1 at column 4. Expected lines of one length. "
         f"{CLOSE}"),
        (("#####", "#S G#", "#####"),
         "Maze 'm' has ' ' at line 2, column 3. Expected only # (wall), S (start), G (goal cell) "
         f"and . (free). {CLOSE}"),
        (("####", "#.G#", "####"),
         f"Maze 'm' has no start cell. Expected exactly one S. {CLOSE}"),
        (("#####", "#SSG#", "#####"),
         "Maze 'm' has 2 start cells (line 2, column 2; line 2, column 3). Expected exactly one S. "
         f"{CLOSE}"),
        (("####", "#S.#", "####"),
         f"Maze 'm' has no goal cell. Expected at least one G. {CLOSE}"),
        (("####", "#SG.", "####"),
         f"Maze 'm' is open at line 2, column 4. Expected walls (#) all around. {CLOSE}"),
        (("#####", "#S#G#", "#####"),
         "Maze 'm' has a goal cell at line 2, column 4 that no path from the start reaches. "
         f"Expected a path through neighboring free cells to every G. {CLOSE}"),
    ],
)  # fmt: skip
def test_errors(rows, message):
    with pytest.raises(TaskError) as caught:
        Maze(name="m", rows=rows)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "is empty"),
        ("\n####\n#SG#\n####\n", "ends at line 2, column 4, and line 1 at column 0"),
        ("####\n#SG#\n##\t#\n", "has '\\t' at line 3, column 3"),
        ("####\r\n#S.#\r\n####\r\n", "has no goal cell"),
        ("\ufeff####\n#SG#\n#.##\n", "is open at line 3, column 2"),
    ],
)
def test_the_grid_of_a_file_is_told_by_its_lines(text, found, tmp_path):
    # seen to fail with empty lines at the beginning skipped (line 2 became line 1) and with the
    # file read as plain utf-8 (its mark was "line 1, column 1")
    path = tmp_path / "mine.txt"
    path.write_bytes(text.encode())
    with pytest.raises(TaskError) as caught:
        load_maze(path)
    assert str(caught.value).startswith(f"{path}: Maze 'mine' {found}. Expected ")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(TaskError) as caught:
        load_maze(tmp_path / "no.txt")
    path = str(tmp_path / "no.txt")
    assert str(caught.value) == (
        f"The maze {path!r} cannot be read: [Errno 2] No such file or directory: {path!r}. "
        "Expected a text file with a grid of # (wall), S (start), G (goal cell) and . (free)."
    )
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(TaskError, match="cannot be read"):
        load_maze(tmp_path / "bytes.txt")
