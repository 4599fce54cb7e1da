"""Gives memory that lies between frames back to the system, so that a long run does not grow.

The core allocates frames aligned, from several threads at once. glibc keeps the gaps that this
leaves in its heaps and does not fill them all again: a run of thousands of frames holds several
times what it uses. ``malloc_trim`` returns the gaps; it takes milliseconds, and is called once in
a while only. And threads are to share a heap: by default glibc makes eight for every core, and each
keeps gaps of its own (5,000 small frames took 18 % more memory than 200 so).
"""

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from functools import cache

# What may gather before it goes back. Fewer bytes would cost large frames a few percent of their
# speed; 160 small frames, which make as many bytes, let 5,000 of them grow by a fifth.
_BYTES = 128 << 20
_FRAMES = 24

# A parameter of glibc's `mallopt`, from malloc.h.
_M_ARENA_MAX = -8
# Threads that share a heap: they wait for each other only while a block is looked for, which is
# a hundred times for a frame, less than a microsecond each.
_SHARING = 8

_lock = threading.Lock()
_gathered = 0.0


def produced(frames: int, size: int, *, most: int = _FRAMES) -> None:
    """Notes that frames of a total size in bytes were made, and trims if it is time.

    Args:
        frames: How many.
        size: Of all of them.
        most: Frames of this kind that may be made between two trims. What goes back has to be
            fetched again, page by page.
    """
    global _gathered
    with _lock:
        _gathered += max(size / _BYTES, frames / most)
        due = _gathered >= 1
        if due:
            _gathered = 0.0
    trim = _glibc("malloc_trim")
    if due and trim is not None:
        trim(0)


def limit_heaps() -> None:
    """Has the threads of the process share heaps, unless its user said how many there are to be.

    To be called before there are threads: each takes a heap of its own when it first needs one, and
    glibc reads the limit once, no later than when there are eight.
    """
    said = "MALLOC_ARENA_MAX" in os.environ or "arena_max" in os.environ.get("GLIBC_TUNABLES", "")
    mallopt = _glibc("mallopt")
    if not said and mallopt is not None:
        mallopt(_M_ARENA_MAX, max(1, (os.cpu_count() or 1) // _SHARING))


@cache
def _glibc(name: str) -> Callable[..., int] | None:
    """Returns a function of glibc; other C libraries have none of them, and do not need it."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), name, None)
