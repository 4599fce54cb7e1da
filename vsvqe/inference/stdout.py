"""Keeps native libraries off standard output, which is the video pipe of ``vspipe``."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

_lock = threading.RLock()


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Sends what any code, native or Python, writes to standard output to standard error.

    It acts on the file descriptor, so it also catches ``printf`` in C++ libraries (TensorRT's
    builder, loaders of CUDA libraries). Used only while a filter is constructed: no frame has
    been written then, so no video can be diverted.
    """
    with _lock:
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
            saved = os.dup(1)
        except (OSError, ValueError):  # closed standard output: nothing can be corrupted
            yield
            return
        try:
            os.dup2(2, 1)
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
            os.dup2(saved, 1)
            os.close(saved)
