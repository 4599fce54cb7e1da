"""A long run takes little more memory than a short one: what the process is set to."""

import ctypes
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


# Blocks that are free after all that can be given back was: each has others in use beside it. So
# what stays behind of every frame shows, however small it is.
GROWTH = """
import ctypes
import numpy as np
import vapoursynth as vs
import vsvqe as vqe

class Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost")]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Mallinfo2
vs.core.num_threads = 2
noise = np.random.default_rng(1).integers(0, 255, (64, 96), np.uint8).repeat(2, 0).repeat(2, 1)
blank = vs.core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length=1500, keep=True)

def moving(n, f):
    frame = f.copy()
    at = 16 + int(15 * np.sin(n / 5))
    np.asarray(frame[0])[...] = noise[at:at + 48, at:at + 64]
    return frame

clip = blank.std.ModifyFrame(blank, moving)
clip.std.SetVideoCache(mode=0)
result = {call}
result.std.SetVideoCache(mode=0)
free = []
for n, frame in enumerate(result.frames(close=True)):
    if n in (500, 1490):
        libc.malloc_trim(0)
        free.append(libc.mallinfo2().ordblks)
print((free[1] - free[0]) / 990)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc 2.33")
@pytest.mark.parametrize(
    "call",
    [
        "vqe.Deblock(clip, model='fast', backend='cpu')",
        "vqe.SuperRes(clip, model='fast', height=60, backend='cpu')",
        "vqe.ASTF(clip, model='fast', backend='cpu')",
        "vqe.Stabilize(clip)",
    ],
)
def test_nothing_stays_behind_of_a_frame(environment, call):
    run = subprocess.run(
        [sys.executable, "-c", GROWTH.format(call=call)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 1.0
