"""Keeps native libraries off standard output, which is the video pipe of ``vspipe``."""

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Iterator

_lock = threading.RLock()


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Sends what any code, native or Python, writes to standard output to standard error.

    It acts on the file descriptor, so it also catches ``printf`` in C++ libraries (TensorRT's
    builder, loaders of CUDA libraries). It acts on the main thread only, where ``vspipe`` runs
    the script before it writes anything: a session that is opened later, from a frame callback
    (tiles that shrink, filters made by ``FrameEval``), would divert video.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _lock:
        try:
            _flush()
            saved = os.dup(1)
        except (OSError, ValueError):  # closed standard output: nothing can be corrupted
            yield
            return
        try:
            os.dup2(2, 1)
            yield
        finally:
            _flush()
            os.dup2(saved, 1)
            os.close(saved)


def _flush() -> None:
    """Empties the buffers of Python's standard output and of C's, which ``printf`` fills."""
    if sys.stdout is not None:
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None).fflush(None)
