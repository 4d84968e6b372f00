"""How a program is ended: which signals it notes, and how many of them it takes."""

import signal

import pytest

from robot_gcrl.bridge.serve import Ending

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def escaped():
    """Signals that nobody noted: they would have ended the process."""
    numbers = []
    before = {n: signal.signal(n, lambda number, _: numbers.append(number)) for n in SIGNALS}
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_each_way_to_end_a_program_is_noted(number, escaped):
    # Seen to fail: a terminal that was closed (SIGHUP) ended robots and servers on the spot
    with Ending() as ending:
        assert not ending.is_set
        signal.raise_signal(number)
        assert ending.is_set
    assert not escaped
    signal.raise_signal(number)
    assert escaped == [number]


def test_a_hangup_that_is_ignored_stays_ignored():
    # Seen to fail with a handler for SIGHUP in any case, which undoes nohup
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Ending() as ending:
        signal.raise_signal(signal.SIGHUP)
        assert not ending.is_set
        signal.raise_signal(signal.SIGTERM)
        assert ending.is_set
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_the_third_urging_ends_a_program_without_motors():
    # Seen to fail: the second one did, which a wrapper sends that passes on a Ctrl-C
    with Ending():
        for number in 5 * [signal.SIGHUP] + [signal.SIGINT, signal.SIGTERM]:
            signal.raise_signal(number)
        with pytest.raises(SystemExit) as caught:
            signal.raise_signal(signal.SIGINT)
    assert caught.value.code == 128 + signal.SIGINT


def test_no_number_of_signals_ends_a_program_that_owns_motors():
    # Seen to fail: the second one ended a robot's program while it left its motors safe
    with Ending(owns_motors=True) as ending:
        for number in 3 * SIGNALS:
            signal.raise_signal(number)
    assert ending.is_set
