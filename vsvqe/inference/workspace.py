"""Arrays that are used again and again: fresh ones of this size cost a page fault every 4 KiB."""

import contextlib
import queue
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


class Workspace:
    """Sets of float32 arrays, as many as are in use at once, all zero when new."""

    def __init__(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Remembers the shapes of a set; allocates nothing yet."""
        self._shapes = tuple(shapes)
        self._idle: queue.SimpleQueue[list[NDArray[np.float32]]] = queue.SimpleQueue()

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[list[NDArray[np.float32]]]:
        """Lends a set, which keeps what its last user left in it."""
        try:
            arrays = self._idle.get_nowait()
        except queue.Empty:
            arrays = [np.zeros(shape, np.float32) for shape in self._shapes]
        try:
            yield arrays
        finally:
            self._idle.put(arrays)
