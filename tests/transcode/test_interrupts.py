"""Interrupts that wait; each in a process of its own, as no worker of the tests may get one."""

import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are not sent this way")

# A signal comes at the worst moment: between a lock being taken and anybody knowing of it.
PROGRAM = """
import os, signal, sys, threading
from vsvqe.transcode.interrupts import held

class Door:
    def __init__(self):
        self.lock = threading.Lock()
    def __enter__(self):
        self.lock.acquire()
        os.kill(os.getpid(), SIGNAL)
    def __exit__(self, *_):
        self.lock.release()

def end(number, frame):
    raise KeyboardInterrupt(number)

signal.signal(SIGNAL, end)
door = Door()
said = "nothing"
try:
    with held() as check:
        BODY
except KeyboardInterrupt as error:
    said = f"interrupted by {error}"
assert signal.getsignal(SIGNAL) is end
print(said, "and the lock is", "held" if door.lock.locked() else "free")
"""


def said(number: int, body: str) -> str:
    program = PROGRAM.replace("SIGNAL", str(int(number))).replace("BODY", body)
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return run.stdout.strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_no_lock_is_left_behind(number):
    expected = f"interrupted by {int(number)} and the lock is free"
    assert (
        said(number, "\n        with door: pass\n        check()\n        assert False") == expected
    )
    # Nobody asks before the end.
    assert said(number, "\n        with door: pass") == expected


def test_an_error_of_the_work_goes_first():
    body = "\n        with door: pass\n        sys.exit('of the work')"
    with pytest.raises(subprocess.CalledProcessError) as found:
        said(signal.SIGINT, body)
    assert found.value.stderr.strip() == "of the work"


def test_the_second_of_a_kind_is_not_held():
    body = "\n        with door: pass\n        with door: assert False"
    assert said(signal.SIGINT, body).startswith("interrupted by 2")


def test_without_an_interrupt_nothing_happens():
    assert said(signal.SIGINT, "check()") == "nothing and the lock is free"
