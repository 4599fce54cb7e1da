"""Interrupts that wait; each in a process of its own, as no worker of the tests may get one."""

import signal
import subprocess
import sys
from textwrap import indent

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are not sent this way")

# A signal comes at the worst moment: between a lock being taken and anybody knowing of it.
PROGRAM = """
import os, signal, sys, threading
from vsvqe.transcode.interrupts import held

NUMBER = int(sys.argv[1])

class Door:
    def __init__(self):
        self.lock = threading.Lock()
    def __enter__(self):
        self.lock.acquire()
        os.kill(os.getpid(), NUMBER)
    def __exit__(self, *_):
        self.lock.release()

def end(number, frame):
    raise KeyboardInterrupt(number)

signal.signal(NUMBER, end)
door = Door()
outcome = "done"
try:
    with held() as check:
{work}
except KeyboardInterrupt as error:
    outcome = f"interrupted by {{error}}"
assert signal.getsignal(NUMBER) is end
lock = "locked" if door.lock.locked() else "free"
print(f"{{outcome}}, {{lock}}")
"""
OPENED = "with door: pass\n"


def outcome(number: int, work: str) -> str:
    """Returns how work ended that was done while interrupts are held, and what the lock is."""
    program = PROGRAM.format(work=indent(work, " " * 8))
    run = subprocess.run(
        [sys.executable, "-c", program, str(int(number))],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return run.stdout.strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_no_lock_is_left_behind(number):
    expected = f"interrupted by {int(number)}, free"
    assert outcome(number, OPENED + "check()\nassert False") == expected
    # Nobody asks before the end.
    assert outcome(number, OPENED) == expected


def test_an_error_of_the_work_goes_first():
    with pytest.raises(subprocess.CalledProcessError) as found:
        outcome(signal.SIGINT, OPENED + "sys.exit('of the work')")
    assert found.value.stderr.strip() == "of the work"


def test_the_second_of_a_kind_is_not_held():
    assert outcome(signal.SIGINT, OPENED + "with door: assert False") == "interrupted by 2, locked"


def test_without_an_interrupt_nothing_happens():
    assert outcome(signal.SIGINT, "check()") == "done, free"
