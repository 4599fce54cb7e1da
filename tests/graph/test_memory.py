"""A long run takes little more memory than a short one: what the process is set to."""

import os
import platform
import subprocess
import sys

import pytest
from support.clips import scene
from support.codecs import encode

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="heaps of threads are glibc's"
)

# A source with threads of its own, an engine, and threads that hold memory at the same time: each
# would make a heap.
CODE = """
import ctypes, os, tempfile, threading
import vapoursynth as vs
import vsvqe as vqe

clip = vs.core.bs.VideoSource({path!r}, cachemode=0)
vqe.Deblock(vqe.Stabilize(clip), backend='cpu').get_frame(0).close()
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
    ("said", "heaps"),
    [
        ({}, max(1, os.cpu_count() // 8)),
        ({"MALLOC_ARENA_MAX": "9"}, 9),
        ({"GLIBC_TUNABLES": "glibc.malloc.arena_max=9"}, 9),
    ],
)
def test_threads_share_heaps_unless_the_user_says_how_many(environment, tmp_path, said, heaps):
    path = encode(scene(64, 48, 8), tmp_path / "clip.mp4")
    run = subprocess.run(
        [sys.executable, "-c", CODE.format(path=str(path))],
        capture_output=True,
        text=True,
        env=environment | said,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) == heaps
