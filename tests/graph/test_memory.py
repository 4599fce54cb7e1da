"""A long run takes little more memory than a short one: what the process is set to."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="heaps of threads are glibc's"
)

# Threads that hold memory at the same time would each make a heap.
CODE = """
import ctypes, os, tempfile, threading
import vapoursynth as vs, vsvqe as vqe

clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length=3)
vqe.{filter}(clip{arguments})
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.fdopen.restype = ctypes.c_void_p
barrier = threading.Barrier(40)

def hold():
    libc.malloc(ctypes.c_size_t(1000))
    barrier.wait()

threads = [threading.Thread(target=hold) for _ in range(40)]
for thread in threads: thread.start()
for thread in threads: thread.join()
with tempfile.TemporaryFile() as file:
    stream = ctypes.c_void_p(libc.fdopen(os.dup(file.fileno()), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    file.seek(0)
    print(file.read().count(b"<heap nr="))
"""


@pytest.mark.parametrize(
    ("filter", "arguments"), [("Deblock", ", backend='cpu'"), ("Stabilize", "")]
)
@pytest.mark.parametrize(
    "said", [{}, {"MALLOC_ARENA_MAX": "9"}, {"GLIBC_TUNABLES": "glibc.malloc.arena_max=9"}]
)
def test_there_are_no_more_heaps_than_cores_unless_the_user_says_so(
    environment, filter, arguments, said
):
    run = subprocess.run(
        [sys.executable, "-c", CODE.format(filter=filter, arguments=arguments)],
        capture_output=True,
        text=True,
        env=environment | said,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    # What a library made beforehand stays.
    assert 1 <= int(run.stdout) <= (9 if said else os.cpu_count() + 1)
    if said:
        assert int(run.stdout) > min(os.cpu_count() + 1, 8)
