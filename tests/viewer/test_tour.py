"""Goals in turn, and the file that keeps them."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from robot_gcrl.errors import ViewerError
from robot_gcrl.viewer.tour import DWELL, Tour
from tests.bridge.fakes import cart_contract
from tests.contract.contracts import CONTRACT

DT = 0.02
DWELL_STEPS = round(DWELL / DT)
GOALS = ((0.1, 0.2), (1.0, -1.0), (-0.5, 0.75))


@pytest.fixture
def tour() -> Tour:
    tour = Tour(cart_contract())
    for goal in GOALS:
        tour.add(np.array(goal))
    return tour


def visit(tour: Tour) -> np.ndarray | None:
    """Stays at a goal until the tour goes on, which must be neither sooner nor later."""
    for _ in range(DWELL_STEPS - 1):
        assert tour.advance(True, DT) is None
    return tour.advance(True, DT)


def test_the_goals_are_visited_in_their_order_again_and_again(tour: Tour) -> None:
    # Seen to fail: with the dwell not begun anew, and with the lap counted one goal too soon
    first = tour.start()
    np.testing.assert_array_equal(first, np.array(GOALS[0], np.float32))
    for i in (1, 2, 0, 1, 2, 0):
        np.testing.assert_array_equal(visit(tour), np.array(GOALS[i], np.float32))
        assert tour.index == i
    assert tour.laps == 2


def test_a_goal_that_is_only_passed_does_not_count(tour: Tour) -> None:
    # Seen to fail: with the dwell kept while the robot is elsewhere
    tour.start()
    for _ in range(100):
        for _ in range(DWELL_STEPS - 1):
            assert tour.advance(True, DT) is None
        assert tour.advance(False, DT) is None
    assert tour.index == 0


def test_a_start_of_the_robot_begins_the_dwell_anew(tour: Tour) -> None:
    tour.start()
    for _ in range(DWELL_STEPS - 1):
        tour.advance(True, DT)
    tour.restart()
    assert visit(tour) is not None


def test_a_tour_that_stands_goes_nowhere(tour: Tour) -> None:
    assert not tour.running
    assert all(tour.advance(True, DT) is None for _ in range(100))
    tour.start()
    tour.stop()
    assert all(tour.advance(True, DT) is None for _ in range(100))
    assert tour.index == 0


def test_it_starts_from_the_first_goal_and_the_first_moment(tour: Tour) -> None:
    tour.start()
    visit(tour)
    for _ in range(DWELL_STEPS - 1):
        tour.advance(True, DT)
    tour.stop()
    np.testing.assert_array_equal(tour.start(), tour.goals[0])
    assert tour.index == 0
    np.testing.assert_array_equal(visit(tour), tour.goals[1])


def test_without_goals_it_does_not_start() -> None:
    tour = Tour(cart_contract())
    assert tour.start() is None
    assert not tour.running
    assert tour.advance(True, 10.0) is None


def test_a_goal_that_is_added_is_kept_as_it_was(tour: Tour) -> None:
    # Seen to fail: with the caller's array kept
    goal = np.array([1.0, 1.0], np.float32)
    tour.add(goal)
    goal[:] = 9.0
    np.testing.assert_array_equal(tour.goals[-1], [1.0, 1.0])


@pytest.mark.parametrize(
    ("pursued", "removed", "following"), [(1, 0, 2), (1, 2, 0), (0, 2, 1), (2, 0, 1), (0, 1, 2)]
)
def test_removing_another_goal_changes_nothing_of_the_one_under_way(
    tour: Tour, pursued: int, removed: int, following: int
) -> None:
    # Seen to fail: with the index left where it was when an earlier goal goes
    names = {tuple(goal.tolist()): i for i, goal in enumerate(tour.goals)}
    tour.start()
    for _ in range(pursued):
        visit(tour)
    assert tour.remove(removed) is None
    assert names[tuple(tour.goals[tour.index].tolist())] == pursued
    reached = visit(tour)
    assert reached is not None
    assert names[tuple(reached.tolist())] == following


@pytest.mark.parametrize(("pursued", "following"), [(0, 1), (1, 2), (2, 0)])
def test_removing_the_goal_under_way_goes_on_with_what_follows_it(
    tour: Tour, pursued: int, following: int
) -> None:
    # Seen to fail: when `remove` told nobody, the robot stayed on its way to a goal that was gone,
    # and the one after it was left out
    goals = [goal.copy() for goal in tour.goals]
    tour.start()
    for _ in range(pursued):
        visit(tour)
    for _ in range(DWELL_STEPS - 1):
        tour.advance(True, DT)
    np.testing.assert_array_equal(tour.remove(pursued), goals[following])
    after = visit(tour)  # with the whole dwell
    np.testing.assert_array_equal(after, goals[3 - pursued - following])


def test_removing_from_a_tour_that_stands_asks_for_nothing(tour: Tour) -> None:
    assert tour.remove(0) is None
    assert len(tour.goals) == 2


def test_removing_the_last_goal_ends_the_tour(tour: Tour) -> None:
    tour.start()
    for _ in range(3):
        tour.remove(0)
    assert not tour.running
    assert tour.advance(True, 10.0) is None


def test_what_is_saved_is_loaded_to_the_last_bit(tour: Tour, tmp_path: Path) -> None:
    path = tmp_path / "tour.json"
    tour.save(path)
    again = Tour(cart_contract())
    again.add(np.zeros(2))
    again.start()
    again.load(path)
    assert not again.running
    assert again.index == 0
    assert [goal.dtype for goal in again.goals] == [np.float32] * 3
    np.testing.assert_array_equal(again.goals, tour.goals)
    assert [p.name for p in tmp_path.iterdir()] == ["tour.json"]


def test_an_empty_tour_is_a_tour(tmp_path: Path, tour: Tour) -> None:
    Tour(cart_contract()).save(tmp_path / "empty")
    tour.load(tmp_path / "empty")
    assert tour.goals == []


OURS = '{"goal": ["x [m]", "y [m]"], "goals": '


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "5", "{}", '{"goal": ["x [m]", "y [m]"]}', f"{OURS}5}}", f'{OURS}[["a", 1]]}}',
     f"{OURS}[[0], [[1, 2]]]}}", "[" * 100_000],
    ids=["empty", "cut", "list", "number", "object", "no goals", "no list", "words", "ragged",
         "deep"],
)  # fmt: skip
def test_a_damaged_file_changes_nothing(tour: Tour, tmp_path: Path, text: str) -> None:
    path = tmp_path / "tour.json"
    path.write_text(text)
    tour.start()
    with pytest.raises(ViewerError):
        tour.load(path)
    np.testing.assert_array_equal(tour.goals, np.array(GOALS, np.float32))
    assert tour.running


def test_bytes_that_are_no_text_are_a_damaged_file(tour: Tour, tmp_path: Path) -> None:
    path = tmp_path / "tour.json"
    path.write_bytes(b"\xff\xfe\x80")
    with pytest.raises(ViewerError):
        tour.load(path)


def test_a_file_that_is_not_there_is_one_line(tour: Tour, tmp_path: Path) -> None:
    with pytest.raises(ViewerError) as raised:
        tour.load(tmp_path / "none.json")
    assert str(raised.value) == (
        f"The tour {tmp_path / 'none.json'} cannot be read: No such file or directory. Expected a "
        "file that the viewer wrote. Check the path."
    )


def test_the_tour_of_another_task_is_refused(tour: Tour, tmp_path: Path) -> None:
    # Seen to fail: the names of the goal were written and not read, so that any two numbers passed
    path = tmp_path / "tour.json"
    tour.save(path)
    content = json.loads(path.read_text())
    content["goal"] = ["shoulder [rad]", "elbow [rad]"]
    path.write_text(json.dumps(content))
    with pytest.raises(ViewerError) as raised:
        tour.load(path)
    assert str(raised.value) == (
        f"The tour {path} is of the goal ['shoulder [rad]', 'elbow [rad]']. Expected ['x [m]', "
        "'y [m]']. Choose the file of a tour of this task."
    )
    Tour(CONTRACT).save(path)
    with pytest.raises(ViewerError):
        tour.load(path)


@pytest.mark.parametrize(
    "goal", ["[2.5, 0]", "[0, -2.5]", "[0]", "[0, 0, 0]", "[NaN, 0]", "[0, Infinity]", "null"]
)
def test_a_goal_that_is_none_of_this_task_is_named(tour: Tour, tmp_path: Path, goal: str) -> None:
    path = tmp_path / "tour.json"
    path.write_text(f'{{"goal": ["x [m]", "y [m]"], "goals": [[2, -2], {goal}]}}')
    with pytest.raises(ViewerError) as raised:
        tour.load(path)
    assert str(raised.value).startswith(f"Goal 2 of the tour {path} is ")
    assert str(raised.value).endswith(
        "Expected 2 numbers from [-2.0, -2.0] to [2.0, 2.0]. Correct it."
    )
    assert len(tour.goals) == 3


@pytest.mark.parametrize("failing", ["write_text", "replace"])
def test_a_disk_that_refuses_keeps_the_old_file(
    tour: Tour, tmp_path: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seen to fail: with the file written in place, and with what was begun left behind
    path = tmp_path / "tour.json"
    tour.save(path)
    before = path.read_bytes()

    def full(unfinished: Path, content: str | Path) -> None:
        if failing == "write_text":
            with open(unfinished, "w") as file:
                file.write(str(content)[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    tour.remove(0)
    monkeypatch.setattr(Path, failing, full)
    with pytest.raises(ViewerError) as raised:
        tour.save(path)
    assert str(raised.value) == (
        f"The tour {path} cannot be written: No space left on device. Expected a folder of yours "
        "with space in it. Choose another file with --tour."
    )
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["tour.json"]


def test_a_folder_that_is_not_there_is_told(tour: Tour, tmp_path: Path) -> None:
    with pytest.raises(ViewerError, match="cannot be written: No such file or directory"):
        tour.save(tmp_path / "none" / "tour.json")
