"""The work of one callback on all cores: for what no library spreads over threads by itself."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache


def side_by_side[T](jobs: Iterable[Callable[[], T]]) -> Sequence[T]:
    """Does several jobs at the same time.

    Args:
        jobs: Each lets go of the interpreter's lock while it works, as OpenCV and NumPy do, and
            asks for no further jobs.

    Returns:
        Their results, in order.

    Raises:
        Exception: Whatever a job raises first.
    """
    return list(_threads().map(lambda job: job(), jobs))


@cache
def _threads() -> ThreadPoolExecutor:
    """Returns the threads of this process, for all filters."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="vsvqe")
