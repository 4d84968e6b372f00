"""Operators' stops across restarts of the server."""

import os

import pytest

from robot_gcrl.bridge.stops import EVERY, StopBook
from robot_gcrl.errors import BridgeError


def test_stops_hold_across_a_restart_until_they_are_removed(tmp_path):
    # seen to fail without the write in `add`
    path = tmp_path / "x.stops"
    book = StopBook(path)
    assert book.reason("cart0") is None
    book.add("cart0", "smoke")
    assert StopBook(path).reason("cart0") == "smoke"
    book.add("cart1", "fire")
    book.remove("cart1")
    again = StopBook(path)
    assert (again.reason("cart0"), again.reason("cart1")) == ("smoke", None)
    again.remove("cart0")
    assert StopBook(path).reason("cart0") is None


def test_of_two_reasons_the_first_stays(tmp_path):
    book = StopBook(tmp_path / "x.stops")
    book.add("cart0", "smoke")
    book.add("cart0", "later")
    assert book.reason("cart0") == "smoke"


def test_a_stop_of_every_robot_is_ended_for_every_robot_alone(tmp_path):
    # seen to fail with `reason` that knows single robots only
    path = tmp_path / "x.stops"
    book = StopBook(path)
    book.add("cart0", "smoke")
    book.add(EVERY, "fire")
    again = StopBook(path)
    assert (again.reason("cart0"), again.reason("cart7")) == ("smoke", "fire")
    assert again.blocks("cart0")
    assert not again.blocks(EVERY)
    again.remove("cart0")
    assert again.reason("cart0") == "fire"
    again.remove(EVERY)
    assert StopBook(path).reason("cart7") is None
    assert not again.blocks("cart0")


@pytest.mark.parametrize("content", ["{", "[]", "\xff", "7"])
def test_a_book_that_cannot_be_read_lets_no_server_start(tmp_path, content):
    path = tmp_path / "x.stops"
    path.write_bytes(content.encode("latin1"))
    with pytest.raises(BridgeError) as caught:
        StopBook(path)
    text = str(caught.value)
    assert text.startswith(f"The file of operators' stops {path} cannot be read: ")
    assert text.endswith(
        "Expected the JSON object that a server writes. Make sure that no robot must stay stopped, "
        "then remove it."
    )


def test_a_stop_that_cannot_be_written_holds_in_this_process(tmp_path):
    book = StopBook(tmp_path / "absent" / "x.stops")
    with pytest.raises(FileNotFoundError):
        book.add("cart0", "smoke")
    assert book.reason("cart0") == "smoke"


def test_a_stop_that_could_not_be_written_is_written_when_it_is_given_again(tmp_path):
    # seen to fail with a write of new robots alone: no error, and a restart forgets the stop
    path = tmp_path / "absent" / "x.stops"
    book = StopBook(path)
    with pytest.raises(FileNotFoundError):
        book.add("cart0", "smoke")
    with pytest.raises(FileNotFoundError):
        book.add("cart0", "again")
    path.parent.mkdir()
    book.add("cart0", "again")
    assert StopBook(path).reason("cart0") == "smoke"


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    # seen to fail with the file itself opened for writing
    path = tmp_path / "x.stops"
    book = StopBook(path)
    book.add("cart0", "smoke")

    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        book.remove("cart0")
    assert StopBook(path).reason("cart0") == "smoke"
