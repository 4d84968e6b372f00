"""Child processes: what they say, how long they are waited for, and that they end."""

import os
import signal
import subprocess
import sys

import pytest

from robot_gcrl.bridge import children
from robot_gcrl.bridge.children import Child
from robot_gcrl.errors import BridgeError

SLEEPS = "import sys, time; sys.stderr.write('up\\n'); sys.stderr.flush(); time.sleep(600)"


def python(program: str) -> list[str]:
    return ["-c", program]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_is_waited_for_and_answered():
    program = "import sys; sys.stderr.write('ready\\n'); sys.stderr.flush(); sys.stdin.readline()"
    with Child("dog", python(program), {}) as child:
        child.wait_for("ready", 30.0)
        assert child.heard_ns("ready") is not None
        assert child.heard_ns("steady") is None
        child.say()
        child.wait(30.0)


def test_one_that_fails_is_quoted():
    program = "import sys; sys.stderr.write('one\\n two \\n'); sys.exit(3)"
    with Child("dog", python(program), {}) as child, pytest.raises(BridgeError) as error:
        child.wait_for("three", 30.0)
    assert str(error.value) == (
        "The dog failed with exit code 3. It said last: one | two. Expected it to go on until its "
        "work is done. Run it by hand to see more."
    )


def test_one_that_ends_well_without_the_word_is_no_error():
    with Child("dog", python("pass"), {}) as child:
        child.wait_for("anything", 30.0)


def test_one_that_is_silent_is_given_up_and_ended(monkeypatch):
    # seen to fail with a `close` that does not kill what ignores SIGTERM
    monkeypatch.setattr(children, "_ENDING", 0.2)
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
    child = Child("dog", python(stubborn), {})
    child.wait_for("up", 30.0)
    with pytest.raises(BridgeError, match=r"The dog says nothing for 0\.2 s\. It said last: up"):
        child.wait(0.2)
    child.close()
    assert not is_alive(child._process.pid)


def test_leaving_the_block_ends_it():
    with Child("dog", python(SLEEPS), {"NAME": "rex"}) as child:
        child.wait_for("up", 30.0)
        pid = child._process.pid
        assert is_alive(pid)
    assert not is_alive(pid)


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no /proc here")
def test_what_it_computes_is_counted():
    busy = "import sys, time\nwhile time.process_time() < 0.3: pass\n" + SLEEPS
    with Child("dog", python(busy), {}) as child:
        child.wait_for("up", 60.0)
        assert 0.25 < (child.cpu_seconds() or 0.0) < 3.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_program_that_is_told_to_end_leaves_no_child(number):
    # Seen to fail: with SIGTERM alone, a hangup leaves the child
    program = f"""
import sys
from robot_gcrl.bridge.children import Child, ending_on_signals
with ending_on_signals(), Child("dog", ["-c", {SLEEPS!r}], {{}}) as child:
    child.wait_for("up", 30.0)
    print(child._process.pid, flush=True)
    child.wait(60.0)
"""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # heard also where nohup began the tests
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGHUP, before)
    with process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.send_signal(number)
        assert process.wait(30.0) == 128 + number
    assert not is_alive(pid)
