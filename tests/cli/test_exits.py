"""Interrupts end the work wherever they arrive."""

import signal
import subprocess
import sys

import pytest

# In a process of its own: signals are not for one that runs other tests, too.
INTERRUPTED = """\
import signal, sys, time
from vsvqe.cli.exits import Terminated, code_of, insistent, terminable

class Interrupted:
    def __del__(self):
        signal.raise_signal({number})
        time.sleep(0)  # the handler runs here, where nobody can catch what it raises

try:
    with terminable(), insistent():
        Interrupted()
        time.sleep(20)
except KeyboardInterrupt as error:
    sys.exit(code_of(error))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are not sent this way there")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_in_a_finaliser_is_not_lost(number, code):
    text = INTERRUPTED.format(number=int(number))
    ended = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=15, check=False
    )
    assert (ended.returncode, ended.stderr) == (code, "")


def test_other_errors_of_finalisers_are_reported_as_ever():
    text = INTERRUPTED.replace("signal.raise_signal({number})", "raise ValueError('here')")
    ended = subprocess.run(
        [sys.executable, "-c", text.replace("sleep(20)", "sleep(0)")],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )
    assert ended.returncode == 0
    assert "ValueError: here" in ended.stderr
