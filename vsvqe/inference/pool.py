"""The work of one callback on all cores: for what no library spreads over threads by itself."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from .backends import thread_count


def side_by_side[T](jobs: Iterable[Callable[[], T]], callers: int) -> Sequence[T]:
    """Does several jobs at the same time, if there are cores for them.

    Args:
        jobs: Each lets go of the interpreter's lock while it works, as OpenCV and NumPy do, and
            asks for no further jobs.
        callers: Callbacks that do this at the same time. If they alone keep all cores busy, more
            threads would only wait for each other.

    Returns:
        The jobs' results, in order.

    Raises:
        Exception: Whatever a job raises first.
    """
    if callers >= thread_count(0):
        return [job() for job in jobs]
    return list(_threads().map(lambda job: job(), jobs))


@cache
def _threads() -> ThreadPoolExecutor:
    """Returns the threads of this process, for all filters."""
    return ThreadPoolExecutor(thread_count(0), thread_name_prefix="vsvqe")
