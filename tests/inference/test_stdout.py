"""Nothing reaches standard output while a model is opened, native libraries included."""

import sys

import pytest

from vsvqe.inference.stdout import stdout_to_stderr

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="calls the C library by POSIX means"
)

NOISE = """
import ctypes, os, sys, threading
libc = ctypes.CDLL(None)

def noise():
    print("python")
    libc.printf(b"printf\\n")
    os.write(1, b"write\\n")
    os.system("echo child")
"""

OPENING = (
    NOISE
    + """
import vapoursynth as vs, vsvqe as vqe
from vsvqe.inference import session

original = session._opened
def opened(request, backend):
    noise()
    result = original(request, backend)
    noise()
    return result
session._opened = opened

clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=32, height=32, length=2)
{make}
"""
)


@pytest.mark.parametrize(
    "make",
    [
        "vqe.Deblock(clip, backend='cpu').get_frame(0)",
        "vqe.Deblock(clip, 'auto').get_frame(0)",
        "vqe.SuperRes(clip, backend='cpu').get_frame(0)",
    ],
)
def test_opening_a_model_leaves_standard_output_alone(python, make):
    run = python(OPENING.format(make=make))
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
    assert {"python", "printf", "write", "child"} <= set(run.stderr.split())


def test_what_comes_before_and_after_stays(python):
    code = (
        NOISE
        + """
from vsvqe.inference.stdout import stdout_to_stderr
libc.printf(b"before\\n")
with stdout_to_stderr():
    noise()
    with stdout_to_stderr():
        noise()
print("after")
"""
    )
    run = python(code)
    assert run.stdout.split() == ["before", "after"]


def test_it_ends_with_an_error_too(python):
    code = (
        NOISE
        + """
from vsvqe.inference.stdout import stdout_to_stderr
try:
    with stdout_to_stderr():
        noise()
        raise ValueError
except ValueError:
    print("after")
"""
    )
    assert python(code).stdout.split() == ["after"]


def test_other_threads_write_video_and_are_left_alone(python):
    code = (
        NOISE
        + """
from vsvqe.inference.stdout import stdout_to_stderr
def work():
    with stdout_to_stderr():
        os.write(1, b"video")
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    )
    assert python(code).stdout == "video"


def test_a_closed_standard_output(python):
    code = (
        NOISE
        + """
from vsvqe.inference.stdout import stdout_to_stderr
os.close(1)
with stdout_to_stderr():
    sys.stderr.write("reached")
"""
    )
    run = python(code)
    assert "reached" in run.stderr


def test_no_descriptor_is_left_open():
    psutil = pytest.importorskip("psutil")
    process = psutil.Process()
    before = process.num_fds()
    for _ in range(10):
        with stdout_to_stderr():
            pass
    assert process.num_fds() == before
