"""Keeps native libraries off standard output, which is the video pipe of ``vspipe``."""

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Iterator

_lock = threading.RLock()


def on_main_thread() -> bool:
    """Whether this is the thread in which ``vspipe`` runs the script, before it writes video."""
    return threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def stdout_discarded() -> Iterator[None]:
    """Throws away what any code writes to standard output; on the main thread only, as below."""
    with open(os.devnull, "w") as nothing, _diverted(nothing.fileno()):
        yield


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Sends what any code, native or Python, writes to standard output to standard error.

    It acts on the file descriptor, so it also catches ``printf`` in C++ libraries (TensorRT's
    builder, loaders of CUDA libraries). It acts on the main thread only, where ``vspipe`` runs
    the script before it writes anything: a session that is opened later, from a frame callback
    (tiles that shrink, filters made by ``FrameEval``), would divert video.
    """
    with _diverted(2):
        yield


@contextlib.contextmanager
def _diverted(target: int) -> Iterator[None]:
    if not on_main_thread():
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
            os.dup2(target, 1)
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
